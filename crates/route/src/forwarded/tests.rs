use proptest::prelude::*;

use super::*;
use crate::testing::{Fixed, manager, routes};

const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));
const LOOPBACK: Hop<'_> = Hop {
    remote: Some(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)),
    local: Some(HERE),
    port: Some(8080),
    tls: false,
    node: "n1",
    node_cluster: "c1",
};
/// Requests of 10/8 and of loopback are internal.
const INTERNAL: &str = "internal_address_config: {cidr_ranges: [{address_prefix: 10.0.0.0, prefix_len: 8},
    {address_prefix: 127.0.0.0, prefix_len: 8}]}";

struct Received {
    head: RequestHead,
    client: Option<IpAddr>,
}

impl Received {
    fn field(&self, name: &str) -> &str {
        self.head.headers.get_str(name).unwrap_or("-")
    }
}

fn receive_from(hop: Hop<'_>, manager: &HttpManager, fields: &[(&str, &str)]) -> Received {
    let mut head = RequestHead::get("x", "/");
    head.headers = fields.iter().copied().collect();
    let config = routes("internal_only_headers: [x-int], virtual_hosts: []");
    let client = receive(&mut head, manager, Some(&config), hop, &mut Fixed(7));
    Received { head, client }
}

fn received(config: &str, fields: &[(&str, &str)]) -> Received {
    receive_from(LOOPBACK, &manager(config), fields)
}

fn client(config: &str, xff: &str) -> String {
    received(config, &[("x-forwarded-for", xff)]).client.unwrap().to_string()
}

#[test]
fn the_client_is_the_last_address_that_a_trusted_hop_told() {
    for (xff, none, one) in [
        ("1.2.3.4", "1.2.3.4", "127.0.0.1"),
        ("1.2.3.4, 10.0.0.9", "10.0.0.9", "1.2.3.4"),
        ("1.1.1.1,2.2.2.2, 3.3.3.3", "3.3.3.3", "2.2.2.2"),
        ("2001:db8::1", "2001:db8::1", "127.0.0.1"),
        ("junk", "127.0.0.1", "127.0.0.1"),
        ("1.2.3.4:80", "127.0.0.1", "127.0.0.1"),
        ("[2001:db8::1]", "127.0.0.1", "127.0.0.1"),
        ("", "127.0.0.1", "127.0.0.1"),
        ("1.2.3.4,", "127.0.0.1", "1.2.3.4"),
    ] {
        assert_eq!(client("", xff), none, "{xff:?}");
        assert_eq!(client("xff_num_trusted_hops: 1", xff), one, "{xff:?} with a hop");
        assert_eq!(client("use_remote_address: true", xff), "127.0.0.1", "{xff:?} at the edge");
    }
    let hop = "use_remote_address: true, xff_num_trusted_hops: 1";
    assert_eq!(client(hop, "1.2.3.4, 10.0.0.9"), "10.0.0.9");
    assert_eq!(client(hop, "junk"), "127.0.0.1");
}

#[test]
fn the_peer_is_appended_where_its_address_counts() {
    let xff = |config: &str, given: &str| {
        received(config, &[("x-forwarded-for", given)]).field("x-forwarded-for").to_owned()
    };
    assert_eq!(xff("", "1.2.3.4"), "1.2.3.4");
    assert_eq!(xff("use_remote_address: true", "1.2.3.4"), "1.2.3.4,192.0.2.2");
    assert_eq!(xff("use_remote_address: true", ""), "192.0.2.2");
    assert_eq!(xff("use_remote_address: true, skip_xff_append: true", "1.2.3.4"), "1.2.3.4");
    let far = Hop { remote: Some("203.0.113.9".parse().unwrap()), ..LOOPBACK };
    let seen = receive_from(far, &manager("use_remote_address: true"), &[]);
    assert_eq!(
        (seen.field("x-forwarded-for"), seen.field("x-envoy-external-address")),
        ("203.0.113.9", "203.0.113.9")
    );
}

#[test]
fn repeated_fields_of_addresses_are_one_list() {
    let seen = received(
        "use_remote_address: true",
        &[("x-forwarded-for", "1.1.1.1"), ("X-Forwarded-For", "2.2.2.2")],
    );
    assert_eq!(seen.field("x-forwarded-for"), "1.1.1.1,2.2.2.2,192.0.2.2");
    assert_eq!(
        received("", &[("x-forwarded-for", "1.1.1.1"), ("x-forwarded-for", "2.2.2.2")]).client,
        "2.2.2.2".parse().ok()
    );
}

#[test]
fn internal_is_one_client_of_an_internal_address() {
    let internal =
        |config: &str, fields: &[(&str, &str)]| received(config, fields).field("x-envoy-internal") == "true";
    assert!(!internal("", &[("x-forwarded-for", "10.0.0.1")]));
    assert!(internal(INTERNAL, &[("x-forwarded-for", "10.0.0.1")]));
    assert!(!internal(INTERNAL, &[]));
    assert!(!internal(INTERNAL, &[("x-forwarded-for", "1.2.3.4")]));
    assert!(!internal(INTERNAL, &[("x-forwarded-for", "10.0.0.1, 10.0.0.2")]));
    assert!(!internal("", &[("x-envoy-internal", "true")]));
    let edge = format!("use_remote_address: true, {INTERNAL}");
    assert!(internal(&edge, &[]));
    assert!(!internal(&edge, &[("x-forwarded-for", "10.0.0.1")]));
    let hop = format!("{edge}, xff_num_trusted_hops: 1");
    assert!(!internal(&hop, &[("x-forwarded-for", "10.0.0.1")]));
}

#[test]
fn strangers_cannot_say_what_internal_requests_may() {
    let given = [
        ("x-envoy-retry-on", "5xx"),
        ("x-envoy-upstream-rq-timeout-ms", "1"),
        ("x-envoy-upstream-stream-duration-ms", "1"),
        ("x-int", "1"),
        ("x-envoy-original-path", "/p"),
        ("x-envoy-original-host", "h"),
        ("x-envoy-decorator-operation", "o"),
        ("x-envoy-attempt-count", "3"),
        ("x-envoy-external-address", "1.1.1.1"),
    ];
    let left = |config: &str, client: &str| {
        let mut fields = given.to_vec();
        fields.push(("x-forwarded-for", client));
        let seen = received(config, &fields);
        given.iter().filter(|(n, v)| seen.field(n) == *v).map(|(n, _)| *n).collect::<Vec<_>>()
    };
    let kept = [
        "x-envoy-original-path",
        "x-envoy-original-host",
        "x-envoy-decorator-operation",
        "x-envoy-attempt-count",
        "x-envoy-external-address",
    ];
    assert_eq!(left("", "10.0.0.1"), kept);
    assert_eq!(left(INTERNAL, "1.2.3.4"), kept);
    assert_eq!(left(INTERNAL, "10.0.0.1"), given.map(|(n, _)| n));
    assert_eq!(left("use_remote_address: true", "10.0.0.1"), ["x-envoy-attempt-count"]);
}

#[test]
fn schemes_come_from_the_transport_and_trusted_proxies() {
    let told = |config: &str, tls: bool, scheme: &str, proto: Option<&str>| {
        let mut head = RequestHead { scheme: scheme.into(), ..RequestHead::get("x", "/") };
        if let Some(proto) = proto {
            head.headers.append("x-forwarded-proto", proto);
        }
        receive(&mut head, &manager(config), None, Hop { tls, ..LOOPBACK }, &mut Fixed(0));
        (head.scheme.to_string(), head.headers.get_str("x-forwarded-proto").unwrap().to_owned())
    };
    let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
    assert_eq!(told("", false, "http", None), pair("http", "http"));
    assert_eq!(told("", true, "https", None), pair("https", "https"));
    assert_eq!(told("", false, "http", Some("https")), pair("https", "https"));
    assert_eq!(told("", false, "http", Some("HTTPS")), pair("https", "HTTPS"));
    assert_eq!(told("", false, "http", Some("ftp")), pair("http", "ftp"));
    assert_eq!(told("", false, "https", None), pair("https", "http"));
    assert_eq!(told("use_remote_address: true", false, "http", Some("https")), pair("http", "http"));
    let hop = "use_remote_address: true, xff_num_trusted_hops: 1";
    assert_eq!(told(hop, false, "http", Some("https")), pair("https", "https"));
    let forced = "scheme_header_transformation: {scheme_to_overwrite: https}";
    assert_eq!(told(forced, false, "http", Some("ftp")), pair("https", "https"));
}

#[test]
fn request_ids_are_made_kept_or_replaced() {
    let made = uuid(&mut Fixed(7));
    let id = |config: &str, given: &str| {
        received(config, &[("x-request-id", given)]).field("x-request-id").to_owned()
    };
    assert_eq!(received("", &[]).field("x-request-id"), made);
    assert_eq!(id("", "mine"), "mine");
    assert_eq!(id("", ""), made);
    assert_eq!(id("use_remote_address: true", "mine"), made);
    assert_eq!(id("generate_request_id: false", "mine"), "mine");
    assert_eq!(received("generate_request_id: false", &[]).field("x-request-id"), "-");
    let keep = "use_remote_address: true, preserve_external_request_id: true";
    assert_eq!(id(keep, "mine"), "mine");
    assert_eq!(id(keep, "11111111-1111-7111-8111-111111111111"), "11111111-1111-4111-8111-111111111111");
    assert_eq!(id(keep, ""), made);
}

#[test]
fn hop_by_hop_fields_stay_here() {
    let seen = received(
        "",
        &[
            ("connection", "keep-alive"),
            ("keep-alive", "5"),
            ("proxy-connection", "x"),
            ("upgrade", "foo"),
            ("http2-settings", "abc"),
            ("transfer-encoding", "chunked"),
            ("proxy-authorization", "y"),
        ],
    );
    for name in
        ["connection", "keep-alive", "proxy-connection", "upgrade", "http2-settings", "transfer-encoding"]
    {
        assert_eq!(seen.field(name), "-", "{name}");
    }
    assert_eq!(seen.field("proxy-authorization"), "y");
}

#[test]
fn only_trailers_are_left_of_te() {
    for (te, want) in [
        ("trailers", "trailers"),
        ("trailers, deflate", "trailers"),
        ("gzip", "-"),
        ("trailers;q=0.5", "-"),
        ("TRAILERS", "-"),
    ] {
        assert_eq!(received("", &[("te", te)]).field("te"), want, "{te}");
    }
}

#[test]
fn upgrades_keep_what_asks_for_them() {
    let asked = |connection: &str, upgrade: &str| {
        let seen = received("", &[("connection", connection), ("upgrade", upgrade)]);
        format!("{} {}", seen.field("connection"), seen.field("upgrade"))
    };
    assert_eq!(asked("Upgrade, keep-alive", "websocket"), "Upgrade, keep-alive websocket");
    assert_eq!(asked("upgrade, http2-settings", "h2c"), "- -");
    assert_eq!(asked("close", "websocket"), "- -");
    assert_eq!(asked("upgrade", ""), "- -");
}

#[test]
fn via_is_a_list() {
    assert_eq!(received("via: 1.1 weft", &[]).field("via"), "1.1 weft");
    assert_eq!(received("via: 1.1 weft", &[("via", "1.1 old")]).field("via"), "1.1 old, 1.1 weft");
}

#[test]
fn ports_and_agents_are_told_where_asked_for() {
    let told =
        |config: &str, given: &[(&str, &str)]| received(config, given).field("x-forwarded-port").to_owned();
    let given = &[("x-forwarded-port", "1")];
    assert_eq!(told("", &[]), "-");
    assert_eq!(told("append_x_forwarded_port: true", &[]), "8080");
    assert_eq!(told("append_x_forwarded_port: true", given), "1");
    assert_eq!(told("append_x_forwarded_port: true, use_remote_address: true", given), "8080");
    let agent = |given: &[(&str, &str)]| {
        let seen = received("add_user_agent: true", given);
        ["user-agent", "x-envoy-downstream-service-cluster", "x-envoy-downstream-service-node"]
            .map(|name| seen.field(name).to_owned())
    };
    assert_eq!(agent(&[]), ["c1", "c1", "n1"]);
    assert_eq!(agent(&[("user-agent", "mine")]), ["mine", "c1", "n1"]);
    assert_eq!(received("", &[]).field("user-agent"), "-");
}

proptest! {
    /// UUIDs have their form, whatever the dice.
    #[test]
    fn uuids_are_of_version_four(dice: u64) {
        let text = uuid(&mut Fixed(dice));
        prop_assert_eq!(text.len(), 36);
        prop_assert_eq!(text.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 4, 12]);
        prop_assert!(text.as_bytes()[14] == b'4' && b"89ab".contains(&text.as_bytes()[19]));
    }

    /// Nothing that a stranger sends makes a request internal where no address is.
    #[test]
    fn strangers_stay_strangers(xff in "[0-9., :a-f]{0,30}", edge: bool) {
        let config = manager(&format!("use_remote_address: {edge}"));
        let seen = receive_from(LOOPBACK, &config, &[("x-forwarded-for", &xff), ("x-envoy-internal", "true"), ("x-envoy-retry-on", "5xx")]);
        prop_assert_eq!((seen.field("x-envoy-internal"), seen.field("x-envoy-retry-on")), ("-", "-"));
        prop_assert!(seen.client.is_some());
    }
}
