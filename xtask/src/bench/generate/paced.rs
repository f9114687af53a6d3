//! Requests at a steady 1,000 in a second, open loop: each is due at its time whatever became of those
//! before, and its latency counts from then. One thread sleeps in `ppoll`, so that the backend on the same
//! cpu is not held up.

use super::summary;
use crate::bench::load::Said;
use crate::bench::program::address;
use anyhow::{Context, Result, bail};
use nix::poll::{PollFd, PollFlags, ppoll};
use nix::sys::time::TimeSpec;
use std::collections::VecDeque;
use std::io::{ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

/// Between two requests.
const INTERVAL: Duration = Duration::from_millis(1);
/// Connections that take turns.
const CONNECTIONS: usize = 16;
/// When a missing answer is a failure.
const PATIENCE: Duration = Duration::from_secs(5);

/// A connection, and when its request was due.
struct Lane {
    stream: TcpStream,
    due: Option<Instant>,
    seen: Vec<u8>,
}

pub(super) fn run(port: u16, seconds: u64, path: &str) -> Result<Said> {
    // Timers of the kernel may else be 50 µs late.
    nix::sys::prctl::set_timerslack(1)?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: bench\r\n\r\n");
    let mut lanes = (0..CONNECTIONS).map(|_| lane(port)).collect::<Result<Vec<_>>>()?;
    // One on each, unmeasured: connections upstream are open then.
    for lane in &mut lanes {
        lane.stream.write_all(request.as_bytes())?;
        while lane.read()?.is_none() {}
        lane.stream.set_nonblocking(true)?;
    }
    let total = usize::try_from(seconds * 1000)?;
    let begun = Instant::now() + INTERVAL;
    let due = |n: usize| begun + INTERVAL * u32::try_from(n).unwrap_or(u32::MAX);
    let (mut sent, mut micros) = (0, Vec::with_capacity(total));
    let mut waiting: VecDeque<Instant> = VecDeque::new();
    while micros.len() < total {
        let now = Instant::now();
        while sent < total && due(sent) <= now {
            waiting.push_back(due(sent));
            sent += 1;
        }
        // The lane that rested longest is next, so that all are used.
        for lane in &mut lanes {
            if lane.due.is_none() {
                let Some(due) = waiting.pop_front() else { break };
                lane.due = Some(due);
                lane.stream.write_all(request.as_bytes())?;
            }
        }
        lanes.rotate_left(1);
        let left = if sent < total { due(sent).saturating_duration_since(now) } else { PATIENCE };
        let wait = lanes.iter().map(|lane| {
            let wanted = if lane.due.is_some() { PollFlags::POLLIN } else { PollFlags::empty() };
            PollFd::new(lane.stream.as_fd(), wanted)
        });
        let mut wait: Vec<PollFd<'_>> = wait.collect();
        ppoll(&mut wait, Some(TimeSpec::from_duration(left)), None)?;
        let ready: Vec<bool> = wait.iter().map(|fd| fd.any().unwrap_or(false)).collect();
        for (lane, _) in lanes.iter_mut().zip(ready).filter(|(_, ready)| *ready) {
            if let (Some(at), Some(due)) = (lane.read()?, lane.due) {
                micros.push((at - due).as_secs_f64() * 1e6);
                lane.due = None;
            }
        }
        if now > due(total) + PATIENCE {
            bail!("{} of {total} requests were not answered in time", total - micros.len());
        }
    }
    Ok(summary(micros, begun.elapsed().as_secs_f64()))
}

fn lane(port: u16) -> Result<Lane> {
    let stream = TcpStream::connect(address(port))?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(Lane { stream, due: None, seen: Vec::new() })
}

impl Lane {
    /// Reads what is there; the time, once an answer is whole.
    fn read(&mut self) -> Result<Option<Instant>> {
        let mut buffer = [0; 16 * 1024];
        let read = match self.stream.read(&mut buffer) {
            Ok(0) => bail!("the proxy closed a connection"),
            Ok(read) => read,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let now = Instant::now();
        self.seen.extend_from_slice(&buffer[..read]);
        let Some(length) = answer_length(&self.seen)? else { return Ok(None) };
        if self.seen.len() < length {
            return Ok(None);
        }
        self.seen.clear();
        Ok(Some(now))
    }
}

/// Bytes of head and body, once the head is whole.
fn answer_length(seen: &[u8]) -> Result<Option<usize>> {
    let Some(end) = seen.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = String::from_utf8_lossy(&seen[..end]).to_ascii_lowercase();
    if !head.starts_with("http/1.1 200") {
        bail!("answered: {}", head.lines().next().unwrap_or_default());
    }
    let length = head.lines().find_map(|line| line.strip_prefix("content-length:"));
    let length: usize = length.context("an answer has no length")?.trim().parse()?;
    Ok(Some(end + 4 + length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_whole_with_its_body() {
        assert_eq!(answer_length(b"HTTP/1.1 200 OK\r\ncontent-le").ok(), Some(None));
        let whole = answer_length(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n");
        assert_eq!(whole.ok(), Some(Some(40)));
        assert!(answer_length(b"HTTP/1.1 503 No\r\nContent-Length: 2\r\n\r\n").is_err());
    }
}
