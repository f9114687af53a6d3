use super::*;
use crate::stats::{Filter, prometheus, text};

fn lines(registry: &Registry, filter: &str) -> (String, String) {
    let snapshot = registry.snapshot(&Filter::from_query(filter).unwrap());
    (text::render_text(&snapshot), prometheus::render(&snapshot))
}

#[test]
fn clusters_are_named_and_labelled_as_in_envoy() {
    let registry = Registry::new();
    let scope = Scope::cluster(&registry, "outbound|80||a.b:x");
    let stats = ClusterStats::new(&scope);
    let statuses = StatusStats::new(&scope);
    let external = StatusStats::new(&scope.part("external"));
    let _ = CircuitBreakerStats::new(&scope.part("circuit_breakers").part("default"));
    let shard = registry.shard();
    shard.inc(stats.upstream_rq_total);
    shard.gauge_inc(stats.upstream_rq_active);
    shard.gauge_dec(stats.upstream_rq_active);
    statuses.record(&registry, &shard, 200);
    statuses.record(&registry, &shard, 204);
    statuses.record(&registry, &shard, 999);
    external.record(&registry, &shard, 200);
    let (text, prometheus) = lines(&registry, "usedonly");
    assert_eq!(
        text,
        "cluster.outbound|80||a.b_x.external.upstream_rq_200: 1\n\
         cluster.outbound|80||a.b_x.external.upstream_rq_2xx: 1\n\
         cluster.outbound|80||a.b_x.external.upstream_rq_completed: 1\n\
         cluster.outbound|80||a.b_x.upstream_rq_200: 1\n\
         cluster.outbound|80||a.b_x.upstream_rq_204: 1\n\
         cluster.outbound|80||a.b_x.upstream_rq_2xx: 2\n\
         cluster.outbound|80||a.b_x.upstream_rq_active: 0\n\
         cluster.outbound|80||a.b_x.upstream_rq_completed: 3\n\
         cluster.outbound|80||a.b_x.upstream_rq_total: 1\n"
    );
    for line in [
        "envoy_cluster_external_upstream_rq{envoy_response_code=\"200\",envoy_cluster_name=\"outbound|80||a.b_x\"} 1",
        "envoy_cluster_upstream_rq_xx{envoy_response_code_class=\"2\",envoy_cluster_name=\"outbound|80||a.b_x\"} 2",
        "# TYPE envoy_cluster_upstream_rq_active gauge",
        "envoy_cluster_upstream_rq_total{envoy_cluster_name=\"outbound|80||a.b_x\"} 1",
    ] {
        assert!(prometheus.lines().any(|have| have == line), "{line}\n{prometheus}");
    }
    let (text, prometheus) = lines(&registry, "filter=default%2Ecx_open");
    assert_eq!(text, "cluster.outbound|80||a.b_x.circuit_breakers.default.cx_open: 0\n");
    assert!(prometheus.contains("envoy_cluster_circuit_breakers_default_cx_open{"));
}

#[test]
fn managers_and_listeners_are_named_and_labelled_as_in_envoy() {
    let registry = Registry::new();
    let http = HttpStats::new(&Scope::http(&registry, "ingress"));
    let per_listener = ListenerHttpStats::new(&Scope::listener_http(&registry, "0.0.0.0_80", "ingress"));
    let listener = ListenerStats::new(&Scope::listener(&registry, "0.0.0.0_80"));
    let server = ServerStats::new(&Scope::root(&registry).part("server"));
    let shard = registry.shard();
    shard.inc(http.downstream_rq_5xx);
    shard.inc(per_listener.downstream_rq_5xx);
    shard.inc(listener.downstream_cx_total);
    registry.set_gauge(server.live, 1);
    shard.record(http.downstream_rq_time, 3);
    let (text, prometheus) = lines(&registry, "usedonly");
    let names: Vec<_> = text.lines().filter_map(|line| line.split(": ").next()).collect();
    assert_eq!(
        names,
        [
            "http.ingress.downstream_rq_5xx",
            "listener.0.0.0.0_80.downstream_cx_total",
            "listener.0.0.0.0_80.http.ingress.downstream_rq_5xx",
            "server.live",
            "http.ingress.downstream_rq_time",
        ]
    );
    for line in [
        "envoy_http_downstream_rq_xx{envoy_response_code_class=\"5\",envoy_http_conn_manager_prefix=\"ingress\"} 1",
        "envoy_listener_http_downstream_rq_xx{envoy_response_code_class=\"5\",\
         envoy_http_conn_manager_prefix=\"ingress\",envoy_listener_address=\"0.0.0.0_80\"} 1",
        "envoy_listener_downstream_cx_total{envoy_listener_address=\"0.0.0.0_80\"} 1",
        "envoy_server_live{} 1",
        "envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix=\"ingress\",le=\"1\"} 0",
        "envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix=\"ingress\",le=\"5\"} 1",
        "envoy_http_downstream_rq_time_bucket{envoy_http_conn_manager_prefix=\"ingress\",le=\"+Inf\"} 1",
        "envoy_http_downstream_rq_time_sum{envoy_http_conn_manager_prefix=\"ingress\"} 3",
    ] {
        assert!(prometheus.lines().any(|have| have == line), "{line}\n{prometheus}");
    }
}

#[test]
fn json_has_envoys_shape() {
    let registry = Registry::new();
    let http = HttpStats::new(&Scope::http(&registry, "in\"gress"));
    let shard = registry.shard();
    shard.inc(http.downstream_rq_total);
    let snapshot = registry.snapshot(&Filter::from_query("filter=rq_t(otal|ime)$&type=").unwrap());
    let json: serde_json::Value = serde_json::from_slice(&text::render_json(&snapshot)).unwrap();
    let stats = json["stats"].as_array().unwrap();
    assert_eq!(stats[0]["name"], "http.in\"gress.downstream_rq_total");
    assert_eq!(stats[0]["value"], 1);
    let histograms = &stats.last().unwrap()["histograms"];
    assert_eq!(histograms["supported_quantiles"][7], 99.5);
    assert_eq!(histograms["computed_quantiles"][0]["name"], "http.in\"gress.downstream_rq_time");
    assert!(histograms["computed_quantiles"][0]["values"][0]["cumulative"].is_null());
    let empty = text::render_json(&registry.snapshot(&Filter::from_query("filter=none-such").unwrap()));
    assert_eq!(empty, b"{\"stats\":[]}");
    assert!(Filter::from_query("filter=%28").is_err());
}
