//! What calls are wrapped in, and where endpoints lie (DR-07, DR-14, DR-15, SD-10, SD-11).

use weft_compile::cluster::{Intent, Transport, intents};
use weft_compile::view::View;
use weft_compile::{Capabilities, compile, diagnose};
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::cluster::v3::cluster::{ClusterDiscoveryType, DiscoveryType};
use weft_proto::envoy::config::core::v3::transport_socket::ConfigType::TypedConfig;
use weft_proto::envoy::config::endpoint::v3::ClusterLoadAssignment;
use weft_proto::type_url;

use crate::rules::EVERYTHING;
use crate::world::{self, BOOKINFO, unpack};

const REVIEWS: &str = "reviews.default.svc.cluster.local";

fn with(texts: &[&str], host: &str, look: impl FnOnce(&Intent<'_>)) {
    let mut all = vec![BOOKINFO];
    all.extend(texts);
    let mesh = world::mesh(&all);
    let proxy = world::sidecar(Capabilities::PLAIN);
    let view = View::new(&mesh, &proxy);
    let service = view.service(host).unwrap().clone();
    look(&intents(&view, &service).next().unwrap());
}

fn rule(policy: &str) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: reviews, namespace: \
         default}}\nspec: {{host: reviews, trafficPolicy: {policy}}}\n"
    )
}

#[test]
fn mutual_tls_is_automatic_unless_the_rule_says_otherwise() {
    with(&[], REVIEWS, |intent| {
        let Transport::Auto(mutual) = &intent.transport else { panic!("{:?}", intent.transport) };
        assert_eq!(mutual.server_name, "outbound_.9080_._.reviews.default.svc.cluster.local");
        assert_eq!(mutual.identities, ["spiffe://cluster.local/ns/default/sa/bookinfo-reviews"]);
    });
    // Other blocks leave it automatic (DR-15).
    with(&[&rule("{loadBalancer: {simple: RANDOM}}")], REVIEWS, |intent| {
        assert!(matches!(intent.transport, Transport::Auto(_)));
    });
    with(&[&rule("{tls: {mode: DISABLE}}")], REVIEWS, |intent| {
        assert_eq!(intent.transport, Transport::Plain);
    });
    with(&[&rule("{tls: {mode: ISTIO_MUTUAL, sni: x, subjectAltNames: [other]}}")], REVIEWS, |intent| {
        let Transport::Mutual(mutual) = &intent.transport else { panic!("{:?}", intent.transport) };
        assert_eq!(
            (mutual.server_name.as_str(), mutual.identities.as_slice()),
            ("x", &["other".to_owned()][..])
        );
    });
    with(&[&rule("{tls: {mode: SIMPLE}}")], REVIEWS, |intent| assert!(intent.transport.is_foreign_tls()));
    with(&[EVERYTHING], "api.example.com", |intent| assert_eq!(intent.transport, Transport::Plain));
}

fn clusters(texts: &[&str], host: &str) -> Vec<Cluster> {
    let mut all = vec![BOOKINFO];
    all.extend(texts);
    let set = compile(&world::mesh(&all), &world::sidecar(Capabilities::PLAIN));
    unpack::<Cluster>(&set, type_url::CLUSTER).into_iter().filter(|c| c.name.ends_with(host)).collect()
}

const OUTSIDE: &str = "apiVersion: networking.istio.io/v1\nkind: ServiceEntry\nmetadata: {name: outside}\nspec: \
    {hosts: [outside.test], ports: [{number: 443, name: https, protocol: HTTPS}], resolution: DNS_ROUND_ROBIN, \
    endpoints: [{address: a.outside.test, labels: {version: v1}}], subjectAltNames: [real.outside.test]}\n";

/// Without them, whoever has a certificate of any authority could answer.
#[test]
fn a_service_entry_says_which_names_its_servers_have() {
    let rule = |names: &str| {
        format!(
            "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: outside}}\nspec: \
             {{host: outside.test, trafficPolicy: {{tls: {{mode: SIMPLE{names}}}}}}}\n"
        )
    };
    let asks_for = |names: &str, wanted: &str| {
        let clusters = clusters(&[OUTSIDE, &rule(names)], "outside.test");
        assert!(!clusters.is_empty());
        clusters.iter().all(|cluster| {
            let Some(TypedConfig(context)) =
                cluster.transport_socket.as_ref().and_then(|s| s.config_type.as_ref())
            else {
                panic!("{} has no TLS", cluster.name)
            };
            context.value.windows(wanted.len()).any(|part| part == wanted.as_bytes())
        })
    };
    assert!(asks_for("", "real.outside.test"));
    let own = ", subjectAltNames: [mine.test]";
    assert!(asks_for(own, "mine.test") && !asks_for(own, "real.outside.test"));
}

/// Envoy refuses a cluster of type LOGICAL_DNS with another number of endpoints.
#[test]
fn a_subset_that_selects_no_name_is_no_logical_dns() {
    let rule = "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {name: outside}\nspec: \
                {host: outside.test, subsets: [{name: one, labels: {version: v1}}, {name: none, labels: {version: v9}}]}\n";
    let mut kinds: Vec<(String, i32)> = clusters(&[OUTSIDE, rule], "outside.test")
        .into_iter()
        .map(|cluster| {
            let Some(ClusterDiscoveryType::Type(kind)) = cluster.cluster_discovery_type else { panic!() };
            (cluster.name.split('|').nth(2).unwrap().to_owned(), kind)
        })
        .collect();
    kinds.sort();
    let (strict, logical) = (DiscoveryType::StrictDns as i32, DiscoveryType::LogicalDns as i32);
    assert_eq!(kinds, [(String::new(), logical), ("none".to_owned(), strict), ("one".to_owned(), logical)]);
}

#[test]
fn a_port_stands_alone_and_a_subset_replaces_blocks() {
    let port = rule(
        "{tls: {mode: DISABLE}, portLevelSettings: [{port: {number: 9080}, loadBalancer: {simple: RANDOM}}]}",
    );
    with(&[&port], REVIEWS, |intent| assert!(matches!(intent.transport, Transport::Auto(_))));
}

fn endpoints(texts: &[&str], cluster: &str) -> ClusterLoadAssignment {
    let set = compile(&world::mesh(texts), &world::sidecar(Capabilities::PLAIN));
    let all: Vec<ClusterLoadAssignment> = unpack(&set, type_url::CLUSTER_LOAD_ASSIGNMENT);
    all.into_iter().find(|one| one.cluster_name == cluster).unwrap()
}

#[test]
fn a_workload_that_refuses_mutual_tls_is_called_in_plaintext() {
    let off = "apiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: none, namespace: \
               default}\nspec: {selector: {matchLabels: {version: v2}}, mtls: {mode: DISABLE}}\n";
    let list = endpoints(&[BOOKINFO, off], "outbound|9080||reviews.default.svc.cluster.local");
    let modes: Vec<bool> = list.endpoints[0]
        .lb_endpoints
        .iter()
        .map(|e| e.metadata.as_ref().unwrap().filter_metadata.contains_key("envoy.transport_socket_match"))
        .collect();
    assert_eq!(modes, [true, false, true]);
}

#[test]
fn near_endpoints_go_first_where_outliers_are_detected() {
    let labels = |version: &str, locality: &str| {
        (format!("version: {version}}}"), format!("version: {version}, istio-locality: {locality}}}"))
    };
    let mut text = BOOKINFO.to_owned();
    for (from, to) in [labels("v2", "eu.a"), labels("v3", "us.a")] {
        text = text.replace(&format!("{{app: reviews, {from}"), &format!("{{app: reviews, {to}"));
    }
    text = text
        .replace("{app: productpage, version: v1}", "{app: productpage, version: v1, istio-locality: eu.a}");
    let cluster = "outbound|9080||reviews.default.svc.cluster.local";
    let plain = endpoints(&[&text], cluster);
    assert!(plain.endpoints.iter().all(|group| group.priority == 0));
    let detected = endpoints(&[&text, &rule("{outlierDetection: {consecutive5xxErrors: 3}}")], cluster);
    let order: Vec<(u32, String)> = detected
        .endpoints
        .iter()
        .map(|group| (group.priority, group.locality.clone().unwrap_or_default().region))
        .collect();
    assert_eq!(order.iter().find(|(_, region)| region == "eu").unwrap().0, 0, "{order:?}");
    assert!(
        order.iter().filter(|(_, region)| region != "eu").all(|(priority, _)| *priority == 1),
        "{order:?}"
    );
}

#[test]
fn only_who_has_the_filter_offers_the_exchange_of_metadata() {
    for (capabilities, offered) in [(Capabilities::PLAIN, false), (Capabilities::ISTIO, true)] {
        let set = compile(&world::mesh(&[BOOKINFO]), &world::sidecar(capabilities));
        let cluster: Vec<Cluster> = unpack(&set, type_url::CLUSTER);
        let reviews = cluster.iter().find(|c| c.name.ends_with(REVIEWS)).unwrap();
        let text = format!("{reviews:?}").contains("istio.metadata_exchange");
        let resource = &set.of(type_url::CLUSTER).unwrap()[reviews.name.as_str()];
        let alpn = String::from_utf8_lossy(&resource.body.value).contains("istio-peer-exchange");
        assert_eq!((text, alpn), (offered, offered));
    }
}

#[test]
fn what_has_no_effect_is_said() {
    let asked = rule(
        "{tunnel: {targetHost: a, targetPort: 1}, tls: {mode: SIMPLE, credentialName: secret}, loadBalancer: \
         {consistentHash: {httpCookie: {name: c, attributes: [{name: a}]}}}}",
    );
    let mesh = world::mesh(&[BOOKINFO, &asked]);
    let paths: Vec<String> =
        diagnose(&mesh, &world::sidecar(Capabilities::WEFT)).into_iter().map(|d| d.path).collect();
    assert_eq!(
        paths,
        [
            "spec.trafficPolicy.tunnel",
            "spec.trafficPolicy.loadBalancer.consistentHash.httpCookie.attributes",
            "spec.trafficPolicy.tls.credentialName",
        ]
    );
    _ = world::tables(&compile(&mesh, &world::sidecar(Capabilities::WEFT)));
}
