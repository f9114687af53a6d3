//! The program from outside: a folder, a certificate by a token, a stream as that identity, an edited file.
// Helpers of tests may panic as tests do.
#![allow(clippy::unwrap_used)]

mod running;

use std::time::{Duration, Instant};

use running::{Stream, Weftd, node, obtain, server};
use tonic::Code;
use weft_agent::channel;
use weft_proto::envoy::config::route::v3::RouteConfiguration;
use weft_proto::type_url::{CLUSTER, LISTENER, ROUTE_CONFIGURATION};
use weft_types::SpiffeId;

const REVIEWS: &str = "spiffe://cluster.local/ns/default/sa/reviews";

#[tokio::test]
async fn an_edited_file_reaches_a_proxy_within_a_second() {
    let weftd = Weftd::start(&[]);
    let certificate = obtain(&weftd, "token-of-reviews", REVIEWS).await.unwrap();
    assert_eq!(certificate.identity.to_string(), REVIEWS);
    // By the certificate, without a token.
    let channel = channel::connect(&server(&weftd), Some(&certificate)).await.unwrap();
    let mut stream = Stream::open(channel, None, node("reviews-1", "default", "reviews")).await.unwrap();

    let clusters = stream.subscribe(CLUSTER, &["*"]).await.unwrap();
    let name = "outbound|9080||ratings.default.svc.cluster.local";
    assert!(clusters.resources.iter().any(|cluster| cluster.name == name), "{:?}", running::names(&clusters));
    let listeners = stream.subscribe(LISTENER, &["*"]).await.unwrap();
    assert!(!listeners.resources.is_empty());
    let routes = stream.subscribe(ROUTE_CONFIGURATION, &["9080"]).await.unwrap();
    assert!(!timeouts(&routes).contains(&4));
    assert!(weftd.get("/debug/syncz").contains("\"protocol\": \"delta\""));

    // An edit.
    let begun = Instant::now();
    weftd.write("route.yaml", &route("ratings", 4));
    let changed = stream.next().await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    assert_eq!((changed.type_url.as_str(), running::names(&changed)), (ROUTE_CONFIGURATION, vec!["9080"]));
    assert!(timeouts(&changed).contains(&4), "{:?}", timeouts(&changed));

    // What concerns others does not travel.
    let other = route("ratings.default.svc.cluster.local", 9).replace("hosts:", "exportTo: ['.']\n  hosts:");
    weftd.write("other.yaml", &other.replace("{name: ratings}", "{name: ratings, namespace: elsewhere}"));
    tokio::time::sleep(Duration::from_millis(500)).await;
    weftd.write("route.yaml", &route("ratings", 5));
    let changed = stream.next().await.unwrap();
    assert!(timeouts(&changed).contains(&5), "{:?}", timeouts(&changed));

    // What is broken is told, with its file and line, and the last good version stays.
    weftd.write("route.yaml", &route("ratings", 6).replace("spec:", "spec:\n  hots: []"));
    weftd.until("/debug/diagnosticz", "route.yaml").await;
    assert!(weftd.said().contains("route.yaml:"), "{}", weftd.said());
    let dump = weftd.get("/debug/config_dump?proxyID=reviews-1.default");
    assert!(dump.contains("\"timeout\": \"5s\"") && !dump.contains("\"timeout\": \"6s\""));

    // Refusals are shown.
    weftd.write("route.yaml", &route("ratings", 7));
    stream.refuse_next("no such thing").await;
    weftd.until("/debug/syncz", "no such thing").await;
    weftd.until("/metrics", "weft_xds_nacks{type=\"RouteConfiguration\"} 1").await;
    assert!(weftd.get("/").contains("no such thing"));
    assert_eq!(weftd.terminate(), Some(0));
}

/// All time-outs of routes, in seconds.
fn timeouts(response: &weft_proto::envoy::service::discovery::v3::DeltaDiscoveryResponse) -> Vec<i64> {
    use weft_proto::envoy::config::route::v3::route::Action;
    let configurations = response.resources.iter().map(|resource| {
        weft_proto::any::unpack::<RouteConfiguration>(resource.resource.as_ref().unwrap()).unwrap()
    });
    let routes = configurations.flat_map(|c| c.virtual_hosts).flat_map(|host| host.routes);
    let timeout = |action| match action {
        Some(Action::Route(route)) => route.timeout.map(|timeout| timeout.seconds),
        _ => None,
    };
    routes.filter_map(|route| timeout(route.action)).collect()
}

fn route(host: &str, timeout: u32) -> String {
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: ratings}}\nspec:\n  \
         hosts: [{host}]\n  http:\n  - timeout: {timeout}s\n    route: [{{destination: {{host: {host}}}}}]\n"
    )
}

/// Objects that are taken, and ask for what cannot be had.
const WISHES: &str = "\
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ratings, namespace: default}
spec:
  hosts: [ratings]
  http:
  - route: [{destination: {host: ratings, subset: v9}}]
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: ratings, namespace: default}
spec:
  host: ratings
  trafficPolicy: {tls: {mode: SIMPLE, credentialName: my-credential}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: asked, namespace: default}
spec:
  selector: {matchLabels: {app: reviews}}
  action: CUSTOM
  provider: {name: my-provider}
  rules: [{}]
";

#[tokio::test]
async fn what_objects_ask_of_proxies_in_vain_is_said() {
    let weftd = Weftd::start(&[]);
    let certificate = obtain(&weftd, "token-of-reviews", REVIEWS).await.unwrap();
    let channel = channel::connect(&server(&weftd), Some(&certificate)).await.unwrap();
    let open = async || {
        let node = node("reviews-1", "default", "reviews");
        let mut stream = Stream::open(channel.clone(), None, node).await.unwrap();
        stream.subscribe(CLUSTER, &["*"]).await.unwrap();
        stream
    };
    let first = open().await;
    weftd.write("wishes.yaml", WISHES);
    // Of the mesh itself, and of what is compiled for proxies.
    let wishes = ["subset v9", "tls.credentialName", "my-provider"];
    for wish in wishes {
        weftd.until("/debug/diagnosticz", wish).await;
    }
    let _second = open().await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let (page, json) = (weftd.get("/"), weftd.get("/debug/diagnosticz"));
    for wish in wishes {
        let said = weftd.said();
        let lines: Vec<&str> = said.lines().filter(|line| line.contains(wish)).collect();
        assert!(lines.len() == 1 && lines[0].contains("wishes.yaml:"), "{wish}: {lines:#?}");
        assert!(page.contains(wish) && json.matches(wish).count() == 1, "{wish}: {json}");
    }
    // What one has lost by going, the other still has; what is mended is gone.
    drop(first);
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(weftd.get("/debug/diagnosticz").contains("my-provider"));
    weftd.write(
        "wishes.yaml",
        &WISHES.replace("action: CUSTOM\n  provider: {name: my-provider}", "action: DENY"),
    );
    weftd.until_gone("/debug/diagnosticz", "my-provider").await;
    assert!(weftd.get("/debug/diagnosticz").contains("tls.credentialName"));
}

#[tokio::test]
async fn nobody_gets_what_is_anothers() {
    let weftd = Weftd::start(&[]);
    let refused = obtain(&weftd, "no-such-token", REVIEWS).await.unwrap_err();
    assert!(refused.contains("the token is not known"), "{refused}");
    // The name is the caller's, whatever is asked for.
    let other = obtain(&weftd, "token-of-reviews", "spiffe://cluster.local/ns/default/sa/admin").await;
    assert!(other.unwrap_err().contains("ns/default/sa/reviews"));

    let channel = channel::connect(&server(&weftd), None).await.unwrap();
    let as_reviews = Some("token-of-reviews");
    for (token, node, code, said) in [
        (None, node("reviews-1", "default", "reviews"), Code::Unauthenticated, "no identity"),
        (Some("wrong"), node("reviews-1", "default", "reviews"), Code::Unauthenticated, "not known"),
        (as_reviews, node("x", "default", "ratings"), Code::PermissionDenied, "service account \"ratings\""),
        (as_reviews, node("x", "other", "reviews"), Code::PermissionDenied, "namespace \"other\""),
        // The pod is known, and is another's.
        (as_reviews, node("ratings-1", "default", ""), Code::PermissionDenied, "pod of service account"),
        (as_reviews, Default::default(), Code::InvalidArgument, "node id"),
    ] {
        let opened = Stream::open(channel.clone(), token, node).await;
        let refused = match opened {
            Ok(mut stream) => stream.subscribe(CLUSTER, &["*"]).await.unwrap_err(),
            Err(refused) => refused,
        };
        assert!(refused.code() == code && refused.message().contains(said), "{refused:?}");
    }
    // A token that is taken out of the file is no good any more.
    let node = node("reviews-1", "default", "reviews");
    assert!(Stream::open(channel.clone(), as_reviews, node.clone()).await.is_ok());
    weftd.write_tokens("");
    assert_eq!(Stream::open(channel, as_reviews, node).await.unwrap_err().code(), Code::Unauthenticated);
}

#[tokio::test]
async fn without_tls_callers_show_a_token_too_and_get_no_certificates() {
    let weftd = Weftd::start(&["--plain", "127.0.0.1:0", "--log-level", "info"]);
    let said = weftd.said();
    let line = said.lines().find(|line| line.contains("xDS without TLS")).unwrap();
    let (_, address) = line.rsplit_once("address=").unwrap();
    let endpoint = tonic::transport::Endpoint::from_shared(format!("http://{address}")).unwrap();
    let channel = endpoint.connect().await.unwrap();
    let node = node("reviews-1", "default", "reviews");
    let refused = Stream::open(channel.clone(), None, node.clone()).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unauthenticated);
    let mut stream = Stream::open(channel.clone(), Some("token-of-reviews"), node).await.unwrap();
    assert!(stream.subscribe(CLUSTER, &["*"]).await.is_ok());
    let request = weft_ca::CertificateRequest::new(&SpiffeId::parse(REVIEWS).unwrap()).unwrap();
    let refused = weft_ca_service::client::create(channel, &request, None, |_| {}).await.unwrap_err();
    assert_eq!(refused.code(), Code::Unimplemented);
}

#[tokio::test]
async fn a_certificate_of_another_root_opens_nothing() {
    let (ours, other) = (Weftd::start(&[]), Weftd::start(&[]));
    let foreign = obtain(&other, "token-of-reviews", REVIEWS).await.unwrap();
    // TLS 1.3 clients learn with their first read that they are refused.
    let refused = match channel::connect(&server(&ours), Some(&foreign)).await {
        Err(error) => error.to_string(),
        Ok(channel) => {
            let node = node("reviews-1", "default", "reviews");
            let opened = Stream::open(channel, Some("token-of-reviews"), node).await;
            opened.unwrap_err().to_string()
        }
    };
    assert!(!refused.is_empty());
    ours.until_said("refused").await;
    // Our own root is kept over a restart, and so is what it signed.
    let certificate = obtain(&ours, "token-of-reviews", REVIEWS).await.unwrap();
    let again = ours.restart();
    let channel = channel::connect(&server(&again), Some(&certificate)).await.unwrap();
    let node = node("reviews-1", "default", "reviews");
    assert!(Stream::open(channel, None, node).await.unwrap().subscribe(CLUSTER, &["*"]).await.is_ok());
}

#[tokio::test]
async fn hostile_connections_harm_nobody() {
    use tokio::io::AsyncWriteExt as _;
    let weftd = Weftd::start(&[]);
    // Not TLS, half a hello, and nothing at all: all are open while others are served.
    let mut open = Vec::new();
    for bytes in [b"GET / HTTP/1.1\r\n\r\n".as_slice(), &[0x16, 0x03, 0x01, 0x02, 0x00, 0x01], b""] {
        for _ in 0..20 {
            let mut stream = tokio::net::TcpStream::connect(weftd.grpc.as_str()).await.unwrap();
            stream.write_all(bytes).await.unwrap();
            open.push(stream);
        }
    }
    let certificate = obtain(&weftd, "token-of-reviews", REVIEWS).await.unwrap();
    let channel = channel::connect(&server(&weftd), Some(&certificate)).await.unwrap();
    let mut stream = Stream::open(channel, None, node("reviews-1", "default", "reviews")).await.unwrap();
    // Too long a name ends that stream, in words.
    let refused = stream.subscribe(CLUSTER, &["x".repeat(5_000).as_str()]).await.unwrap_err();
    assert!(refused.message().contains("5000 bytes, more than 4096"), "{refused:?}");
    assert!(weftd.get("/ready").contains("ready"));
}

#[test]
fn what_cannot_be_is_said_and_ends_the_program() {
    let dir = tempfile::tempdir().unwrap();
    let missing = dir.path().join("missing");
    let run = |words: &[&str]| {
        let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_weftd"));
        let output =
            command.args(["--grpc", "127.0.0.1:0", "--http", "127.0.0.1:0"]).args(words).output().unwrap();
        assert!(!output.status.success());
        String::from_utf8_lossy(&output.stderr).into_owned()
    };
    let (missing, state) = (missing.to_str().unwrap(), dir.path().join("state"));
    let state = state.to_str().unwrap();
    let said = run(&["--config-dir", missing, "--state-dir", state]);
    assert!(said.contains("--config-dir") && said.contains("missing"), "{said}");
    let said = run(&["--config-dir", state, "--state-dir", state, "--mesh-config", missing]);
    assert!(said.contains("--mesh-config"), "{said}");
    let said = run(&["--config-dir", state, "--state-dir", state, "--cacerts", missing]);
    assert!(said.contains("authority"), "{said}");
    assert!(run(&["--state-dir", state]).contains("--config-dir"));
}
