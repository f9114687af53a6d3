//! One sidecar and one gateway as people know them, whole: what is rendered cannot change unnoticed.

use weft_compile::capabilities::Capabilities;
use weft_proto::schema::MessageType;

use crate::world::{APP, mesh, proxy, resources};

/// Names of chains with their criteria, and of the filters in them, one a line.
fn outline(listener: &weft_proto::envoy::config::listener::v3::Listener) -> String {
    let mut lines = vec![listener.name.clone()];
    for chain in &listener.filter_chains {
        let criteria = chain.filter_chain_match.clone().unwrap_or_default();
        let wire = prost::Message::encode_to_vec(&criteria);
        let schema = MessageType::find("envoy.config.listener.v3.FilterChainMatch").expect("a schema");
        let json = weft_proto::json::to_json(schema, &wire, weft_proto::json::Style::default());
        let tls = if chain.transport_socket.is_some() { " TLS" } else { "" };
        lines.push(format!("  {}{tls} {}", chain.name, json.expect("JSON")));
        for filter in &chain.filters {
            lines.push(format!("    {}", filter.name));
            lines.extend(http_filters(filter).into_iter().map(|name| format!("      {name}")));
        }
    }
    lines.join("\n")
}

fn http_filters(filter: &weft_proto::envoy::config::listener::v3::Filter) -> Vec<String> {
    use weft_proto::envoy::config::listener::v3::filter::ConfigType;
    use weft_proto::envoy::extensions::filters::network::http_connection_manager::v3::HttpConnectionManager;
    let Some(ConfigType::TypedConfig(any)) = &filter.config_type else { return Vec::new() };
    let Ok(manager) = weft_proto::any::unpack::<HttpConnectionManager>(any) else { return Vec::new() };
    manager.http_filters.into_iter().map(|filter| filter.name).collect()
}

#[test]
fn a_port_of_a_sidecar_in_three_renderings() {
    let snapshot = mesh(APP);
    let of = |capabilities| {
        let (listeners, _) = resources(&snapshot, &proxy("sidecar", "app-1", "NONE", capabilities));
        let wanted = ["127.64.0.2_8080", "127.64.0.2_9000"];
        let chosen = listeners.iter().filter(|listener| wanted.contains(&listener.name.as_str()));
        chosen.map(outline).collect::<Vec<_>>().join("\n")
    };
    let plain = of(Capabilities::PLAIN);
    assert_eq!(
        plain,
        r#"127.64.0.2_8080
  0.0.0.0_8080 TLS {"application_protocols":["istio","istio-peer-exchange","istio-http/1.0","istio-http/1.1","istio-h2"],"transport_protocol":"tls"}
    envoy.filters.network.http_connection_manager
      istio.metadata_exchange
      envoy.filters.http.grpc_stats
      envoy.filters.http.fault
      envoy.filters.http.cors
      envoy.filters.http.router
  0.0.0.0_8080 {"transport_protocol":"raw_buffer"}
    envoy.filters.network.http_connection_manager
      istio.metadata_exchange
      envoy.filters.http.grpc_stats
      envoy.filters.http.fault
      envoy.filters.http.cors
      envoy.filters.http.router
127.64.0.2_9000
  0.0.0.0_9000 TLS {"application_protocols":["istio","istio-peer-exchange","istio-http/1.0","istio-http/1.1","istio-h2"],"transport_protocol":"tls"}
    envoy.filters.network.tcp_proxy
  0.0.0.0_9000 {"transport_protocol":"tls"}
    envoy.filters.network.tcp_proxy
  0.0.0.0_9000 {"transport_protocol":"raw_buffer"}
    envoy.filters.network.tcp_proxy"#
    );
    // Istio's metrics come before the router, and before the proxy of bytes.
    let stats = plain
        .replace("      envoy.filters.http.router", "      istio.stats\n      envoy.filters.http.router");
    let tcp = "    envoy.filters.network.tcp_proxy";
    assert_eq!(of(Capabilities::WEFT), stats.replace(tcp, &format!("    istio.stats\n{tcp}")));
    let exchanged = format!("    istio.metadata_exchange\n    istio.stats\n{tcp}");
    assert_eq!(of(Capabilities::ISTIO), stats.replace(tcp, &exchanged));
}
