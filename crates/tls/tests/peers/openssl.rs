//! OpenSSL's tools and curl as peers.

use std::process::Stdio;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::process::{Child, Command};
use weft_tls::ConnectOptions;

use crate::pki::{Authority, LeafSpec, workload};
use crate::setup::{LIMIT, acceptor, checked, client, connector, server, trusting};

/// Answers one HTTP request by TLS; returns what is known of the client.
async fn serve_once(
    listener: &TcpListener,
    acceptor: &weft_tls::ServerAcceptor,
) -> Result<weft_tls::PeerFacts, weft_tls::HandshakeError> {
    let (stream, _) = listener.accept().await.unwrap();
    let (mut stream, facts) = acceptor.accept(stream, LIMIT).await?;
    let mut request = [0; 4096];
    let count = stream.read(&mut request).await.unwrap();
    assert!(request[..count].starts_with(b"GET / "));
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhello").await.unwrap();
    stream.shutdown().await.unwrap();
    Ok(facts)
}

#[tokio::test]
async fn curl_calls_our_server() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path
    };
    let root = Authority::root("Root");
    let mine = workload(&root, "curl");
    let (ca, chain, key) =
        (write("ca.pem", &root.pem), write("chain.pem", &mine.chain), write("key.pem", &mine.key));
    let mut tls = server(&[&workload(&root, "server")], checked(trusting(&root)));
    tls.require_client_certificate = true;
    tls.common.alpn = vec!["http/1.1".into()];
    let acceptor = acceptor(&tls);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let curl = |with_certificate: bool, options: &[&str]| {
        let mut curl = Command::new("curl");
        curl.args(["-sS", "--max-time", "10", "--noproxy", "*", "--resolve"])
            .arg(format!("good.example:{port}:127.0.0.1"))
            .arg("--cacert")
            .arg(&ca)
            .arg(format!("https://good.example:{port}/"))
            .args(options);
        if with_certificate {
            curl.arg("--cert").arg(&chain).arg("--key").arg(&key);
        }
        curl.output()
    };
    for (options, version) in [(&[][..], "TLSv1.3"), (&["--tls-max", "1.2"][..], "TLSv1.2")] {
        let (output, facts) = tokio::join!(curl(true, options), serve_once(&listener, &acceptor));
        assert_eq!(String::from_utf8_lossy(&output.unwrap().stdout), "hello");
        let facts = facts.unwrap();
        assert_eq!((facts.version, facts.alpn.as_deref()), (version, Some("http/1.1")));
        assert_eq!(facts.sni.as_deref(), Some("good.example"));
        assert_eq!(facts.identity().unwrap().service_account.as_ref(), "curl");
    }
    let (output, facts) = tokio::join!(curl(false, &[]), serve_once(&listener, &acceptor));
    assert!(!output.unwrap().status.success());
    assert!(facts.unwrap_err().reason().contains("PEER_DID_NOT_RETURN_A_CERTIFICATE"));
}

/// A port that was free a moment ago.
async fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port()
}

async fn s_server(port: u16, options: &[&str]) -> Child {
    let child = Command::new("openssl")
        .args(["s_server", "-quiet", "-rev", "-accept", &format!("127.0.0.1:{port}")])
        .args(options)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    for _ in 0..200 {
        if TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
            return child;
        }
        tokio::time::sleep(std::time::Duration::from_millis(25)).await;
    }
    panic!("openssl s_server does not listen");
}

#[tokio::test]
async fn we_call_openssl() {
    let folder = tempfile::tempdir().unwrap();
    let root = Authority::root("Root");
    let between = root.intermediate("Between");
    let spec = LeafSpec {
        uris: &["spiffe://cluster.local/ns/default/sa/server"],
        dns: &["good.example"],
        rsa: true,
        ..LeafSpec::default()
    };
    let own = between.leaf(&spec);
    let path = |name: &str, text: &str| {
        let path = folder.path().join(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let (ca, chain, key) = (path("ca", &root.pem), path("chain", &own.chain), path("key", &own.key));
    let port = free_port().await;
    let options: [&str; 13] = [
        "-cert",
        &chain,
        "-cert_chain",
        &chain,
        "-key",
        &key,
        "-CAfile",
        &ca,
        "-Verify",
        "3",
        "-verify_return_error",
        "-alpn",
        "istio",
    ];
    let _server = s_server(port, &options).await;
    let mut tls = client(&[&workload(&root, "client")], checked(trusting(&root)));
    tls.common.alpn = vec!["h2".into(), "istio".into()];
    let good = connector(&tls);
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut stream, facts) = good.connect(stream, ConnectOptions::default(), LIMIT).await.unwrap();
    stream.write_all(b"abc\n").await.unwrap();
    let mut answer = [0; 4];
    stream.read_exact(&mut answer).await.unwrap();
    assert_eq!(&answer, b"cba\n");
    assert_eq!(facts.alpn.as_deref(), Some("istio"));
    assert_eq!(facts.identity().unwrap().service_account.as_ref(), "server");
    drop(stream);

    // Refused for want of a certificate: known when we read.
    let none = connector(&client(&[], checked(trusting(&root))));
    let stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let (mut stream, _) = none.connect(stream, ConnectOptions::default(), LIMIT).await.unwrap();
    let error = stream.read_exact(&mut answer).await.unwrap_err();
    let reason = weft_tls::HandshakeError::from_io(error, None).reason();
    assert!(reason.contains("ALERT"), "{reason}");
}
