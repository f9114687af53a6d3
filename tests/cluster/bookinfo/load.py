#!/usr/bin/env python3
"""A steady load over connections that stay open, each failure with its reason. Ends by SIGTERM or after --seconds,
and prints one line of JSON.

A reply other than 200, a reply without --expect, a broken connection and silence for 10 s are failures. An open
connection that the server closes before it has answered anything is tried again on a new one, as every HTTP client
does for GET, and counted as "again": a server that tells of its end ("connection: close") causes none.
"""
import argparse
import asyncio
import collections
import json
import signal
import time

options = argparse.ArgumentParser()
options.add_argument("--address", required=True)
options.add_argument("--port", type=int, default=80)
options.add_argument("--path", required=True)
options.add_argument("--rate", type=float, required=True)
options.add_argument("--connections", type=int, default=16)
options.add_argument("--seconds", type=float, default=3600)
options.add_argument("--expect", default="")
options = options.parse_args()

request = f"GET {options.path} HTTP/1.1\r\nhost: {options.address}\r\n\r\n".encode()
failures, again, times, late = collections.Counter(), 0, [], 0
first = {}


async def exchange(reader, writer):
    """Status, whether the connection stays open, body."""
    writer.write(request)
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    fields = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:] if line)}
    body = b""
    if "content-length" in fields:
        body = await reader.readexactly(int(fields["content-length"]))
    elif "chunked" in fields.get("transfer-encoding", ""):
        while size := int((await reader.readuntil(b"\r\n")).split(b";")[0], 16):
            body += (await reader.readexactly(size + 2))[:-2]
        await reader.readuntil(b"\r\n")
    return int(lines[0].split()[1]), fields.get("connection") != "close", body


def fail(reason, detail=""):
    failures[reason] += 1
    first.setdefault(reason, f"{time.time() - began:.2f} s: {detail[:200]}")


async def work(ticks):
    global again
    connection, used = None, False
    while True:
        due = await ticks.get()
        if due is None:
            break
        for _ in range(2):
            try:
                async with asyncio.timeout(10):
                    if connection is None:
                        connection, used = await asyncio.open_connection(options.address, options.port), False
                    status, stays, body = await exchange(*connection)
                if status != 200:
                    fail(f"status {status}", body.decode("utf-8", "replace"))
                elif options.expect.encode() not in body:
                    fail("body", body.decode("utf-8", "replace"))
                else:
                    times.append(time.monotonic() - due)
                used = True
                if not stays:
                    connection[1].close()
                    connection = None
                break
            except (OSError, EOFError, asyncio.IncompleteReadError, TimeoutError) as error:
                closed = isinstance(error, asyncio.IncompleteReadError) and not error.partial
                closed = closed or isinstance(error, ConnectionError)
                if connection:
                    connection[1].close()
                connection = None
                if used and closed:
                    again += 1
                    used = False
                    continue
                fail(type(error).__name__, str(error))
                break
    if connection:
        connection[1].close()


async def main():
    global late
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    ticks = asyncio.Queue(4 * options.connections)
    workers = [asyncio.create_task(work(ticks)) for _ in range(options.connections)]
    start, count = time.monotonic(), 0
    while not stop.is_set() and time.monotonic() - start < options.seconds:
        due = start + count / options.rate
        if (wait := due - time.monotonic()) > 0:
            await asyncio.sleep(wait)
        if ticks.full():
            # All connections are busy: what the load wanted and did not get is told of, not hidden.
            late += 1
        else:
            ticks.put_nowait(due)
        count += 1
    for _ in workers:
        await ticks.put(None)
    await asyncio.gather(*workers)
    times.sort()
    at = lambda share: round(1000 * times[min(len(times) - 1, int(share * len(times)))], 1) if times else None
    print(json.dumps({
        "requests": len(times) + sum(failures.values()), "failed": sum(failures.values()), "again": again,
        "not sent": late, "seconds": round(time.monotonic() - start, 1), "p50 ms": at(0.5), "p99 ms": at(0.99),
        "max ms": at(1), "failures": failures, "first": first}))


began = time.time()
asyncio.run(main())
