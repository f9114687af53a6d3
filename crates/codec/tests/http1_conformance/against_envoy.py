#!/usr/bin/env python3
"""Asks a real Envoy for its verdict on every case of requests.txt and responses.txt.

usage: ENVOY=/path/to/envoy against_envoy.py [--write]

Without --write it compares with the `envoy:` lines and fails on a difference; with it, it rewrites them.
All traffic is on loopback; Envoy is started here and stopped here.
"""
import os, re, socket, subprocess, sys, tempfile, threading, time

HERE = os.path.dirname(os.path.abspath(__file__))
PORTS = {"": 21851, "options": 21852}
UPSTREAM = 21853
LOG = "%RESPONSE_CODE%|%RESPONSE_CODE_DETAILS%|%RESPONSE_FLAGS%|%DOWNSTREAM_REMOTE_PORT%|%DOWNSTREAM_LOCAL_PORT%\\n"
OPTIONS = "{accept_http_10: true, default_host_for_http_10: fallback, allow_chunked_length: true, enable_trailers: true}"


def listener(port, options, log):
    return f"""
  - name: l{port}
    address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}}
    filter_chains:
    - filters:
      - name: hcm
        typed_config:
          "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
          stat_prefix: l{port}
          codec_type: HTTP1
          http_protocol_options: {options}
          upgrade_configs: [{{upgrade_type: websocket}}, {{upgrade_type: CONNECT}}]
          access_log:
          - name: file
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog
              path: {log}
              log_format: {{text_format_source: {{inline_string: "{LOG}"}}}}
          route_config:
            virtual_hosts:
            - name: all
              domains: ["*"]
              routes:
              - match: {{connect_matcher: {{}}}}
                route: {{cluster: up}}
              - match: {{prefix: "/"}}
                route: {{cluster: up}}
          http_filters:
          - name: router
            typed_config: {{"@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router}}"""


def config(log):
    return f"""
static_resources:
  listeners:{listener(PORTS[""], "{}", log)}{listener(PORTS["options"], OPTIONS, log)}
  clusters:
  - name: up
    connect_timeout: 1s
    type: STATIC
    load_assignment:
      cluster_name: up
      endpoints: [{{lb_endpoints: [{{endpoint: {{address: {{socket_address: {{address: 127.0.0.1, port_value: {UPSTREAM}}}}}}}}}]}}]
"""


def unescape(text):
    text = re.sub(r"\{(\d+)\*([^}]*)\}", lambda m: m.group(2) * int(m.group(1)), text)
    return text.encode("latin1").decode("unicode_escape").encode("latin1")


class Upstream:
    """Answers each connection with `reply` once a head has come; without one, with 200 to each request."""

    def __init__(self):
        self.reply = None
        self.socket = socket.socket()
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(("127.0.0.1", UPSTREAM))
        self.socket.listen(64)
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            connection, _ = self.socket.accept()
            threading.Thread(target=self.serve, args=(connection,), daemon=True).start()

    def serve(self, connection):
        buffer = b""
        try:
            while True:
                head = re.match(rb"[A-Z]+ \S+ HTTP/1\.1\r\n.*?\r\n\r\n", buffer, re.S)
                if head:
                    text, rest = head.group(0).lower(), buffer[head.end():]
                    length = re.search(rb"content-length: *(\d+)", text)
                    length = min(int(length.group(1)), 1000) if length else 0
                    if b"transfer-encoding" in text:
                        body = re.match(rb"(.*\r\n)?0\r\n(\S+: .*?\r\n)*\r\n", rest, re.S)
                        length = body.end() if body else len(rest) + 1
                    if self.reply is not None:
                        connection.sendall(self.reply)
                        time.sleep(0.1)
                        connection.shutdown(socket.SHUT_WR)
                        connection.settimeout(1)
                        connection.recv(100)
                        return
                    if len(rest) >= length:
                        buffer = rest[length:]
                        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
                        continue
                data = connection.recv(65536)
                if not data:
                    return
                buffer += data
        except OSError:
            pass
        finally:
            connection.close()


def exchange(port, data, patience):
    connection = socket.create_connection(("127.0.0.1", port))
    local = connection.getsockname()[1]
    connection.settimeout(patience)
    answer = b""
    try:
        connection.sendall(data)
        while piece := connection.recv(65536):
            answer += piece
    except OSError:
        pass
    connection.close()
    return local, answer


def request_verdict(case, log):
    port = PORTS["options" if "options" in case else ""]
    seen = len(open(log, errors="replace").read()) if os.path.exists(log) else 0
    local, answer = exchange(port, unescape(case["in"]), 0.15)
    if not answer:
        return "wait"
    time.sleep(0.05)
    fresh = open(log, errors="replace").read()[seen:]
    lines = [l.split("|") for l in fresh.splitlines() if l.endswith(f"|{local}|{port}")]
    status, word, flags = lines[-1][:3] if lines else (answer[9:12].decode(), "", "")
    if word in ("via_upstream", "") or flags == "DC" or word.startswith("upstream"):
        return "pass"
    return f"{status} {word}" if flags == "DPE" else f"pass, then {status} {word}"


def response_verdict(case, log, upstream):
    request = b"GET / HTTP/1.1\r\nHost: a\r\n"
    if case.get("asked") == "HEAD":
        request = request.replace(b"GET", b"HEAD")
    if case.get("asked") == "CONNECT":
        request = b"CONNECT b:1 HTTP/1.1\r\nHost: b:1\r\n"
    if case.get("asked") == "upgrade":
        request += b"Connection: Upgrade\r\nUpgrade: websocket\r\n"
    upstream.reply = unescape(case["in"])
    seen = len(open(log, errors="replace").read()) if os.path.exists(log) else 0
    local, answer = exchange(PORTS[""], request + b"\r\n", 0.4)
    time.sleep(0.05)
    fresh = open(log, errors="replace").read()[seen:]
    lines = [l.split("|") for l in fresh.splitlines() if l.endswith(f"|{local}|{PORTS['']}")]
    if not lines:
        return "wait"
    flags = lines[-1][2]
    # Once a tunnel stands, the upstream's end is its regular end.
    return flags if flags == "UPE" or (flags == "UC" and answer[9:12] == b"503") else "pass"


def cases(path):
    for block in open(path).read().split("\n\n"):
        pairs = [line.split(": ", 1) for line in block.splitlines() if not line.startswith("#")]
        case = {pair[0].rstrip(":"): pair[1] if len(pair) > 1 else "" for pair in pairs if pair[0]}
        yield block, case if "case" in case else None


def main():
    write = "--write" in sys.argv
    upstream = Upstream()
    differences = 0
    with tempfile.TemporaryDirectory() as folder:
        log = os.path.join(folder, "access.log")
        path = os.path.join(folder, "envoy.yaml")
        open(path, "w").write(config(log))
        command = [os.environ.get("ENVOY", "envoy"), "-c", path, "--concurrency", "1", "--base-id", "21", "--disable-hot-restart"]
        command += ["--log-level", "error", "--file-flush-interval-msec", "5"]
        envoy = subprocess.Popen(command)
        try:
            time.sleep(2)
            for name in ("requests.txt", "responses.txt"):
                blocks = []
                for block, case in cases(os.path.join(HERE, name)):
                    if case:
                        upstream.reply = None
                        verdict = request_verdict(case, log) if name == "requests.txt" else response_verdict(case, log, upstream)
                        if verdict != case.get("envoy"):
                            differences += 1
                            print(f"{name}: {case['case']}: table says {case.get('envoy')}, Envoy {verdict}")
                        if write:
                            block = re.sub(r"\nenvoy: .*", "", block).rstrip("\n") + f"\nenvoy: {verdict}"
                    blocks.append(block)
                if write:
                    open(os.path.join(HERE, name), "w").write("\n\n".join(blocks).rstrip("\n") + "\n")
        finally:
            envoy.terminate()
            envoy.wait()
    print(f"{differences} differences")
    sys.exit(0 if write or not differences else 1)


if __name__ == "__main__":
    main()
