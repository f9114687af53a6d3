//! Both ends at once, as the proxy uses them: what comes in on one connection goes out on another,
//! under every combination of protocols.
#![allow(clippy::unwrap_used)]

mod support;

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use bytes::Bytes;
use support::*;
use weft_codec::ResetReason;
use weft_http::{ClientConn, Exchange, Frame, RecvBody, SendBody, SendReply, StreamError};
use weft_types::Headers;
use weft_types::Version::{self, Http2, Http11};

const PAIRS: [(Version, Version); 4] = [(Http11, Http11), (Http11, Http2), (Http2, Http11), (Http2, Http2)];

async fn copy_request(mut from: RecvBody, mut to: SendBody) -> Result<(), StreamError> {
    loop {
        match from.next().await? {
            Frame::Data(data) => to.data(data, from.is_end()).await?,
            Frame::Trailers(fields) => to.trailers(&fields).await?,
            Frame::End => return Ok(()),
        }
        if from.is_end() {
            return Ok(());
        }
    }
}

async fn copy_response(from: &mut RecvBody, to: &mut SendReply) -> Result<(), StreamError> {
    loop {
        match from.next().await? {
            Frame::Data(data) => to.data(data, from.is_end()).await?,
            Frame::Trailers(fields) => to.trailers(&fields).await?,
            Frame::End => return Ok(()),
        }
        if from.is_end() {
            return Ok(());
        }
    }
}

/// One exchange through the proxy; false when the client left.
async fn forward(exchange: Exchange, upstream: ClientConn) -> bool {
    let Exchange { head, body, mut reply } = exchange;
    let end = body.is_end();
    let (send, mut recv) = upstream.send_request(&head, end).await.unwrap();
    let request = async {
        if !end && copy_request(body, send).await.is_err() {
            std::future::pending::<()>().await;
        }
    };
    let response = async {
        let head = tokio::select! {
            head = recv.head() => head,
            _ = reply.closed() => return false,
        };
        let Ok(head) = head else {
            reply.head(&status(503), true).await.unwrap();
            return true;
        };
        let end = recv.body().is_end();
        reply.head(&head, end).await.unwrap();
        end || copy_response(recv.body(), &mut reply).await.is_ok()
    };
    let mut request = std::pin::pin!(request);
    let mut response = std::pin::pin!(response);
    tokio::select! {
        done = &mut response => return done,
        () = &mut request => {}
    }
    response.await
}

/// A client, over the proxy, to an upstream that runs the handler.
fn proxied<F, H>(down: Version, up: Version, handler: H) -> (ClientConn, Rc<RefCell<Vec<bool>>>)
where
    F: Future<Output = ()> + 'static,
    H: Fn(Exchange) -> F + 'static,
{
    let (upstream, _task) = connected(up, handler);
    let ends = Rc::new(RefCell::new(Vec::new()));
    let seen = ends.clone();
    let (conn, _task) = connected(down, move |exchange| {
        let (upstream, seen) = (upstream.clone(), seen.clone());
        async move {
            let end = forward(exchange, upstream).await;
            seen.borrow_mut().push(end);
        }
    });
    (conn, ends)
}

#[test]
fn small_exchanges_pass() {
    for (down, up) in PAIRS {
        run(async {
            let (conn, _) = proxied(down, up, echo_path);
            for i in 0..50 {
                let (head, body) = fetch(&conn, &format!("/{i}")).await.unwrap();
                assert_eq!((head.status, body), (200, format!("/{i}").into_bytes()), "{down:?} {up:?}");
            }
        });
    }
}

#[test]
fn big_bodies_pass_both_ways_at_once() {
    for (down, up) in PAIRS {
        run(async {
            let (conn, _) = proxied(down, up, echo_body);
            let sent: Bytes = (0..6_000_000_u32).map(|i| (i % 253) as u8).collect::<Vec<_>>().into();
            let (mut send, mut recv) = conn.send_request(&post("/"), false).await.unwrap();
            let request = async {
                for start in (0..sent.len()).step_by(77_777) {
                    send.data(sent.slice(start..(start + 77_777).min(sent.len())), false).await.unwrap();
                }
                send.data(Bytes::new(), true).await.unwrap();
            };
            let response = async {
                recv.head().await.unwrap();
                collect(recv.body()).await.unwrap().0
            };
            let ((), received) = tokio::join!(request, response);
            assert!(received == sent, "{down:?} {up:?}: {} of {}", received.len(), sent.len());
        });
    }
}

#[test]
fn a_slow_client_holds_the_upstream_back() {
    for (down, up) in PAIRS {
        run(async {
            const PIECE: usize = 50_000;
            let made = Rc::new(Cell::new(0));
            let counted = made.clone();
            let (conn, _) = proxied(down, up, move |mut exchange| {
                let made = counted.clone();
                async move {
                    exchange.reply.head(&status(200), false).await.unwrap();
                    for _ in 0..2000 {
                        if exchange.reply.data(Bytes::from(vec![1; PIECE]), false).await.is_err() {
                            return;
                        }
                        made.set(made.get() + PIECE);
                    }
                }
            });
            let (_send, mut recv) = conn.send_request(&get("/"), true).await.unwrap();
            recv.head().await.unwrap();
            let mut before = usize::MAX;
            while before != made.get() {
                before = made.get();
                settle().await;
            }
            // Two windows of HTTP/2 (16 MiB each), two outputs (1 MiB each) and pipes are all there is.
            let most = 36 * 1024 * 1024;
            assert!(made.get() < most, "{down:?} {up:?}: {} bytes under way", made.get());
            let mut body = recv.into_body();
            let mut read = 0;
            while read < 60_000_000 {
                let Frame::Data(data) = body.next().await.unwrap() else { panic!("ended") };
                read += data.len();
            }
        });
    }
}

#[test]
fn a_client_that_leaves_cancels_the_upstream() {
    for (down, up) in PAIRS {
        run(async {
            let reason = Rc::new(Cell::new(None));
            let told = reason.clone();
            let (conn, ends) = proxied(down, up, move |exchange| {
                let told = told.clone();
                async move { told.set(Some(exchange.reply.closed().await.reason)) }
            });
            let (send, recv) = conn.send_request(&get("/"), true).await.unwrap();
            settle().await;
            drop((send, recv));
            settle().await;
            assert_eq!(*ends.borrow(), [false], "{down:?} {up:?}");
            let expected = match up {
                Http11 => ResetReason::ConnectionClosed,
                _ => ResetReason::Remote(8),
            };
            assert_eq!(reason.get(), Some(expected), "{down:?} {up:?}");
        });
    }
}

#[test]
fn trailers_pass_where_the_protocols_have_them() {
    run(async {
        let (conn, _) = proxied(Http2, Http2, |mut exchange| async move {
            collect(&mut exchange.body).await.unwrap();
            exchange.reply.head(&status(200), false).await.unwrap();
            exchange.reply.data(Bytes::from_static(b"x"), false).await.unwrap();
            let fields: Headers = [("grpc-status", "7")].into_iter().collect();
            exchange.reply.trailers(&fields).await.unwrap();
        });
        let (mut send, mut recv) = conn.send_request(&post("/"), false).await.unwrap();
        send.data(Bytes::from_static(b"q"), true).await.unwrap();
        recv.head().await.unwrap();
        let (_, trailers) = collect(recv.body()).await.unwrap();
        assert_eq!(trailers.unwrap().get_str("grpc-status"), Some("7"));
    });
}
