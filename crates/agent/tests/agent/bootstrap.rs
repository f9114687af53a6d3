//! The bootstrap, judged by real Envoy.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use weft_agent::bootstrap::{BootstrapArgs, to_json};
use weft_agent::node::{NodeArgs, node};

use crate::envoy;

fn args(stats_matcher: Option<Value>) -> BootstrapArgs {
    let args = NodeArgs {
        ips: vec!["10.0.0.1".into()],
        pod: "reviews".into(),
        namespace: "default".into(),
        service_account: "reviews".into(),
        labels: BTreeMap::from([("app".into(), "reviews".into())]),
        domain: "cluster.local".into(),
        proxy_config: Some(json!({"concurrency": 2, "proxyMetadata": {"A": "b"}})),
        ..NodeArgs::default()
    };
    BootstrapArgs {
        node: node(&args),
        admin: "127.0.0.1:15000".parse().unwrap(),
        bind: "0.0.0.0".parse().unwrap(),
        agent: "0.0.0.0:15020".parse().unwrap(),
        xds_socket: "/run/weft/XDS".into(),
        sds_socket: "/run/weft/SDS".into(),
        stats_matcher,
    }
}

#[tokio::test]
async fn envoy_takes_the_bootstrap() {
    let folder = tempfile::tempdir().unwrap();
    for matcher in
        [None, Some(json!({"inclusionRegexps": [".*upstream_rq.*"], "inclusionPrefixes": ["http."]}))]
    {
        let text = to_json(&args(matcher)).unwrap();
        envoy::validate(folder.path(), &text).await.unwrap();
    }
}

#[test]
fn names_are_istios() {
    let text = to_json(&args(None)).unwrap();
    let value: Value = serde_json::from_str(&text).unwrap();
    let names = |value: &Value| -> Vec<String> {
        let items = value.as_array().unwrap().iter();
        items.map(|item| item["name"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(
        names(&value["static_resources"]["clusters"]),
        ["prometheus_stats", "agent", "sds-grpc", "xds-grpc"]
    );
    assert_eq!(names(&value["static_resources"]["listeners"]), ["0.0.0.0_15090", "0.0.0.0_15021"]);
    assert_eq!(value["dynamic_resources"]["ads_config"]["api_type"], "DELTA_GRPC");
    assert_eq!(value["node"]["id"], "sidecar~10.0.0.1~reviews.default~default.svc.cluster.local");
    assert_eq!(value["node"]["metadata"]["PROXY_CONFIG"]["proxyMetadata"]["A"], "b");
    let agent = &value["static_resources"]["clusters"][1]["load_assignment"]["endpoints"][0];
    let address = &agent["lb_endpoints"][0]["endpoint"]["address"]["socket_address"];
    assert_eq!(address["address"], "127.0.0.1");
}

#[test]
fn a_matcher_that_is_none_is_refused_in_words() {
    let refused = to_json(&args(Some(json!({"inclusionPrefixes": [1]})))).unwrap_err().to_string();
    assert!(refused.contains("prefix"), "{refused}");
}
