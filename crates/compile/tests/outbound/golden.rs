//! What is rendered, as text: three kinds of proxies, captured and embedded. `WEFT_BLESS=1` writes the
//! files anew.

use std::path::Path;

use weft_compile::{Capabilities, compile};
use weft_proto::json::{Style, to_json};
use weft_proto::resource::ResourceSet;
use weft_proto::schema::MessageType;
use weft_proto::type_url;

use crate::world::{self, BOOKINFO, RULES, names};

fn golden(name: &str, text: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/outbound/golden").join(name);
    if std::env::var_os("WEFT_BLESS").is_some() {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, text).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert_eq!(known, text, "{} differs; WEFT_BLESS=1 accepts it", path.display());
}

fn json(set: &ResourceSet, type_url: &str, name: &str) -> String {
    let resource = &set.of(type_url).unwrap()[name];
    let schema = MessageType::find_url(type_url).unwrap();
    let value = to_json(schema, &resource.body.value, Style::default()).unwrap();
    format!("{value:#}\n")
}

/// One virtual host of a route configuration: others look alike.
fn host(set: &ResourceSet, routes: &str, wanted: &str) -> String {
    let whole: serde_json::Value =
        serde_json::from_str(&json(set, type_url::ROUTE_CONFIGURATION, routes)).unwrap();
    let hosts = whole["virtual_hosts"].as_array().unwrap();
    format!("{:#}\n", hosts.iter().find(|host| host["name"] == wanted).unwrap())
}

/// Names of all resources, one a line.
fn listing(set: &ResourceSet) -> String {
    let types = [
        type_url::LISTENER,
        type_url::ROUTE_CONFIGURATION,
        type_url::CLUSTER,
        type_url::CLUSTER_LOAD_ASSIGNMENT,
    ];
    let lines = types.into_iter().flat_map(|url| {
        let kind = url.rsplit('.').next().unwrap();
        names(set, url).into_iter().map(move |name| format!("{kind} {name}\n"))
    });
    lines.collect()
}

#[test]
fn names_of_all_resources() {
    let mesh = world::mesh(&[BOOKINFO, RULES]);
    golden("sidecar.names", &listing(&compile(&mesh, &world::sidecar(Capabilities::PLAIN))));
    golden("embedded.names", &listing(&compile(&mesh, &world::embedded())));
    golden("gateway.names", &listing(&compile(&mesh, &world::gateway(Capabilities::PLAIN))));
}

#[test]
fn a_cluster_a_listener_and_routes() {
    let mesh = world::mesh(&[BOOKINFO, RULES]);
    let cluster = "outbound|9080|v2|reviews.default.svc.cluster.local";
    for (flavor, capabilities) in
        [("plain", Capabilities::PLAIN), ("istio", Capabilities::ISTIO), ("weft", Capabilities::WEFT)]
    {
        let set = compile(&mesh, &world::sidecar(capabilities));
        golden(&format!("{flavor}.cluster.json"), &json(&set, type_url::CLUSTER, cluster));
        golden(&format!("{flavor}.listener.json"), &json(&set, type_url::LISTENER, "0.0.0.0_9080"));
        golden(&format!("{flavor}.allow-any.json"), &host(&set, "9080", "allow_any"));
    }
    let set = compile(&mesh, &world::sidecar(Capabilities::PLAIN));
    golden("endpoints.json", &json(&set, type_url::CLUSTER_LOAD_ASSIGNMENT, cluster));
    let reviews = "reviews.default.svc.cluster.local:9080";
    golden("reviews.routes.json", &host(&set, "9080", reviews));
    golden("virtual-outbound.json", &json(&set, type_url::LISTENER, "virtualOutbound"));
    let gateway = compile(&mesh, &world::gateway(Capabilities::PLAIN));
    golden("gateway.routes.json", &json(&gateway, type_url::ROUTE_CONFIGURATION, "http.8080"));
    let embedded = compile(&mesh, &world::embedded());
    golden(
        "http-proxy.routes.json",
        &host(&embedded, "http_proxy", "ratings.default.svc.cluster.local:9080"),
    );
}
