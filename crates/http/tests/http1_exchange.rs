//! HTTP/1.1 exchanges: keep-alive, pipelining, interim responses, early and broken ends.
#![allow(clippy::unwrap_used)]

mod support;

use std::cell::RefCell;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weft_codec::{ResetReason, Side};
use weft_http::{ConnError, ConnOptions, EndReason, Frame, ServerConn};
use weft_types::Version::Http11;

#[test]
fn many_requests_share_one_connection() {
    run(async {
        let (conn, _server) = connected(Http11, echo_path);
        for i in 0..200 {
            let path = format!("/{i}");
            let (head, body) = fetch(&conn, &path).await.unwrap();
            assert_eq!((head.status, body), (200, path.into_bytes()));
            assert!(conn.can_open());
        }
        assert_eq!(conn.requests(), 200);
    });
}

#[test]
fn a_small_exchange_costs_one_read_and_one_write_a_side() {
    run(async {
        // Over real sockets, as vectored writes are what is measured.
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let (near, client_calls) = Counted::new(near);
        let (far, server_calls) = Counted::new(far);
        let body = Bytes::from(vec![b'x'; 4000]);
        let _server = serve(server(Http11, far), move |mut exchange| {
            let body = body.clone();
            async move {
                exchange.reply.head(&sized(body.len()), false).await.unwrap();
                exchange.reply.data(body, true).await.unwrap();
            }
        });
        let conn = client(Http11, near);
        for _ in 0..10 {
            assert_eq!(fetch(&conn, "/").await.unwrap().1.len(), 4000);
        }
        assert_eq!((client_calls.writes.get(), client_calls.reads.get()), (10, 10));
        assert_eq!((server_calls.writes.get(), server_calls.reads.get()), (10, 10));
    });
}

#[test]
fn pipelined_requests_are_answered_in_order() {
    run(async {
        let (mut near, far) = tokio::io::duplex(64 * 1024);
        let _server = serve(server(Http11, far), echo_path);
        let mut all = String::new();
        for i in 0..20 {
            all.push_str(&format!("GET /{i:02} HTTP/1.1\r\nhost: a\r\n\r\n"));
        }
        near.write_all(all.as_bytes()).await.unwrap();
        let mut text = String::new();
        let mut buffer = [0; 4096];
        while !text.ends_with("/19") {
            let count = near.read(&mut buffer).await.unwrap();
            assert!(count > 0, "closed after {text}");
            text.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
        }
        let order: Vec<usize> = (0..20).map(|i| text.find(&format!("\r\n\r\n/{i:02}")).unwrap()).collect();
        assert!(order.is_sorted(), "{order:?}");
    });
}

#[test]
fn bytes_read_before_are_taken_as_input() {
    run(async {
        let (mut near, far) = tokio::io::duplex(64 * 1024);
        near.write_all(b"t: a\r\n\r\n").await.unwrap();
        let prefix = BytesMut::from(&b"GET /peeked HTTP/1.1\r\nhos"[..]);
        let mut conn = ServerConn::new(far, codec(Http11, Side::Server), ConnOptions::default(), prefix);
        let exchange = conn.accept().await.unwrap().unwrap();
        assert_eq!(&*exchange.head.path, "/peeked");
        assert_eq!(exchange.reply.counters().head_received, 33);
    });
}

#[test]
fn continue_comes_before_the_body_is_sent() {
    run(async {
        let (conn, _server) = connected(Http11, |mut exchange| async move {
            assert!(exchange.head.headers.contains("expect"));
            exchange.reply.head(&status(100), false).await.unwrap();
            let (body, _) = collect(&mut exchange.body).await.unwrap();
            exchange.reply.head(&sized(body.len()), false).await.unwrap();
            exchange.reply.data(body.into(), true).await.unwrap();
        });
        let mut head = with_length(post("/"), 5);
        head.headers.append("expect", "100-continue");
        let (mut send, mut recv) = conn.send_request(&head, false).await.unwrap();
        assert_eq!(recv.head().await.unwrap().status, 100);
        send.data(Bytes::from_static(b"hello"), true).await.unwrap();
        assert_eq!(recv.head().await.unwrap().status, 200);
        assert_eq!(collect(recv.body()).await.unwrap().0, b"hello");
        assert!(conn.can_open());
    });
}

#[test]
fn a_response_may_come_before_the_request_has_ended() {
    run(async {
        let (conn, server) = connected(Http11, |mut exchange| async move {
            exchange.reply.head(&sized(3), false).await.unwrap();
            exchange.reply.data(Bytes::from_static(b"no!"), true).await.unwrap();
        });
        let (mut send, recv) = conn.send_request(&with_length(post("/"), 1_000_000), false).await.unwrap();
        send.data(Bytes::from(vec![0; 1000]), false).await.unwrap();
        let mut recv = recv;
        assert_eq!(recv.head().await.unwrap().status, 200);
        let mut body = recv.into_body();
        assert_eq!(collect(&mut body).await.unwrap().0, b"no!");
        assert_eq!(body.end_reason(), Some(EndReason::Complete));
        // The rest of the request is not sent: the connection cannot be used again.
        drop(send);
        drop(body);
        assert!(!conn.can_open());
        drop(conn);
        server.await.unwrap();
    });
}

#[test]
fn an_upstream_that_closes_in_the_middle_cuts_the_body() {
    run(async {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let conn = client(Http11, near);
        let (_send, mut recv) = conn.send_request(&get("/"), true).await.unwrap();
        far.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
        drop(far);
        assert_eq!(recv.head().await.unwrap().status, 200);
        let mut body = recv.into_body();
        assert!(matches!(body.next().await, Ok(Frame::Data(d)) if d == "half"), "what came is given out");
        let error = body.next().await.unwrap_err();
        assert_eq!(error.reason, ResetReason::Protocol, "an end within a message breaks the protocol");
        assert!(error.response_started && error.possibly_processed);
        assert_eq!(body.end_reason(), Some(EndReason::Reset(ResetReason::Protocol)));
        assert!(!conn.can_open());
    });
}

#[test]
fn an_upstream_that_closes_before_replying_is_told_apart() {
    run(async {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let conn = client(Http11, near);
        let (_send, mut recv) = conn.send_request(&get("/"), true).await.unwrap();
        drop(far);
        let error = recv.head().await.unwrap_err();
        assert_eq!(error.reason, ResetReason::ConnectionClosed);
        assert!(!error.response_started && error.possibly_processed);
        assert!(matches!(
            conn.send_request(&get("/"), true).await,
            Err(ConnError::Closed | ConnError::NotOpen)
        ));
    });
}

#[test]
fn a_response_without_length_ends_with_its_connection() {
    run(async {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let conn = client(Http11, near);
        let (_send, mut recv) = conn.send_request(&get("/"), true).await.unwrap();
        far.write_all(b"HTTP/1.0 200 OK\r\n\r\nall of it").await.unwrap();
        drop(far);
        recv.head().await.unwrap();
        assert_eq!(collect(recv.body()).await.unwrap().0, b"all of it");
        drop(recv);
        assert!(!conn.can_open());
    });
}

#[test]
fn the_end_is_known_with_the_last_piece_of_a_chunked_body() {
    run(async {
        let (near, mut far) = tokio::io::duplex(64 * 1024);
        let conn = client(Http11, near);
        let (_send, mut recv) = conn.send_request(&get("/"), true).await.unwrap();
        far.write_all(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\n\r\n")
            .await
            .unwrap();
        recv.head().await.unwrap();
        let mut body = recv.into_body();
        assert!(matches!(body.next().await, Ok(Frame::Data(d)) if d == "hi"));
        assert!(body.is_end());
    });
}

#[test]
fn a_client_that_leaves_is_noticed_while_the_reply_is_awaited() {
    run(async {
        let seen = Rc::new(RefCell::new(None));
        let told = seen.clone();
        let (mut near, far) = tokio::io::duplex(64 * 1024);
        let server = serve(server(Http11, far), move |exchange| {
            let told = told.clone();
            async move {
                let error = exchange.reply.closed().await;
                *told.borrow_mut() = Some(error.reason);
            }
        });
        near.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        settle().await;
        assert_eq!(*seen.borrow(), None);
        drop(near);
        server.await.unwrap();
        assert_eq!(*seen.borrow(), Some(ResetReason::ConnectionClosed));
    });
}

#[test]
fn waiting_for_the_client_to_leave_writes_the_head() {
    run(async {
        let (mut near, far) = tokio::io::duplex(64 * 1024);
        let _server = serve(server(Http11, far), |mut exchange| async move {
            exchange.reply.head(&status(200), false).await.unwrap();
            exchange.reply.closed().await;
        });
        near.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut buffer = [0; 100];
        let count = near.read(&mut buffer).await.unwrap();
        assert!(buffer[..count].starts_with(b"HTTP/1.1 200"));
    });
}

#[test]
fn two_tasks_may_wait_on_one_connection() {
    run(async {
        let (mut near, far) = tokio::io::duplex(64 * 1024);
        let mut conn = server(Http11, far);
        near.write_all(b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 4\r\n\r\n").await.unwrap();
        let exchange = conn.accept().await.unwrap().unwrap();
        let (mut body, reply) = (exchange.body, exchange.reply);
        let reader = tokio::task::spawn_local(async move { collect(&mut body).await.unwrap().0 });
        settle().await;
        // The last to poll the socket goes away again; the reader must still be woken.
        let watcher = tokio::task::spawn_local(async move {
            tokio::select! { biased; _ = reply.closed() => panic!("open"), () = settle() => reply }
        });
        let reply = watcher.await.unwrap();
        near.write_all(b"body").await.unwrap();
        assert_eq!(reader.await.unwrap(), b"body");
        drop(reply);
    });
}

#[test]
fn broken_input_is_answered_and_told_once() {
    run(async {
        let (mut near, far) = tokio::io::duplex(64 * 1024);
        near.write_all(b"\x01\x02 nonsense\r\n\r\n").await.unwrap();
        let mut conn = server(Http11, far);
        assert!(matches!(conn.accept().await, Some(Err(ConnError::Codec(e))) if e.status == Some(400)));
        assert!(conn.accept().await.is_none());
        let mut reply = vec![0; 12];
        near.read_exact(&mut reply).await.unwrap();
        assert_eq!(reply, b"HTTP/1.1 400");
    });
}

#[test]
fn a_reply_dropped_unfinished_closes_the_connection() {
    run(async {
        let (conn, server) = connected(Http11, |mut exchange| async move {
            exchange.reply.head(&sized(100), false).await.unwrap();
            exchange.reply.data(Bytes::from_static(b"part"), false).await.unwrap();
        });
        let error = fetch(&conn, "/").await.unwrap_err();
        assert_eq!(error.reason, ResetReason::Protocol);
        server.await.unwrap();
    });
}

#[test]
fn a_drain_closes_after_the_reply() {
    run(async {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let conn = server(Http11, far);
        let handle = conn.handle();
        let task = serve(conn, echo_path);
        let client = client(Http11, near);
        fetch(&client, "/1").await.unwrap();
        handle.start_drain(true);
        // An idle connection may be closed at once; one in use ends with its reply.
        if let Ok((head, _)) = fetch_if_open(&client, "/2").await {
            assert_eq!(head.headers.get_str("connection"), Some("close"));
        }
        task.await.unwrap();
        assert!(!client.check_idle() || !client.can_open());
        assert!(handle.is_closed());
    });
}

async fn fetch_if_open(
    conn: &weft_http::ClientConn,
    path: &str,
) -> Result<(weft_types::ResponseHead, Vec<u8>), ()> {
    let (_send, mut recv) = conn.send_request(&get(path), true).await.map_err(drop)?;
    let head = recv.head().await.map_err(drop)?;
    let (body, _) = collect(recv.body()).await.map_err(drop)?;
    Ok((*head, body))
}

#[test]
fn an_idle_connection_that_the_peer_closed_is_found_out() {
    run(async {
        let (conn, server) = connected(Http11, echo_path);
        fetch(&conn, "/").await.unwrap();
        assert!(conn.check_idle());
        server.abort();
        settle().await;
        assert!(!conn.check_idle());
        assert!(!conn.can_open());
    });
}

#[test]
fn bytes_are_counted_as_on_the_wire() {
    run(async {
        let (mut near, far) = tokio::io::duplex(64 * 1024);
        let mut conn = server(Http11, far);
        let head = b"POST / HTTP/1.1\r\nhost: a\r\ntransfer-encoding: chunked\r\n\r\n";
        near.write_all(head).await.unwrap();
        near.write_all(b"5\r\nhello\r\n0\r\n\r\n").await.unwrap();
        let mut exchange = conn.accept().await.unwrap().unwrap();
        collect(&mut exchange.body).await.unwrap();
        exchange.reply.head(&sized(2), false).await.unwrap();
        exchange.reply.data(Bytes::from_static(b"ok"), true).await.unwrap();
        let counters = exchange.reply.counters();
        assert_eq!(counters.head_received, head.len() as u64);
        assert_eq!(counters.body_received, 5);
        assert_eq!(counters.wire_received, head.len() as u64 + 15);
        assert_eq!(counters.body_sent, 2);
        assert_eq!(counters.wire_sent, counters.head_sent + 2);
        let all = conn.handle().counters();
        assert_eq!((all.received, all.sent, all.streams), (counters.wire_received, counters.wire_sent, 1));
    });
}
