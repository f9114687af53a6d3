//! HTTP/2 connections: many streams at once, resets both ways, flow control, drain, heartbeats.
#![allow(clippy::unwrap_used)]

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use support::*;
use weft_codec::{Limits, ResetReason, Side};
use weft_http::{ClientConn, ConnError, ConnOptions, Frame, ServerConn};
use weft_types::Headers;
use weft_types::Version::Http2;

#[test]
fn a_hundred_streams_run_at_once() {
    run(async {
        let open = Rc::new(Cell::new(0));
        let most = Rc::new(Cell::new(0));
        let (open_now, most_seen) = (open, most.clone());
        let (conn, _server) = connected(Http2, move |exchange| {
            let (open, most) = (open_now.clone(), most_seen.clone());
            async move {
                open.set(open.get() + 1);
                most.set(most.get().max(open.get()));
                tokio::time::sleep(std::time::Duration::from_millis(20)).await;
                echo_path(exchange).await;
                open.set(open.get() - 1);
            }
        });
        let tasks: Vec<_> = (0..100)
            .map(|i| {
                let conn = conn.clone();
                tokio::task::spawn_local(async move { fetch(&conn, &format!("/{i}")).await.unwrap().1 })
            })
            .collect();
        for (i, task) in tasks.into_iter().enumerate() {
            assert_eq!(task.await.unwrap(), format!("/{i}").into_bytes());
        }
        assert_eq!(most.get(), 100);
        assert_eq!(conn.open_streams(), 0);
        assert!(conn.can_open());
    });
}

#[test]
fn many_streams_share_few_writes() {
    run(async {
        let (near, far) = tokio::io::duplex(256 * 1024);
        let (far, calls) = Counted::new(far);
        let _server = serve(server(Http2, far), echo_path);
        let conn = client(Http2, near);
        fetch(&conn, "/").await.unwrap();
        let before = calls.writes.get();
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let conn = conn.clone();
                tokio::task::spawn_local(async move { fetch(&conn, "/x").await.unwrap() })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert!(calls.writes.get() - before < 25, "{} writes for 50 replies", calls.writes.get() - before);
    });
}

#[test]
fn bodies_and_trailers_go_both_ways() {
    run(async {
        let (conn, _server) = connected(Http2, |mut exchange| async move {
            let (body, trailers) = collect(&mut exchange.body).await.unwrap();
            assert_eq!(trailers.unwrap().get_str("sum"), Some("1"));
            exchange.reply.head(&status(200), false).await.unwrap();
            exchange.reply.data(body.into(), false).await.unwrap();
            let fields: Headers = [("grpc-status", "0")].into_iter().collect();
            exchange.reply.trailers(&fields).await.unwrap();
        });
        let sent = Bytes::from(vec![5; 3_000_000]);
        let (mut send, mut recv) = conn.send_request(&post("/"), false).await.unwrap();
        send.data(sent.clone(), false).await.unwrap();
        let fields: Headers = [("sum", "1")].into_iter().collect();
        send.trailers(&fields).await.unwrap();
        assert_eq!(recv.head().await.unwrap().status, 200);
        let (body, trailers) = collect(recv.body()).await.unwrap();
        assert!(body == sent);
        assert_eq!(trailers.unwrap().get_str("grpc-status"), Some("0"));
    });
}

#[test]
fn a_stalled_reader_holds_its_own_stream_only() {
    run(async {
        let limits = Limits { initial_stream_window: 65_535, ..Limits::default() };
        let (near, far) = tokio::io::duplex(64 * 1024);
        let sent = Rc::new(Cell::new(0));
        let counted = sent.clone();
        let _server = serve(server(Http2, far), move |mut exchange| {
            let sent = counted.clone();
            async move {
                if &*exchange.head.path == "/small" {
                    return echo_path(exchange).await;
                }
                exchange.reply.head(&status(200), false).await.unwrap();
                for _ in 0..100 {
                    if exchange.reply.data(Bytes::from(vec![1; 10_000]), false).await.is_err() {
                        return;
                    }
                    sent.set(sent.get() + 10_000);
                }
                exchange.reply.data(Bytes::new(), true).await.unwrap();
            }
        });
        let conn = ClientConn::new(near, codec_with(Http2, Side::Client, limits), ConnOptions::default());
        fetch(&conn, "/small").await.unwrap();
        let (_send, mut recv) = conn.send_request(&get("/big"), true).await.unwrap();
        recv.head().await.unwrap();
        let mut body = recv.into_body();
        settle().await;
        assert!(body.queued_bytes() <= 65_535 && sent.get() <= 65_535, "{} sent", sent.get());
        assert_eq!(fetch(&conn, "/small").await.unwrap().0.status, 200);
        assert_eq!(collect(&mut body).await.unwrap().0.len(), 1_000_000);
    });
}

#[test]
fn a_peer_that_does_not_read_stops_the_senders() {
    run(async {
        let options = ConnOptions { high_watermark: 128 * 1024, ..ConnOptions::default() };
        let (near, far) = tokio::io::duplex(8 * 1024);
        let mut conn = ServerConn::new(far, codec(Http2, Side::Server), options, BytesMut::new());
        let client = client(Http2, near);
        let taken = Rc::new(Cell::new(0));
        let peak = Rc::new(Cell::new(0));
        let mut bodies = Vec::new();
        for _ in 0..10 {
            bodies.push(client.send_request(&get("/"), true).await.unwrap());
        }
        for _ in 0..10 {
            let exchange = conn.accept().await.unwrap().unwrap();
            let (taken, peak) = (taken.clone(), peak.clone());
            tokio::task::spawn_local(async move {
                let mut reply = exchange.reply;
                reply.head(&status(200), false).await.unwrap();
                for _ in 0..100 {
                    if reply.data(Bytes::from(vec![1; 10_000]), false).await.is_err() {
                        return;
                    }
                    taken.set(taken.get() + 10_000);
                    peak.set(peak.get().max(reply.unwritten_bytes()));
                }
                reply.data(Bytes::new(), true).await.unwrap();
            });
        }
        // Nobody drives the server now, as if its peer did not read.
        settle().await;
        assert!(taken.get() <= 140_000, "{} bytes taken", taken.get());
        tokio::task::spawn_local(async move { while conn.accept().await.is_some() {} });
        for (_send, mut recv) in bodies {
            recv.head().await.unwrap();
            assert_eq!(collect(recv.body()).await.unwrap().0.len(), 1_000_000);
        }
        // Frame headers and small frames come on top of the body bytes.
        assert!(peak.get() <= 140 * 1024, "{} bytes waited", peak.get());
    });
}

#[test]
fn a_client_that_gives_up_resets_its_stream_alone() {
    run(async {
        let seen = Rc::new(RefCell::new(Vec::new()));
        let told = seen.clone();
        let (conn, _server) = connected(Http2, move |exchange| {
            let told = told.clone();
            async move {
                if &*exchange.head.path == "/wait" {
                    let reason = exchange.reply.closed().await.reason;
                    told.borrow_mut().push(reason);
                } else {
                    echo_path(exchange).await;
                }
            }
        });
        let (send, recv) = conn.send_request(&get("/wait"), true).await.unwrap();
        settle().await;
        drop((send, recv));
        assert_eq!(fetch(&conn, "/next").await.unwrap().0.status, 200);
        assert_eq!(*seen.borrow(), [ResetReason::Remote(8)]);
    });
}

#[test]
fn a_server_that_resets_is_seen_with_its_code() {
    run(async {
        let (conn, _server) = connected(Http2, |mut exchange| async move {
            match &*exchange.head.path {
                "/refuse" => exchange.reply.reset(ResetReason::Refused),
                "/cancel" => exchange.reply.reset(ResetReason::Cancel),
                _ => {}
            }
        });
        let refused = fetch(&conn, "/refuse").await.unwrap_err();
        assert_eq!(refused.reason, ResetReason::Refused);
        assert!(!refused.possibly_processed && !refused.response_started);
        let cancelled = fetch(&conn, "/cancel").await.unwrap_err();
        assert_eq!(cancelled.reason, ResetReason::Remote(8));
        assert!(cancelled.possibly_processed);
        let dropped = fetch(&conn, "/drop").await.unwrap_err();
        assert_eq!(dropped.reason, ResetReason::Remote(2));
        assert!(conn.can_open());
    });
}

#[test]
fn a_response_before_the_requests_end_stops_the_request() {
    run(async {
        let (conn, _server) = connected(Http2, |mut exchange| async move {
            exchange.reply.head(&status(413), true).await.unwrap();
        });
        let (mut send, mut recv) = conn.send_request(&post("/"), false).await.unwrap();
        assert_eq!(recv.head().await.unwrap().status, 413);
        assert!(matches!(recv.body().next().await, Ok(Frame::End)));
        assert_eq!(send.closed().await.reason, ResetReason::Remote(0));
        assert!(send.data(Bytes::from_static(b"late"), false).await.is_err());
        assert!(conn.can_open());
    });
}

#[test]
fn a_drained_server_finishes_its_streams_and_takes_no_more() {
    run(async {
        let (near, far) = tokio::io::duplex(64 * 1024);
        let conn = server(Http2, far);
        let handle = conn.handle();
        let task = serve(conn, |exchange| async move {
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            echo_path(exchange).await;
        });
        let client = client(Http2, near);
        let (_send, mut recv) = client.send_request(&get("/in-flight"), true).await.unwrap();
        settle().await;
        handle.start_drain(false);
        settle().await;
        handle.start_drain(true);
        settle().await;
        assert!(client.is_draining() && !client.can_open());
        assert!(matches!(client.send_request(&get("/late"), true).await, Err(ConnError::NotOpen)));
        assert_eq!(recv.head().await.unwrap().status, 200);
        assert_eq!(collect(recv.body()).await.unwrap().0, b"/in-flight");
        drop((_send, recv));
        task.await.unwrap();
        settle().await;
        assert!(client.is_closed());
    });
}

#[test]
fn the_end_of_the_connection_ends_its_streams() {
    run(async {
        let (conn, server) = connected(Http2, |exchange| async move {
            exchange.reply.closed().await;
        });
        let (_send, mut recv) = conn.send_request(&get("/"), true).await.unwrap();
        settle().await;
        server.abort();
        let error = recv.head().await.unwrap_err();
        assert_eq!(error.reason, ResetReason::ConnectionClosed);
        assert!(error.possibly_processed);
        settle().await;
        assert!(conn.is_closed());
    });
}

#[test]
fn a_connection_closes_when_nobody_holds_it() {
    run(async {
        let (conn, server) = connected(Http2, echo_path);
        let (send, mut recv) = conn.send_request(&get("/last"), true).await.unwrap();
        drop(conn);
        recv.head().await.unwrap();
        assert_eq!(collect(recv.body()).await.unwrap().0, b"/last", "its streams still end well");
        drop((send, recv));
        server.await.unwrap();
    });
}

#[test]
fn a_heartbeat_is_answered() {
    run(async {
        let (conn, _server) = connected(Http2, echo_path);
        fetch(&conn, "/").await.unwrap();
        let handle = conn.handle();
        assert!(handle.heartbeat());
        settle().await;
        assert_eq!(handle.heartbeat_acks(), 1);
    });
}

#[test]
fn garbage_ends_the_connection_with_an_error() {
    run(async {
        let (mut near, far) = tokio::io::duplex(64 * 1024);
        let mut conn = server(Http2, far);
        tokio::io::AsyncWriteExt::write_all(&mut near, b"GET / HTTP/1.1\r\n\r\nnot http2 at all")
            .await
            .unwrap();
        assert!(matches!(conn.accept().await, Some(Err(ConnError::Codec(_)))));
        assert!(conn.accept().await.is_none());
    });
}
