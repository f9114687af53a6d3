//! Probes against real applications: HTTP, HTTPS with HTTP/1.1 and HTTP/2, TCP, gRPC's health service.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use serde_json::{Value as Json, json};
use tokio::net::TcpListener;
use tokio::time::{Instant, sleep};
use tokio_rustls::TlsAcceptor;
use tokio_stream::wrappers::TcpListenerStream;
use weft_agent::probes::{Answer, MAX_BODY_BYTES, Probers, VARIABLE};

use crate::identity::PATIENCE;

/// An application over HTTP, or over HTTPS with a certificate that nobody signed and these protocols.
async fn application(protocols: Option<&[&str]>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let tls = protocols.map(|protocols| {
        let own = rcgen::generate_simple_self_signed(["elsewhere.test".to_owned()]).unwrap();
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(own.signing_key.serialize_der()));
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(vec![own.cert.der().clone()], key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    });
    tokio::spawn(async move {
        while let Ok((stream, peer)) = listener.accept().await {
            let tls = tls.clone();
            tokio::spawn(async move {
                let service = service_fn(move |request| answer(request, peer));
                let builder = auto::Builder::new(TokioExecutor::new());
                match tls {
                    None => drop(builder.serve_connection(TokioIo::new(stream), service).await),
                    Some(tls) => {
                        let Ok(stream) = tls.accept(stream).await else { return };
                        drop(builder.serve_connection(TokioIo::new(stream), service).await);
                    }
                }
            });
        }
    });
    port
}

/// Says what it saw; some paths do something else.
async fn answer(request: Request<Incoming>, peer: SocketAddr) -> Result<Response<Full<Bytes>>, Infallible> {
    let field = |name: &str| request.headers().get(name).map(|value| value.to_str().unwrap().to_owned());
    let host = request.uri().authority().map(ToString::to_string).or_else(|| field("host"));
    let seen = json!({
        "target": request.uri().path_and_query().map(http::uri::PathAndQuery::as_str),
        "version": format!("{:?}", request.version()),
        "host": host,
        "agent": field("user-agent"),
        "own": field("x-own"),
        "connection": field("connection"),
        "from": peer.ip().to_string(),
    });
    let mut response = Response::new(Full::from(seen.to_string()));
    let to = |response: &mut Response<_>, location: &str| {
        *response.status_mut() = StatusCode::FOUND;
        response.headers_mut().insert("location", HeaderValue::from_str(location).unwrap());
    };
    match request.uri().path() {
        "/ill" => *response.status_mut() = StatusCode::IM_A_TEAPOT,
        "/slow" => sleep(Duration::from_secs(5)).await,
        "/away" => to(&mut response, "http://192.0.2.1/login"),
        "/near" => to(&mut response, "there?x=y"),
        "/round" => to(&mut response, "/round"),
        "/unmoved" => *response.status_mut() = StatusCode::NOT_MODIFIED,
        "/long" => *response.body_mut() = Full::from("x".repeat(1 << 20)),
        _ => {}
    }
    Ok(response)
}

fn probers(probe: &Json) -> Probers {
    let text = json!({"/app-health/web/livez": probe}).to_string();
    let environment = BTreeMap::from([(VARIABLE.to_owned(), text)]);
    Probers::of_environment(&environment, Ipv4Addr::LOCALHOST.into()).unwrap()
}

/// Asked as a kubelet asks.
async fn ask(probe: Json) -> Answer {
    let mut headers = HeaderMap::new();
    headers.insert("host", HeaderValue::from_static("127.0.0.1:15020"));
    headers.insert("user-agent", HeaderValue::from_static("kube-probe/1.35"));
    headers.insert("connection", HeaderValue::from_static("close"));
    probers(&probe).answer("/app-health/web/livez", &headers).await
}

fn seen(answer: &Answer) -> Json {
    assert_eq!(answer.status, StatusCode::OK, "{answer:?}");
    serde_json::from_slice(&answer.body).unwrap()
}

#[tokio::test]
async fn an_http_probe_is_the_kubelets_call() {
    let port = application(None).await;
    let fields = json!([{"name": "X-Own", "value": "1"}]);
    let answer = ask(json!({"httpGet": {"port": port, "path": "up?a=b", "httpHeaders": fields}})).await;
    assert_eq!(
        seen(&answer),
        json!({
            "target": "/up?a=b",
            "version": "HTTP/1.1",
            "host": format!("127.0.0.1:{port}"),
            "agent": "kube-probe/1.35",
            "own": "1",
            "connection": "close",
            "from": "127.0.0.6",
        })
    );
    let hosted = ask(json!({"httpGet": {"port": port, "host": "shop.test"}})).await;
    assert_eq!(seen(&hosted)["host"], format!("shop.test:{port}"));
    let ill = ask(json!({"httpGet": {"port": port, "path": "/ill"}})).await;
    assert_eq!(ill.status, StatusCode::IM_A_TEAPOT);
    assert!(ill.body.starts_with(b"{"));
    let long = ask(json!({"httpGet": {"port": port, "path": "/long"}})).await;
    assert_eq!((long.status, long.body.len()), (StatusCode::OK, MAX_BODY_BYTES));
}

#[tokio::test]
async fn https_is_not_verified_and_speaks_what_the_application_speaks() {
    for (protocols, version) in [
        (&["h2"][..], "HTTP/2.0"),
        (&["http/1.1"], "HTTP/1.1"),
        (&["h2", "http/1.1"], "HTTP/2.0"),
        (&[], "HTTP/1.1"),
    ] {
        let port = application(Some(protocols)).await;
        let answer = ask(json!({"httpGet": {"port": port, "scheme": "HTTPS", "path": "/s"}})).await;
        let seen = seen(&answer);
        assert_eq!((&seen["version"], &seen["target"]), (&json!(version), &json!("/s")), "{protocols:?}");
        assert_eq!(
            (&seen["host"], &seen["from"]),
            (&json!(format!("127.0.0.1:{port}")), &json!("127.0.0.6"))
        );
    }
    let plain = application(None).await;
    let answer = ask(json!({"httpGet": {"port": plain, "scheme": "HTTPS"}})).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(String::from_utf8_lossy(&answer.body).contains("TLS"), "{answer:?}");
}

#[tokio::test]
async fn redirects_are_followed_within_the_host_alone() {
    let port = application(None).await;
    let get = async |path: &str| ask(json!({"httpGet": {"port": port, "path": path}})).await;
    assert_eq!(seen(&get("/near").await)["target"], "/there?x=y");
    // Nobody is at 192.0.2.1: a call there would not end well.
    assert_eq!(get("/away").await.status, StatusCode::OK);
    assert_eq!(get("/unmoved").await.status, StatusCode::OK);
    let round = get("/round").await;
    assert_eq!(round.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(String::from_utf8_lossy(&round.body).contains("stopped after 10 redirects"));
}

#[tokio::test]
async fn who_is_not_there_or_slow_is_ill_and_unknown_paths_are_refused() {
    let port = application(None).await;
    let begun = Instant::now();
    let slow = ask(json!({"httpGet": {"port": port, "path": "/slow"}, "timeoutSeconds": 2})).await;
    assert_eq!(slow.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(String::from_utf8_lossy(&slow.body).contains("no answer within 2 s"), "{slow:?}");
    assert!((Duration::from_secs(2)..PATIENCE).contains(&begun.elapsed()));
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    for probe in [
        json!({"httpGet": {"port": gone}}),
        json!({"tcpSocket": {"port": gone}}),
        json!({"grpc": {"port": gone}}),
    ] {
        let answer = ask(probe).await;
        assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
        assert!(String::from_utf8_lossy(&answer.body).contains("cannot connect to 127.0.0.1:"), "{answer:?}");
    }
    assert_eq!(ask(json!({"tcpSocket": {"port": port}})).await.status, StatusCode::OK);
    let probers = probers(&json!({"tcpSocket": {"port": port}}));
    let unknown = probers.answer("/app-health/other/livez", &HeaderMap::new()).await;
    assert_eq!(unknown.status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn grpcs_health_service_is_asked_by_name() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let (reporter, service) = tonic_health::server::health_reporter();
    reporter.set_service_status("ill", tonic_health::ServingStatus::NotServing).await;
    reporter.set_service_status("well", tonic_health::ServingStatus::Serving).await;
    let server = tonic::transport::Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(listener)));
    for (service, status, said) in [
        (json!(null), StatusCode::OK, ""),
        (json!("well"), StatusCode::OK, ""),
        (json!("ill"), StatusCode::INTERNAL_SERVER_ERROR, "NOT_SERVING"),
        (json!("none"), StatusCode::INTERNAL_SERVER_ERROR, "does not know the service \"none\""),
    ] {
        let answer = ask(json!({"grpc": {"port": port, "service": service}})).await;
        assert_eq!(answer.status, status, "{answer:?}");
        assert!(String::from_utf8_lossy(&answer.body).contains(said), "{answer:?}");
    }
    // An application without the service, and one that is no gRPC server.
    let bare = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let other = bare.local_addr().unwrap().port();
    let routes = tonic::service::Routes::default();
    let server = tonic::transport::Server::builder().add_routes(routes);
    tokio::spawn(server.serve_with_incoming(TcpListenerStream::new(bare)));
    let answer = ask(json!({"grpc": {"port": other}})).await;
    assert_eq!(answer.status, StatusCode::INTERNAL_SERVER_ERROR);
    assert!(String::from_utf8_lossy(&answer.body).contains("does not have the service"), "{answer:?}");
}
