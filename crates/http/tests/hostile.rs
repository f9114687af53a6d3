//! Input of any kind, cut anywhere: connections end, nothing panics, nothing piles up.
#![allow(clippy::unwrap_used)]

mod support;

use std::time::Duration;

use bytes::Bytes;
use support::*;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weft_codec::ResetReason;
use weft_types::Version::{self, Http2, Http11};

/// A small generator of repeatable numbers.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % limit
    }
}

/// What a well-behaved client sends for three requests.
fn recorded(version: Version) -> Vec<u8> {
    run(async {
        let (near, mut far) = tokio::io::duplex(1024 * 1024);
        let conn = client(version, near);
        let mut all = Vec::new();
        let mut buffer = vec![0; 65_536];
        for i in 0..3 {
            let head = with_length(post(&format!("/{i}")), 10);
            let (mut send, recv) = conn.send_request(&head, false).await.unwrap();
            send.data(Bytes::from_static(b"0123456789"), true).await.unwrap();
            settle().await;
            let count = far.read(&mut buffer).await.unwrap();
            all.extend_from_slice(&buffer[..count]);
            if version == Http11 {
                let mut recv = recv;
                far.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await.unwrap();
                recv.head().await.unwrap();
            } else {
                std::mem::forget((send, recv));
            }
        }
        all
    })
}

/// Plays input in pieces to a server that echoes; returns what it answered, once it has ended.
async fn play(version: Version, input: &[u8], numbers: &mut Numbers) -> Vec<u8> {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let served = serve(server(version, far), |mut exchange| async move {
        if collect(&mut exchange.body).await.is_ok() {
            let _ = exchange.reply.head(&status(200), true).await;
        }
    });
    let (mut from, mut to) = tokio::io::split(near);
    let reader = tokio::task::spawn_local(async move {
        let mut all = Vec::new();
        let _ = from.read_to_end(&mut all).await;
        all
    });
    let mut rest = input;
    while !rest.is_empty() {
        let (piece, after) = rest.split_at(1 + numbers.below(rest.len().min(40)));
        if to.write_all(piece).await.is_err() {
            break;
        }
        rest = after;
        tokio::task::yield_now().await;
    }
    settle().await;
    let _ = to.shutdown().await;
    tokio::time::timeout(Duration::from_secs(5), served).await.expect("the server goes on").unwrap();
    drop(to);
    reader.await.unwrap()
}

#[test]
fn requests_cut_anywhere_are_understood_alike() {
    let input = recorded(Http11);
    run(async {
        let mut numbers = Numbers(1);
        for _ in 0..100 {
            let answer = String::from_utf8(play(Http11, &input, &mut numbers).await).unwrap();
            assert_eq!(answer.matches("HTTP/1.1 200").count(), 3, "{answer}");
        }
    });
}

#[test]
fn damaged_input_ends_in_order() {
    for version in [Http11, Http2] {
        let input = recorded(version);
        run(async {
            let mut numbers = Numbers(2);
            for _ in 0..300 {
                let mut damaged = input.clone();
                for _ in 0..1 + numbers.below(4) {
                    let at = numbers.below(damaged.len());
                    match numbers.below(3) {
                        0 => damaged[at] = numbers.below(256) as u8,
                        1 if damaged.len() > 1 => drop(damaged.remove(at)),
                        _ => damaged.truncate(at + 1),
                    }
                }
                play(version, &damaged, &mut numbers).await;
            }
        });
    }
}

#[test]
fn noise_ends_in_order() {
    for version in [Http11, Http2] {
        run(async {
            let mut numbers = Numbers(3);
            for _ in 0..100 {
                let noise: Vec<u8> = (0..numbers.below(2000) + 1).map(|_| numbers.below(256) as u8).collect();
                play(version, &noise, &mut numbers).await;
            }
        });
    }
}

#[test]
fn a_flood_of_bytes_without_a_head_is_refused() {
    run(async {
        let (mut near, far) = tokio::io::duplex(16 * 1024);
        let mut conn = server(Http11, far);
        let flood = tokio::task::spawn_local(async move {
            let _ = near.write_all(b"GET / HTTP/1.1\r\n").await;
            while near.write_all(b"x: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\r\n").await.is_ok() {}
        });
        assert!(conn.accept().await.unwrap().is_err());
        assert!(conn.handle().counters().received < 200_000);
        drop(conn);
        flood.await.unwrap();
    });
}

#[test]
fn an_accept_cut_short_loses_no_request() {
    for version in [Http11, Http2] {
        let input = recorded(version);
        run(async {
            let (mut near, far) = tokio::io::duplex(64 * 1024);
            let mut conn = server(version, far);
            let mut paths = Vec::new();
            for byte in input {
                near.write_all(&[byte]).await.unwrap();
                let cut = tokio::time::timeout(Duration::ZERO, conn.accept()).await;
                if let Ok(next) = cut {
                    let mut exchange = next.unwrap().unwrap();
                    paths.push(exchange.head.path.to_string());
                    if version == Http2 {
                        // Its body comes while further requests are awaited.
                        std::mem::forget(exchange);
                        continue;
                    }
                    near.flush().await.unwrap();
                    exchange.reply.head(&status(200), true).await.unwrap();
                    break;
                }
            }
            let expected: &[&str] = if version == Http2 { &["/0", "/1", "/2"] } else { &["/0"] };
            assert_eq!(paths, expected);
        });
    }
}

/// An upstream that answers early, stops reading and closes: its answer still arrives.
#[test]
fn an_early_answer_is_read_though_the_upload_fails() {
    run(async {
        let (near, mut far) = tokio::io::duplex(1024);
        let conn = client(Http11, near);
        let (mut send, mut recv) =
            conn.send_request(&with_length(post("/"), 1_000_000), false).await.unwrap();
        far.write_all(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n").await.unwrap();
        drop(far);
        let mut failed = None;
        for _ in 0..100 {
            if let Err(error) = send.data(Bytes::from(vec![0; 10_000]), false).await {
                failed = Some(error);
                break;
            }
        }
        assert_eq!(failed.unwrap().reason, ResetReason::ConnectionClosed);
        assert_eq!(recv.head().await.unwrap().status, 413);
    });
}
