//! The bootstrap that `weft-proxy` runs with.

/// A listener of the proxy.
pub(super) struct Listener {
    pub(super) name: &'static str,
    pub(super) about: &'static str,
    pub(super) port: u16,
    pub(super) tls: bool,
    codec: &'static str,
    /// Of a malformed message its stream alone dies, not the connection, which is the default.
    stream_alone: bool,
    /// Where requests go; empty: they are answered by the proxy itself.
    cluster: &'static str,
}

/// The listeners that are judged. One that answers by itself is not among them: it answers at the head,
/// and the rest of a malformed request, for which h2spec wants an error, is then nobody's business.
pub(super) fn listeners(ports: [u16; 4]) -> Vec<Listener> {
    let [prior, streams, tls, onward] = ports;
    let first = Listener {
        name: "h2c",
        about: "cleartext, HTTP/1.1 to the backend",
        port: prior,
        tls: false,
        codec: "HTTP2",
        stream_alone: false,
        cluster: "http1",
    };
    let like_it = |name, about, port| Listener { name, about, port, ..first };
    let streams = Listener {
        stream_alone: true,
        ..like_it("streams", "cleartext, malformed messages end their stream", streams)
    };
    let tls = Listener { tls: true, codec: "AUTO", ..like_it("tls", "TLS, HTTP/2 by ALPN", tls) };
    let onward =
        Listener { cluster: "http2", ..like_it("onward", "cleartext, HTTP/2 to the backend", onward) };
    vec![first, streams, tls, onward]
}

const FAULT: &str = r#"
                  - name: envoy.filters.http.fault
                    typed_config:
                      "@type": type.googleapis.com/envoy.extensions.filters.http.fault.v3.HTTPFault
                      delay: { fixed_delay: 0.1s, percentage: { numerator: 100 } }"#;

/// The backend, another listener of the same process.
fn backend(port: u16) -> Listener {
    Listener { name: "backend", about: "", port, tls: false, codec: "AUTO", stream_alone: false, cluster: "" }
}

/// The whole bootstrap; certificate and key are in `folder`.
pub(super) fn text(judged: &[Listener], answers: u16, folder: &str) -> String {
    let backend = backend(answers);
    let listeners: String = judged.iter().chain([&backend]).map(|one| one.text(folder)).collect();
    let http2 = r#"{ envoy.extensions.upstreams.http.v3.HttpProtocolOptions: { "@type": type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions, explicit_http_config: { http2_protocol_options: {} } } }"#;
    let clusters = cluster("http1", answers, "{}") + &cluster("http2", answers, http2);
    format!("static_resources:\n  listeners:\n{listeners}  clusters:\n{clusters}")
}

fn cluster(name: &str, port: u16, options: &str) -> String {
    format!(
        "    - {{ name: {name}, type: STATIC, connect_timeout: 2s, typed_extension_protocol_options: {options}, \
         load_assignment: {{ cluster_name: {name}, endpoints: [{{ lb_endpoints: [{{ endpoint: {{ address: {} }} }}] }}] }} }}\n",
        address(port)
    )
}

fn address(port: u16) -> String {
    format!("{{ socket_address: {{ address: 127.0.0.1, port_value: {port} }} }}")
}

impl Listener {
    fn text(&self, folder: &str) -> String {
        let Self { name, port, codec, cluster, stream_alone, .. } = self;
        let does = if cluster.is_empty() {
            "direct_response: { status: 200, body: { inline_string: \"an answer of some length\" } }"
                .to_owned()
        } else {
            format!("route: {{ cluster: {cluster} }}")
        };
        // The backend waits a little, for the same reason.
        let delay = if cluster.is_empty() { FAULT } else { "" };
        let transport = if self.tls {
            format!(
                r#"
          transport_socket:
            name: envoy.transport_sockets.tls
            typed_config:
              "@type": type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext
              common_tls_context:
                alpn_protocols: [h2, http/1.1]
                tls_certificates:
                  - {{ certificate_chain: {{ filename: {folder}/cert.pem }}, private_key: {{ filename: {folder}/key.pem }} }}"#
            )
        } else {
            String::new()
        };
        format!(
            r#"    - name: {name}
      address: {address}
      filter_chains:
        - filters:
            - name: envoy.filters.network.http_connection_manager
              typed_config:
                "@type": type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager
                stat_prefix: {name}
                codec_type: {codec}
                http2_protocol_options: {{ override_stream_error_on_invalid_http_message: {stream_alone} }}
                http_filters:{delay}
                  - name: envoy.filters.http.router
                    typed_config: {{ "@type": type.googleapis.com/envoy.extensions.filters.http.router.v3.Router }}
                route_config: {{ virtual_hosts: [{{ name: all, domains: ["*"], routes: [{{ match: {{ prefix: / }}, {does} }}] }}] }}{transport}
"#,
            address = address(*port),
        )
    }
}
