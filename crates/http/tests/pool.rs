//! Pools: reuse, limits, ageing, shared connects, drain.
#![allow(clippy::unwrap_used)]

mod support;

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use support::*;
use tokio::time::Instant;
use weft_codec::{Limits, Side};
use weft_http::{AnyCodec, ClientConn, ConnError, ConnOptions, Pool, PoolOptions, ServerConn};
use weft_types::Version::{self, Http2, Http11};

type Keyed = Pool<&'static str>;

fn pool(options: PoolOptions) -> Keyed {
    Pool::new(options)
}

fn fresh(version: Version) -> ClientConn {
    connected(version, echo_path).0
}

#[test]
fn the_connection_used_last_is_used_next() {
    run(async {
        let pool = pool(PoolOptions::default());
        let now = Instant::now();
        let (first, second) = (fresh(Http11), fresh(Http11));
        fetch(&second, "/").await.unwrap();
        for conn in [&first, &second] {
            pool.adopt(&"a", conn);
        }
        pool.put(&"a", first, now);
        pool.put(&"a", second, now);
        assert_eq!(pool.counts(&"a").idle, 2);
        assert_eq!(pool.checkout(&"a", now).unwrap().requests(), 1);
        assert_eq!(pool.checkout(&"a", now).unwrap().requests(), 0);
        assert!(pool.checkout(&"a", now).is_none());
        assert!(pool.checkout(&"b", now).is_none());
    });
}

#[test]
fn what_is_too_many_too_old_or_served_enough_goes() {
    run(async {
        let options = PoolOptions {
            max_idle_per_key: 2,
            idle_timeout: Some(Duration::from_secs(10)),
            max_requests_per_connection: Some(3),
            ..PoolOptions::default()
        };
        let pool = pool(options);
        let now = Instant::now();
        for _ in 0..3 {
            pool.put(&"a", fresh(Http11), now);
        }
        assert_eq!(pool.counts(&"a").idle, 2);
        let conn = pool.checkout(&"a", now).unwrap();
        for _ in 0..3 {
            fetch(&conn, "/").await.unwrap();
        }
        pool.put(&"a", conn, now);
        assert_eq!(pool.counts(&"a").idle, 1, "it has served its three requests");
        assert!(pool.checkout(&"a", now + Duration::from_secs(11)).is_none());
    });
}

#[test]
fn a_sweep_finds_what_the_peer_closed() {
    run(async {
        let pool = pool(PoolOptions::default());
        let (conn, server) = connected(Http11, echo_path);
        fetch(&conn, "/").await.unwrap();
        pool.adopt(&"a", &conn);
        pool.put(&"a", conn, Instant::now());
        pool.sweep(Instant::now());
        assert_eq!(pool.total().idle, 1);
        server.abort();
        settle().await;
        pool.sweep(Instant::now());
        assert_eq!(pool.total(), weft_http::PoolCounts::default());
    });
}

/// A connector that counts, slow enough to be shared.
fn connector(version: Version, made: &Rc<Cell<usize>>, limits: &Limits) -> impl Fn() -> Connecting + use<> {
    let (made, limits) = (made.clone(), limits.clone());
    move || {
        let (made, limits) = (made.clone(), limits.clone());
        Box::pin(async move {
            tokio::time::sleep(Duration::from_millis(20)).await;
            made.set(made.get() + 1);
            let (near, far) = tokio::io::duplex(64 * 1024);
            let codec = codec_with(version, Side::Server, limits);
            serve(ServerConn::new(far, codec, ConnOptions::default(), Default::default()), echo_path);
            Ok(client(version, near))
        })
    }
}

type Connecting = std::pin::Pin<Box<dyn Future<Output = Result<ClientConn, ConnError>>>>;

async fn ask(pool: &Keyed, connect: impl Fn() -> Connecting) -> Vec<u8> {
    let conn = pool.get(&"a", true, connect).await.unwrap();
    let (_send, mut recv) = conn.send_request(&get("/x"), true).await.unwrap();
    recv.head().await.unwrap();
    let body = collect(recv.body()).await.unwrap().0;
    drop((_send, recv));
    pool.put(&"a", conn, Instant::now());
    body
}

#[test]
fn requests_at_the_same_time_share_one_http2_connect() {
    run(async {
        let pool = pool(PoolOptions::default());
        let made = Rc::new(Cell::new(0));
        let connect = Rc::new(connector(Http2, &made, &Limits::default()));
        let tasks: Vec<_> = (0..50)
            .map(|_| {
                let (pool, connect) = (pool.clone(), connect.clone());
                tokio::task::spawn_local(async move { ask(&pool, || connect()).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), b"/x");
        }
        assert_eq!(made.get(), 1);
        assert_eq!((pool.counts(&"a").shared, pool.counts(&"a").open), (1, 1));
    });
}

#[test]
fn a_shared_connect_outlives_the_request_that_began_it() {
    run(async {
        let pool = pool(PoolOptions::default());
        let made = Rc::new(Cell::new(0));
        let connect = connector(Http2, &made, &Limits::default());
        let cut = tokio::time::timeout(Duration::from_millis(5), pool.get(&"a", true, &connect)).await;
        assert!(cut.is_err());
        assert_eq!(pool.counts(&"a").connecting, 1);
        assert_eq!(ask(&pool, &connect).await, b"/x");
        assert_eq!(made.get(), 1);
    });
}

#[test]
fn an_expected_http2_peer_may_speak_http1() {
    run(async {
        let pool = pool(PoolOptions::default());
        let made = Rc::new(Cell::new(0));
        let connect = Rc::new(connector(Http11, &made, &Limits::default()));
        let tasks: Vec<_> = (0..5)
            .map(|_| {
                let (pool, connect) = (pool.clone(), connect.clone());
                tokio::task::spawn_local(async move { ask(&pool, || connect()).await })
            })
            .collect();
        for task in tasks {
            assert_eq!(task.await.unwrap(), b"/x");
        }
        assert!((1..=5).contains(&made.get()));
        assert_eq!(pool.counts(&"a").idle, made.get());
    });
}

#[test]
fn those_who_share_a_connect_share_its_failure() {
    run(async {
        let pool = pool(PoolOptions::default());
        let tries = Cell::new(0);
        let connect = || {
            tries.set(tries.get() + 1);
            async {
                tokio::task::yield_now().await;
                Err::<ClientConn, _>(ConnError::Closed)
            }
        };
        let (a, b) = tokio::join!(pool.get(&"a", true, connect), pool.get(&"a", true, connect));
        assert!(a.is_err() && b.is_err());
        assert_eq!(tries.get(), 1);
        assert_eq!(pool.counts(&"a").connecting, 0);
    });
}

#[test]
fn a_drained_key_lets_go_of_all_its_connections() {
    run(async {
        let pool = pool(PoolOptions::default());
        let now = Instant::now();
        let (idle, busy, shared) = (fresh(Http11), fresh(Http11), fresh(Http2));
        fetch(&shared, "/").await.unwrap();
        for conn in [&idle, &busy, &shared] {
            pool.adopt(&"a", conn);
        }
        pool.put(&"a", idle, now);
        let (_send, mut recv) = busy.send_request(&get("/slow"), true).await.unwrap();
        pool.drain(&"a");
        recv.head().await.unwrap();
        assert_eq!(collect(recv.body()).await.unwrap().0, b"/slow", "what is under way ends well");
        drop((_send, recv));
        pool.put(&"a", busy, now);
        assert!(pool.checkout(&"a", now).is_none());
        assert!(!shared.can_open());
    });
}

#[test]
fn a_full_shared_connection_is_passed_over() {
    run(async {
        let pool = pool(PoolOptions::default());
        let limits = Limits { max_concurrent_streams: 2, ..Limits::default() };
        let made = Rc::new(Cell::new(0));
        let connect = connector(Http2, &made, &limits);
        let first = pool.get(&"a", true, &connect).await.unwrap();
        fetch(&first, "/").await.unwrap();
        let _one = first.send_request(&get("/"), true).await.unwrap();
        let _two = first.send_request(&get("/"), true).await.unwrap();
        let other = pool.get(&"a", true, &connect).await.unwrap();
        assert_eq!(made.get(), 2);
        assert_eq!(fetch(&other, "/").await.unwrap().0.status, 200);
        assert_eq!(pool.counts(&"a").shared, 2);
    });
}

#[test]
fn codecs_are_told_apart() {
    assert!(AnyCodec::http2(Side::Client, Limits::default(), "http").is_multiplexed());
    assert!(!AnyCodec::http1(Side::Client, Limits::default(), "http").is_multiplexed());
}
