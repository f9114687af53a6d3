//! Large HTTP/1.1 bodies: nothing piles up when a side is slow.
#![allow(clippy::unwrap_used)]

mod support;

use std::cell::Cell;
use std::rc::Rc;

use bytes::{Bytes, BytesMut};
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weft_codec::Side;
use weft_http::{ClientConn, ConnOptions, Frame, ServerConn};
use weft_types::Version::Http11;

const BIG: usize = 8 * 1024 * 1024;

fn pattern(length: usize) -> Bytes {
    (0..length).map(|i| (i % 251) as u8).collect::<Vec<_>>().into()
}

#[test]
fn a_big_body_goes_there_and_back_over_real_sockets() {
    run(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let near = tokio::net::TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (far, _) = listener.accept().await.unwrap();
        let _server = serve(server(Http11, far), echo_body);
        let conn = client(Http11, near);
        let sent = pattern(BIG);
        let (mut send, mut recv) = conn.send_request(&post("/"), false).await.unwrap();
        let request = async {
            for start in (0..BIG).step_by(100_000) {
                let piece = sent.slice(start..(start + 100_000).min(BIG));
                send.data(piece, false).await.unwrap();
            }
            send.data(Bytes::new(), true).await.unwrap();
        };
        let response = async {
            recv.head().await.unwrap();
            collect(recv.body()).await.unwrap().0
        };
        let ((), received) = tokio::join!(request, response);
        assert!(received == sent);
        assert_eq!(send.counters().body_sent, BIG as u64);
        assert_eq!(send.counters().body_received, BIG as u64);
        assert!(conn.can_open());
    });
}

#[test]
fn a_sender_waits_while_the_reader_stalls() {
    run(async {
        let options = ConnOptions { high_watermark: 256 * 1024, ..ConnOptions::default() };
        let (mut near, far) = tokio::io::duplex(16 * 1024);
        let mut conn = ServerConn::new(far, codec(Http11, Side::Server), options, BytesMut::new());
        near.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let exchange = conn.accept().await.unwrap().unwrap();
        let mut reply = exchange.reply;
        let sent = Rc::new(Cell::new(0));
        let most = Rc::new(Cell::new(0));
        let (counted, peak) = (sent.clone(), most.clone());
        let sender = tokio::task::spawn_local(async move {
            reply.head(&sized(BIG), false).await.unwrap();
            let piece = Bytes::from(vec![7; 64 * 1024]);
            for _ in 0..BIG / piece.len() {
                reply.data(piece.clone(), false).await.unwrap();
                counted.set(counted.get() + piece.len());
                peak.set(peak.get().max(reply.unwritten_bytes()));
            }
            reply.flush().await;
        });
        settle().await;
        let stalled_at = sent.get();
        assert!(stalled_at <= 256 * 1024 + 16 * 1024 + 64 * 1024, "{stalled_at} taken though nobody reads");
        let mut total = 0;
        let mut buffer = vec![0; 50_000];
        while total < BIG {
            total += near.read(&mut buffer).await.unwrap();
        }
        sender.await.unwrap();
        assert!(most.get() <= 256 * 1024, "{} bytes waited", most.get());
    });
}

#[test]
fn a_body_that_nobody_reads_is_not_taken_in() {
    run(async {
        let options = ConnOptions { input_limit: 128 * 1024, ..ConnOptions::default() };
        let (mut near, far) = tokio::io::duplex(16 * 1024);
        let mut conn = ServerConn::new(far, codec(Http11, Side::Server), options, BytesMut::new());
        near.write_all(format!("POST / HTTP/1.1\r\nhost: a\r\ncontent-length: {BIG}\r\n\r\n").as_bytes())
            .await
            .unwrap();
        let exchange = conn.accept().await.unwrap().unwrap();
        let (mut body, reply) = (exchange.body, exchange.reply);
        // The watcher reads ahead, so that it can see the end; only so far, though.
        let watcher = tokio::task::spawn_local(async move { reply.closed().await });
        let writer = tokio::task::spawn_local(async move {
            let piece = vec![1; 10_000];
            let mut left = BIG;
            while left > 0 {
                let count = near.write(&piece[..left.min(piece.len())]).await.unwrap();
                left -= count;
            }
            near
        });
        settle().await;
        assert!(!writer.is_finished());
        assert!(body.queued_bytes() <= 128 * 1024 + 64 * 1024, "{} bytes queued", body.queued_bytes());
        assert_eq!(collect(&mut body).await.unwrap().0.len(), BIG);
        let near = writer.await.unwrap();
        assert!(!watcher.is_finished());
        drop(near);
        watcher.await.unwrap();
    });
}

#[test]
fn a_reply_left_unwritten_is_finished_without_its_sender() {
    run(async {
        let (mut near, far) = tokio::io::duplex(1024);
        let mut conn = server(Http11, far);
        let (go_on, elsewhere) = tokio::sync::oneshot::channel();
        // Handled in place: no accept loop moves the connection meanwhile.
        tokio::task::spawn_local(async move {
            let mut exchange = conn.accept().await.unwrap().unwrap();
            exchange.reply.head(&sized(500_000), false).await.unwrap();
            exchange.reply.data(Bytes::from(vec![9; 400_000]), false).await.unwrap();
            // Waits without touching this connection.
            elsewhere.await.unwrap();
            exchange.reply.data(Bytes::from(vec![9; 100_000]), true).await.unwrap();
            drop(exchange);
            assert!(conn.accept().await.is_none());
        });
        near.write_all(b"GET / HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let mut total = 0;
        let mut buffer = vec![0; 4096];
        while total < 400_000 {
            total += near.read(&mut buffer).await.unwrap();
        }
        go_on.send(()).unwrap();
        while total < 500_000 {
            total += near.read(&mut buffer).await.unwrap();
        }
    });
}

#[test]
fn an_abandoned_upload_closes_though_the_peer_stalls() {
    run(async {
        let (near, far) = tokio::io::duplex(1024);
        let conn = ClientConn::new(near, codec(Http11, Side::Client), ConnOptions::default());
        let (mut send, recv) = conn.send_request(&with_length(post("/"), BIG), false).await.unwrap();
        send.data(Bytes::from(vec![1; 300_000]), false).await.unwrap();
        assert!(send.unwritten_bytes() > 200_000);
        drop((send, recv, conn));
        let mut far = far;
        let mut rest = Vec::new();
        far.read_to_end(&mut rest).await.unwrap();
        assert!(rest.len() <= 1024, "the connection was let go with its handles");
    });
}

#[test]
fn pieces_come_without_being_copied_together() {
    run(async {
        let (conn, _server) = connected(Http11, |mut exchange| async move {
            exchange.reply.head(&status(200), false).await.unwrap();
            for i in 0..5_u8 {
                exchange.reply.data(Bytes::from(vec![i; 10]), false).await.unwrap();
                settle().await;
            }
            exchange.reply.data(Bytes::new(), true).await.unwrap();
        });
        let (_send, mut recv) = conn.send_request(&get("/"), true).await.unwrap();
        recv.head().await.unwrap();
        let mut body = recv.into_body();
        let mut pieces = Vec::new();
        while let Frame::Data(data) = body.next().await.unwrap() {
            pieces.push(data[0]);
        }
        assert_eq!(pieces, [0, 1, 2, 3, 4], "each piece is passed on when it comes");
    });
}
