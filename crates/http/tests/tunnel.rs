//! Raw bytes both ways: upgrades (101) and CONNECT, with half-closes.
#![allow(clippy::unwrap_used)]

mod support;

use bytes::Bytes;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weft_http::{Exchange, Frame};
use weft_types::Version::{Http2, Http11};
use weft_types::{Method, RequestHead, ResponseHead};

/// Echoes a tunnel in capitals until its client half-closes, then says goodbye and ends.
async fn shout(exchange: Exchange, head: ResponseHead) {
    let Exchange { mut body, mut reply, .. } = exchange;
    reply.head(&head, false).await.unwrap();
    reply.become_tunnel();
    loop {
        match body.next().await.unwrap() {
            Frame::Data(data) => reply.data(data.to_ascii_uppercase().into(), false).await.unwrap(),
            Frame::End => break,
            Frame::Trailers(_) => panic!("no trailers in a tunnel"),
        }
    }
    reply.data(Bytes::from_static(b"BYE"), true).await.unwrap();
}

fn upgrade(mut head: RequestHead) -> RequestHead {
    head.headers.append("connection", "upgrade");
    head.headers.append("upgrade", "shout");
    head
}

fn switching() -> ResponseHead {
    let mut head = status(101);
    head.headers.append("connection", "upgrade");
    head.headers.append("upgrade", "shout");
    head
}

#[test]
fn an_upgrade_becomes_a_tunnel_on_both_ends() {
    run(async {
        let (conn, server) = connected(Http11, |exchange| shout(exchange, switching()));
        let (mut send, mut recv) = conn.send_request(&upgrade(get("/")), true).await.unwrap();
        assert_eq!(recv.head().await.unwrap().status, 101);
        send.become_tunnel();
        let mut body = recv.into_body();
        for word in ["one", "two"] {
            send.data(Bytes::from_static(word.as_bytes()), false).await.unwrap();
            let Frame::Data(data) = body.next().await.unwrap() else { panic!("ended") };
            assert_eq!(data, word.to_uppercase());
        }
        // Our direction ends; the other still carries what follows.
        send.data(Bytes::new(), true).await.unwrap();
        assert_eq!(collect(&mut body).await.unwrap().0, b"BYE");
        assert!(!conn.can_open());
        drop((send, body, conn));
        server.await.unwrap();
    });
}

#[test]
fn bytes_sent_right_after_the_upgrade_request_reach_the_tunnel() {
    run(async {
        let (mut near, far) = tokio::io::duplex(64 * 1024);
        let server = serve(server(Http11, far), |exchange| shout(exchange, switching()));
        near.write_all(
            b"GET / HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: shout\r\n\r\nearly bytes",
        )
        .await
        .unwrap();
        near.shutdown().await.unwrap();
        let mut reply = Vec::new();
        near.read_to_end(&mut reply).await.unwrap();
        let text = String::from_utf8(reply).unwrap();
        assert!(text.starts_with("HTTP/1.1 101") && text.ends_with("\r\n\r\nEARLY BYTESBYE"), "{text}");
        server.await.unwrap();
    });
}

fn connect(authority: &str) -> RequestHead {
    RequestHead { method: Method::Connect, path: "".into(), ..RequestHead::get(authority, "") }
}

#[test]
fn connect_becomes_a_tunnel() {
    run(async {
        let (conn, server) = connected(Http11, |exchange| async move {
            assert_eq!((&exchange.head.method, &*exchange.head.authority), (&Method::Connect, "far:443"));
            shout(exchange, status(200)).await;
        });
        let (mut send, mut recv) = conn.send_request(&connect("far:443"), false).await.unwrap();
        send.flush().await;
        assert_eq!(recv.head().await.unwrap().status, 200);
        send.become_tunnel();
        send.data(Bytes::from_static(b"in"), true).await.unwrap();
        assert_eq!(collect(recv.body()).await.unwrap().0, b"INBYE");
        drop((send, recv, conn));
        server.await.unwrap();
    });
}

#[test]
fn a_connect_stream_of_http2_is_a_tunnel_already() {
    run(async {
        let (conn, _server) = connected(Http2, |exchange| shout(exchange, status(200)));
        let (mut send, mut recv) = conn.send_request(&connect("far:443"), false).await.unwrap();
        assert_eq!(recv.head().await.unwrap().status, 200);
        send.data(Bytes::from_static(b"in"), true).await.unwrap();
        assert_eq!(collect(recv.body()).await.unwrap().0, b"INBYE");
        drop((send, recv));
        assert_eq!(fetch_status(&conn).await, 200, "the connection goes on");
    });
}

async fn fetch_status(conn: &weft_http::ClientConn) -> u16 {
    let (_send, mut recv) = conn.send_request(&get("/"), true).await.unwrap();
    recv.head().await.unwrap().status
}
