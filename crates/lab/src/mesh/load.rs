//! A steady load whose every failure is counted, and WebSockets that must stay open.

use super::call::Caller;
use crate::http1::Reader;
use crate::netns::Host;
use anyhow::{Context, Result, bail};
use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::task::JoinHandle;
use tokio::time::{Instant, MissedTickBehavior, interval};

/// Connections that share the load.
const CONNECTIONS: u32 = 20;
/// Kinds of failures that are kept apart.
const MAX_KINDS: usize = 50;

/// What became of the requests.
#[derive(Debug, Clone, Default)]
pub struct Tally {
    /// Answered 200.
    pub good: u64,
    /// How often each other thing happened.
    pub failures: BTreeMap<String, u64>,
}

impl Tally {
    /// All failures.
    pub fn failed(&self) -> u64 {
        self.failures.values().sum()
    }
}

/// A load that runs until it is ended.
#[derive(Debug)]
pub struct Load {
    stop: Arc<AtomicBool>,
    tally: Arc<Mutex<Tally>>,
    workers: Vec<JoinHandle<()>>,
}

impl Load {
    /// Starts GET requests at `per_second` from a host, over keep-alive connections.
    pub fn start(from: &Host, to: SocketAddr, host: &'static str, per_second: u32) -> Result<Self> {
        let stop = Arc::new(AtomicBool::new(false));
        let tally = Arc::new(Mutex::new(Tally::default()));
        let mut workers = Vec::new();
        for _ in 0..CONNECTIONS {
            let caller = Caller::connect(from, to)?;
            let namespace = from.name().to_owned();
            let (stop, tally) = (stop.clone(), tally.clone());
            let pace = Duration::from_secs(1) * CONNECTIONS / per_second.max(1);
            workers.push(tokio::spawn(work(caller, namespace, to, host, pace, stop, tally)));
        }
        Ok(Self { stop, tally, workers })
    }

    /// Ends the load, and says what became of it.
    pub async fn end(self) -> Tally {
        self.stop.store(true, Ordering::Relaxed);
        for worker in self.workers {
            let _ = worker.await;
        }
        let tally = self.tally.lock().unwrap_or_else(PoisonError::into_inner);
        tally.clone()
    }
}

async fn work(
    mut caller: Caller,
    namespace: String,
    to: SocketAddr,
    host: &'static str,
    pace: Duration,
    stop: Arc<AtomicBool>,
    tally: Arc<Mutex<Tally>>,
) {
    let mut ticks = interval(pace);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    while !stop.load(Ordering::Relaxed) {
        ticks.tick().await;
        let answer = caller.get("/", &[("host", host)]).await;
        let mut closing = false;
        let failure = match &answer {
            Ok(answer) => {
                closing =
                    answer.header("connection").is_some_and(|value| value.eq_ignore_ascii_case("close"));
                (answer.status != 200).then(|| format!("{} {}", answer.status, answer.body))
            }
            Err(error) => Some(format!("{error:#}")),
        };
        {
            let mut tally = tally.lock().unwrap_or_else(PoisonError::into_inner);
            match failure {
                None => tally.good += 1,
                Some(kind) => {
                    let kind = if tally.failures.len() < MAX_KINDS { kind } else { "other".to_owned() };
                    *tally.failures.entry(kind).or_insert(0) += 1;
                }
            }
        }
        // A proxy that drains says so with `connection: close`, which is no failure.
        if closing || answer.is_err() {
            match Host::enter_named(&namespace, || Caller::dial(to)).and_then(Caller::new) {
                Ok(fresh) => caller = fresh,
                Err(_) => tokio::time::sleep(pace).await,
            }
        }
    }
}

/// Upgraded connections that are used now and then.
#[derive(Debug)]
pub struct Sockets {
    open: Vec<tokio::net::TcpStream>,
}

impl Sockets {
    /// Opens so many.
    ///
    /// # Errors
    /// When one is not upgraded.
    pub async fn open(from: &Host, to: SocketAddr, host: &str, count: usize) -> Result<Self> {
        let mut open = Vec::new();
        for _ in 0..count {
            let stream = from.enter(|| Ok(TcpStream::connect_timeout(&to, Duration::from_secs(5))?))?;
            stream.set_nonblocking(true)?;
            let mut stream = tokio::net::TcpStream::from_std(stream)?;
            let request = format!(
                "GET /socket HTTP/1.1\r\nhost: {host}\r\nconnection: upgrade\r\nupgrade: websocket\r\n\
                 sec-websocket-version: 13\r\nsec-websocket-key: d2VmdC13ZWZ0LXdlZnQtMQ==\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await?;
            let mut reader = Reader::new(stream, Vec::new());
            let head = reader.head().await.ok().context("no answer to an upgrade")?;
            if !head.start.contains(" 101") {
                bail!("not upgraded: {}", head.start);
            }
            open.push(reader.stream);
        }
        Ok(Self { open })
    }

    /// Sends something on each and counts those that do not give it back.
    pub async fn broken(&mut self) -> usize {
        let mut broken = 0;
        for stream in &mut self.open {
            let deadline = Instant::now() + Duration::from_secs(5);
            let exchange = async {
                stream.write_all(b"still there?").await?;
                let mut back = [0; 12];
                stream.read_exact(&mut back).await?;
                Ok::<_, std::io::Error>(back == *b"still there?")
            };
            if !matches!(tokio::time::timeout_at(deadline, exchange).await, Ok(Ok(true))) {
                broken += 1;
            }
        }
        broken
    }
}
