//! Configuration over xDS, seen from outside: a real server on one side, clients and backends on the
//! other.

#![allow(clippy::unwrap_used)] // functions that tests share

mod control;
#[path = "control/load.rs"]
mod load;
#[path = "mesh/pki.rs"]
mod pki;
mod running;

use std::time::{Duration, Instant};

use control::{
    Control, bootstrap, certificate, cluster, endpoints, listener, listener_yaml, remove, routes, set, tls,
};
use load::{Client, Load, Socket, backend, shares};
use running::{Proxy, free_port};
use weft_proto::resource::Resource;
use weft_proto::type_url::{CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER};

/// A server that has one listener, whose requests go to a backend called `a`.
struct World {
    control: Control,
    proxy: Proxy,
    port: u16,
    a: u16,
}

fn world_of(api: &str, more: impl IntoIterator<Item = Resource>) -> World {
    world_by(api, &[], more)
}

fn world_with(arguments: &[&str], more: impl IntoIterator<Item = Resource>) -> World {
    world_by("DELTA_GRPC", arguments, more)
}

fn world_by(api: &str, arguments: &[&str], more: impl IntoIterator<Item = Resource>) -> World {
    let (port, a) = (free_port(), backend("a"));
    let mut first = set([
        cluster("a", ""),
        endpoints("a", &[a]),
        listener("in", port, "web", ""),
        routes("web", &[("a", 1)]),
    ]);
    more.into_iter().for_each(|resource| first.insert(resource));
    let control = Control::start(first);
    let server = control.port;
    let api = api.to_owned();
    let arguments: Vec<&str> = ["--concurrency", "2"].iter().chain(arguments).copied().collect();
    let proxy = Proxy::start(move |_, admin| bootstrap(admin, server, &api), &arguments);
    World { control, proxy, port, a }
}

fn world() -> World {
    world_of("DELTA_GRPC", [])
}

fn get(port: u16) -> (u16, String) {
    Client::new(port).get("/").unwrap()
}

fn eventually(what: &str, mut test: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(10);
    while !test() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

#[test]
fn everything_comes_from_the_server_and_readiness_waits_for_it() {
    let world = world();
    assert_eq!(get(world.port), (200, "a".to_owned()));
    let node = world.control.answered().node;
    assert_eq!(node.user_agent_name, "weft");
    assert!(node.extensions.iter().any(|e| e.type_urls.iter().any(|u| u.ends_with("RBAC"))), "{node:?}");
    let dump = world.proxy.admin_get("/config_dump").unwrap();
    assert!(dump.contains("\"web\"") && dump.contains("\"active\""), "{dump}");
}

#[test]
fn a_server_that_sends_whole_states_will_do() {
    let world = world_of("GRPC", []);
    assert_eq!(get(world.port), (200, "a".to_owned()));
    let b = backend("b");
    world.control.accepted(|set| {
        set.insert(cluster("b", ""));
        set.insert(endpoints("b", &[b]));
        set.insert(routes("web", &[("b", 1)]));
    });
    assert_eq!(get(world.port), (200, "b".to_owned()));
    world.control.accepted(|set| {
        remove(set, CLUSTER, "a");
        remove(set, CLUSTER_LOAD_ASSIGNMENT, "a");
    });
    let dump = world.proxy.admin_get("/config_dump").unwrap();
    assert!(!dump.contains("\"name\": \"a\""), "{dump}");
}

#[test]
fn listeners_come_change_and_go_under_load() {
    let world = world_of("DELTA_GRPC", ["other", "more"].map(|name| routes(name, &[("a", 1)])));
    let load = Load::start(world.port, 4);
    let other = free_port();
    for round in 0..5 {
        load.more(50);
        world.control.accepted(|set| set.insert(listener("more", other, "more", "")));
        eventually("the new listener serves", || Client::new(other).get("/").is_ok());
        // The chain that the load comes through is changed: it drains, and loses nothing.
        let timeout = format!(", transport_socket_connect_timeout: {}s", round + 1);
        // Its connections still need the routes that nothing else asks for any more.
        let name = if round % 2 == 0 { "other" } else { "web" };
        world.control.accepted(|set| set.insert(listener("in", world.port, name, &timeout)));
        load.more(50);
        world.control.accepted(|set| remove(set, LISTENER, "more"));
        eventually("the listener is gone", || Client::new(other).get("/").is_err());
    }
    assert!(load.end() > 500);
}

#[test]
fn a_change_of_routes_leaves_upgraded_connections_open() {
    let b = backend("b");
    let world = world_of("DELTA_GRPC", [cluster("b", ""), endpoints("b", &[b])]);
    let mut sockets: Vec<Socket> = (0..20).map(|_| Socket::open(world.port)).collect();
    let load = Load::start(world.port, 2);
    for weight in [10, 50, 80, 100] {
        world.control.accepted(|set| set.insert(routes("web", &[("a", 100 - weight), ("b", weight)])));
        load.more(20);
        sockets.iter_mut().for_each(Socket::echo);
    }
    load.end();
    assert_eq!(shares(world.port, 20), [("b".to_owned(), 20)].into());
    // Balancing, outlier and retry settings of a cluster concern no connection either.
    world.control.accepted(|set| {
        set.insert(cluster("a", ", lb_policy: RANDOM, outlier_detection: {consecutive_5xx: 3}"));
    });
    sockets.iter_mut().for_each(Socket::echo);
}

#[test]
fn endpoints_are_replaced_without_loss() {
    let world = world();
    let load = Load::start(world.port, 4);
    let mut sockets: Vec<Socket> = (0..5).map(|_| Socket::open(world.port)).collect();
    let port = world.port;
    let slow = std::thread::spawn(move || Client::new(port).get("/slow").unwrap());
    std::thread::sleep(Duration::from_millis(200));
    for _ in 0..10 {
        let next = backend("next");
        world.control.accepted(|set| set.insert(endpoints("a", &[next])));
        load.more(20);
    }
    assert_eq!(shares(world.port, 10), [("next".to_owned(), 10)].into());
    assert_eq!(slow.join().unwrap(), (200, "a".to_owned()));
    sockets.iter_mut().for_each(Socket::echo);
    load.end();
}

#[test]
fn a_bad_resource_is_refused_by_field_and_harms_no_other() {
    let world = world();
    let b = backend("b");
    let free = free_port();
    world.control.change(|set| {
        set.insert(cluster("b", ""));
        set.insert(cluster("broken", ", max_requests_per_connection: 1, lb_policy: CLUSTER_PROVIDED"));
        set.insert(endpoints("b", &[b]));
        set.insert(routes("web", &[("b", 1)]));
        set.insert(listener_yaml(
            "bad",
            &format!(
                "{{name: bad, address: {{socket_address: {{address: 127.0.0.1, port_value: {free}}}}}, \
                 filter_chains: [{{filters: [{{name: first, typed_config: {{'@type': \
                 type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}}}, \
                 {{name: second, typed_config: {{'@type': \
                 type.googleapis.com/envoy.extensions.filters.network.echo.v3.Echo}}}}]}}]}}"
            ),
        ));
        set.insert(listener("good", free, "web", ""));
        set.insert(listener("taken", world.port, "web", ""));
    });
    eventually("the routes lead to b", || get(world.port) == (200, "b".to_owned()));
    eventually("the good listener serves", || Client::new(free).get("/").is_ok());
    let nacks = || {
        let stream = world.control.answered();
        stream.session.nacks.iter().map(|n| n.message.clone()).collect::<Vec<_>>().join("\n")
    };
    eventually("it is refused", || nacks().contains("Listener \"bad\": filter_chains[0].filters"));
    let nacks = nacks();
    assert!(nacks.contains("Listener \"taken\": address: "), "{nacks}");
    assert!(nacks.contains("Cluster \"broken\": lb_policy"), "{nacks}");
    assert!(!nacks.contains("good"), "{nacks}");
    let status = world.proxy.admin_get("/xds").unwrap();
    assert!(status.contains("\"bad\"") && status.contains("filter_chains[0]"), "{status}");
    // The last good version stays.
    world.control.change(|set| {
        let unknown = ", use_proxy_proto: true, filter_chain_match: {address_suffix: x}";
        set.insert(listener("in", world.port, "web", unknown));
    });
    std::thread::sleep(Duration::from_millis(300));
    assert_eq!(get(world.port).0, 200);
}

#[test]
fn without_the_server_everything_goes_on_and_nothing_is_sent_twice() {
    let mut world = world();
    let load = Load::start(world.port, 2);
    load.more(20);
    world.control.kill();
    std::thread::sleep(Duration::from_secs(2));
    load.more(50);
    world.control.run();
    let stream = world.control.answered();
    let resent: u64 = stream.session.types.values().map(|t| t.resources).sum();
    assert_eq!(resent, 0, "{stream:#?}");
    let b = backend("b");
    world.control.accepted(|set| set.insert(endpoints("a", &[b])));
    eventually("the endpoint is another", || get(world.port) == (200, "b".to_owned()));
    load.end();
}

#[test]
fn a_proxy_that_starts_before_its_server_waits_and_serves_when_it_comes() {
    let (port, a) = (free_port(), backend("a"));
    let mut control = Control::start(set([
        cluster("a", ""),
        endpoints("a", &[a]),
        listener("in", port, "web", ""),
        routes("web", &[("a", 1)]),
    ]));
    control.kill();
    let server = control.port;
    let starting =
        std::thread::spawn(move || Proxy::start(move |_, admin| bootstrap(admin, server, "DELTA_GRPC"), &[]));
    std::thread::sleep(Duration::from_secs(1));
    assert!(Client::new(port).get("/").is_err());
    assert!(!starting.is_finished(), "ready without configuration");
    control.run();
    let _proxy = starting.join().unwrap();
    assert_eq!(get(port), (200, "a".to_owned()));
}

#[test]
fn a_missing_cluster_is_a_verdict_and_a_cluster_without_endpoints_another() {
    let world = world_of("DELTA_GRPC", [cluster("empty", ""), endpoints("empty", &[])]);
    world.control.accepted(|set| set.insert(routes("web", &[("nowhere", 1)])));
    assert_eq!(get(world.port).0, 503);
    world.control.accepted(|set| set.insert(routes("web", &[("empty", 1)])));
    eventually("no healthy upstream", || get(world.port).1.contains("no healthy upstream"));
    world.control.accepted(|set| set.insert(endpoints("empty", &[world.a])));
    eventually("it has endpoints", || get(world.port).0 == 200);
}

#[test]
fn secrets_are_waited_for_and_rotate_under_load() {
    let folder = tempfile::tempdir().unwrap();
    let files = pki::issue(folder.path(), &["a", "b", "c", "d"]);
    let read = |path: &std::path::Path| std::fs::read_to_string(path).unwrap();
    let leaf = |at: usize| certificate("kubernetes://leaf", &read(&files[at].chain), &read(&files[at].key));
    let world = world();
    let (front, back) = (free_port(), free_port());
    let [down, up] = ["Downstream", "Upstream"].map(|side| tls(side, "kubernetes://leaf", "roots"));
    world.control.change(|set| {
        set.insert(listener("back", back, "web", &down));
        set.insert(cluster("back", &up));
        set.insert(endpoints("back", &[back]));
        set.insert(listener("front", front, "front", ""));
        set.insert(routes("front", &[("back", 1)]));
    });
    // Without the secrets nothing passes: the listener waits for them, or its handshakes fail.
    eventually("the proxy has answered", || {
        world.control.answered().session.types.get(LISTENER).is_some_and(|t| t.acks >= 2)
    });
    assert!(Client::new(front).get("/").map_or(true, |(status, _)| status == 503));
    world.control.accepted(|set| {
        set.insert(leaf(0));
        set.insert(control::roots("roots", &read(&files[0].roots)));
    });
    eventually("the secrets are there", || {
        Client::new(front).get("/").is_ok_and(|answer| answer == (200, "a".to_owned()))
    });
    let mut sockets: Vec<Socket> = (0..5).map(|_| Socket::open(front)).collect();
    let load = Load::start(front, 3);
    for round in 1..13 {
        world.control.accepted(|set| set.insert(leaf(round % 4)));
        load.more(30);
        sockets.iter_mut().for_each(Socket::echo);
    }
    load.end();
    // A secret that is none of its kind is refused, and the one before stays.
    world.control.change(|set| set.insert(certificate("kubernetes://leaf", "", "no key")));
    eventually("it is refused", || !world.control.answered().session.nacks.is_empty());
    assert_eq!(shares(front, 5), [("a".to_owned(), 5)].into());
}

/// A listener whose chain `plain` takes everything, and another chain beside it that takes TLS.
fn two_chains(port: u16, plain: &str, other: &str, more: &str) -> Resource {
    let manager = control::manager("web");
    listener_yaml(
        "two",
        &format!(
            "{{name: two, address: {{socket_address: {{address: 127.0.0.1, port_value: {port}}}}} {more}, \
             filter_chains: [\
             {{name: plain, filter_chain_match: {{transport_protocol: raw_buffer}}, filters: [{manager}] {plain}}}, \
             {{name: other, filter_chain_match: {{transport_protocol: tls}}, filters: [{manager}] {other}}}]}}"
        ),
    )
}

#[test]
fn only_the_connections_of_changed_chains_end() {
    let port = free_port();
    let world = world_with(&["--drain-time-s", "1"], [two_chains(port, "", "", "")]);
    let mut stays = Socket::open(port);
    let timeout = |seconds: u32| format!(", transport_socket_connect_timeout: {seconds}s");
    // The other chain changes, goes and comes, and the listener is called otherwise.
    world.control.accepted(|set| set.insert(two_chains(port, "", &timeout(3), "")));
    world.control.accepted(|set| {
        let origin = ", metadata: {filter_metadata: {weft: {generation: 2}}}";
        set.insert(two_chains(port, "", &timeout(4), origin));
    });
    std::thread::sleep(Duration::from_millis(1500));
    stays.echo();
    // Its own chain changes: it has the time of the drain, and not more.
    world.control.accepted(|set| set.insert(two_chains(port, &timeout(5), "", "")));
    stays.echo();
    eventually("it is closed", || stays.is_closed());
    assert_eq!(get(port), (200, "a".to_owned()));
}

#[test]
fn counters_of_a_removed_cluster_go_and_begin_anew_with_another_of_its_name() {
    let b = backend("b");
    let world = world();
    let counted = |name: &str| {
        let stats = world.proxy.admin_get(&format!("/stats?filter=cluster%5C.{name}%5C.")).unwrap();
        let total = format!("cluster.{name}.upstream_rq_total: ");
        stats.lines().find_map(|line| line.strip_prefix(&total)?.trim().parse::<u64>().ok())
    };
    for _ in 0..2 {
        world.control.accepted(|set| {
            set.insert(cluster("b", ""));
            set.insert(cluster("b.c", ""));
            set.insert(endpoints("b", &[b]));
            set.insert(endpoints("b.c", &[b]));
            set.insert(routes("web", &[("b", 1), ("b.c", 1)]));
        });
        eventually("both are called", || {
            get(world.port);
            counted("b").is_some_and(|n| n > 0) && counted("b.c").is_some_and(|n| n > 0)
        });
        assert!(counted("b") < Some(10_000));
        world.control.accepted(|set| {
            set.insert(routes("web", &[("a", 1), ("b.c", 1)]));
            remove(set, CLUSTER, "b");
            remove(set, CLUSTER_LOAD_ASSIGNMENT, "b");
        });
        eventually("its counters are gone", || counted("b").is_none());
        // The other one's name goes on where that of the first ends.
        assert!(counted("b.c").is_some());
        let before = counted("b.c");
        eventually("the other one counts on", || {
            get(world.port);
            counted("b.c") > before
        });
    }
}

#[test]
fn an_update_of_one_among_many_costs_little() {
    let world = world_of("DELTA_GRPC", (0..1500).map(|at| cluster(&format!("many-{at}"), "")));
    world.control.accepted(|set| (0..1500).for_each(|at| set.insert(endpoints(&format!("many-{at}"), &[9]))));
    let cpu = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", world.proxy.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit_once(')').unwrap().1.split_whitespace().collect();
        fields[11].parse::<u64>().unwrap() + fields[12].parse::<u64>().unwrap()
    };
    let before = cpu();
    for round in 0..50 {
        world.control.accepted(|set| set.insert(endpoints("many-700", &[10 + round])));
    }
    // Ticks are hundredths of a second; converting everything each time took many times this.
    assert!(cpu() - before < 150, "{} ticks", cpu() - before);
}
