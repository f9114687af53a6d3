//! A gentle load on the product page: so many requests a second, some of them by the user jason.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use http::header::{COOKIE, HeaderName, HeaderValue};
use serde::Serialize;
use tokio::task::JoinSet;
use tokio::time::{Instant, MissedTickBehavior, interval};

use crate::http::Client;

/// What is asked for.
pub(crate) const PATH: &str = "/productpage";
/// One request in so many is signed in as jason, as by productpage's own login.
const JASON: u64 = 4;
/// Most requests under way; beyond that none is sent.
const MOST_OPEN: usize = 64;
/// Longest time for an answer; productpage itself may wait 3 s for details and twice 3 s for reviews.
const LIMIT: Duration = Duration::from_secs(15);
/// How many of the last times are kept.
const TIMES: usize = 10_000;

/// What came of the requests.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub(crate) struct Outcome {
    /// Answered with 2xx or 3xx.
    pub(crate) succeeded: u64,
    /// Answered otherwise, or not.
    pub(crate) failed: u64,
    /// Median time, in milliseconds, of the last 10,000 answers.
    pub p50_ms: Option<f64>,
    /// 99th percentile of them.
    pub p99_ms: Option<f64>,
}

#[derive(Debug, Default)]
struct Book {
    succeeded: u64,
    failed: u64,
    times: VecDeque<f64>,
    last_failure: Option<String>,
    idle: Vec<Client>,
}

/// The load, while this value lives.
#[derive(Debug)]
pub(crate) struct Load {
    book: Arc<Mutex<Book>>,
    task: tokio::task::JoinHandle<()>,
}

impl Load {
    /// Begins; `rate` is requests a second, 1 at least.
    #[must_use]
    pub(crate) fn start(to: SocketAddr, rate: u32) -> Self {
        let book = Arc::new(Mutex::new(Book::default()));
        let task = tokio::spawn(drive(to, rate.max(1), Arc::clone(&book)));
        Self { book, task }
    }

    /// What came so far.
    #[must_use]
    pub(crate) fn outcome(&self) -> Outcome {
        let book = lock(&self.book);
        let mut times: Vec<f64> = book.times.iter().copied().collect();
        times.sort_by(f64::total_cmp);
        let at = |share: usize| times.get((times.len() * share / 100).min(times.len().saturating_sub(1)));
        let round = |time: &f64| (time * 100.0).round() / 100.0;
        Outcome {
            succeeded: book.succeeded,
            failed: book.failed,
            p50_ms: at(50).map(round),
            p99_ms: at(99).map(round),
        }
    }

    /// Why the last failed request failed.
    #[must_use]
    pub(crate) fn last_failure(&self) -> Option<String> {
        lock(&self.book).last_failure.clone()
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn drive(to: SocketAddr, rate: u32, book: Arc<Mutex<Book>>) {
    let mut ticks = interval(Duration::from_secs(1) / rate);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut open = JoinSet::new();
    for number in 0_u64.. {
        ticks.tick().await;
        while open.try_join_next().is_some() {}
        if open.len() < MOST_OPEN {
            open.spawn(request(to, number % JASON == 0, Arc::clone(&book)));
        }
    }
}

async fn request(to: SocketAddr, jason: bool, book: Arc<Mutex<Book>>) {
    let kept = lock(&book).idle.pop();
    let mut client = kept.unwrap_or_else(|| Client::new(to));
    let cookie: [(HeaderName, HeaderValue); 1] = [(COOKIE, HeaderValue::from_static("session=jason"))];
    let start = Instant::now();
    let answer = client.get(PATH, if jason { &cookie } else { &[] }, LIMIT).await;
    let time = start.elapsed().as_secs_f64() * 1000.0;
    let mut book = lock(&book);
    match answer {
        Ok(answer) if answer.status.is_success() || answer.status.is_redirection() => {
            book.succeeded += 1;
            book.idle.push(client);
        }
        Ok(answer) => {
            book.failed += 1;
            let text = String::from_utf8_lossy(&answer.body).chars().take(200).collect::<String>();
            book.last_failure = Some(format!("{PATH}: {} {}", answer.status, text.trim()));
            book.idle.push(client);
        }
        Err(error) => {
            book.failed += 1;
            book.last_failure = Some(format!("{error:#}"));
        }
    }
    if book.times.len() == TIMES {
        book.times.pop_front();
    }
    book.times.push_back(time);
}

fn lock(book: &Mutex<Book>) -> std::sync::MutexGuard<'_, Book> {
    // Counts stay meaningful whoever panicked.
    book.lock().unwrap_or_else(PoisonError::into_inner)
}
