//! HTTP/1 as a client, by hand.

use super::{end_of, frames};
use crate::http1::{Framing, Head, Reader, Stop, write_chunk, write_head, write_last_chunk};
use crate::outcome::{Answer, End, body_text};
use crate::table::{Call, Http};
use crate::wire::{PROBE, Stand, Wire, converse};
use std::time::Duration;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::time::{Instant, sleep};

/// How long a close may take that the answer announced.
const ANNOUNCED: Duration = Duration::from_secs(3);

/// One connection.
#[derive(Debug)]
pub(crate) struct Session {
    reader: Reader<ReadHalf<Wire>>,
    writer: WriteHalf<Wire>,
}

impl Session {
    pub(crate) fn new(wire: Wire) -> Self {
        let (read, writer) = tokio::io::split(wire);
        Session { reader: Reader::new(read, Vec::new()), writer }
    }

    /// Carries out a call; gives the session back if the connection can be used again.
    pub(crate) async fn call(mut self, call: &Call) -> (Vec<Answer>, Option<Session>) {
        if call.raw.is_some() {
            return (self.raw(call).await, None);
        }
        let begun = Instant::now();
        let (mut answer, whole) = self.exchange(call).await;
        answer.took_ms = millis(begun);
        let tunnelled = answer.status == 101 || call.method == "CONNECT" && answer.status == 200;
        if let (true, Some(moves)) = (tunnelled, &call.tunnel) {
            let early = std::mem::take(&mut self.reader.buffer);
            let mut wire = self.reader.stream.unsplit(self.writer);
            let (received, stand) = converse(&mut wire, moves, &early).await;
            answer.received = Some(body_text(&received));
            answer.end = end_of(stand);
            if stand == Stand::Cut {
                wire.reset();
            }
            return (vec![answer], None);
        }
        self.look(&mut answer, call.probe).await;
        let again = whole && answer.end == End::Complete && answer.connection.as_deref() != Some("closed");
        (vec![answer], again.then_some(self))
    }

    /// Writes the request and reads the answer at the same time; also whether all of it was written.
    async fn exchange(&mut self, call: &Call) -> (Answer, bool) {
        let write = send(&mut self.writer, call);
        let read = receive(&mut self.reader, &call.method);
        tokio::pin!(write, read);
        tokio::select! {
            answer = &mut read => (answer, false),
            _ = &mut write => (read.await, true),
        }
    }

    /// The whole body of the answer to a call.
    pub(crate) async fn whole(mut self, call: &Call) -> String {
        if send(&mut self.writer, call).await.is_err() {
            return String::new();
        }
        let Ok(head) = self.reader.head().await else { return String::new() };
        let body = self.reader.body(head.framing(Framing::UntilClose)).await;
        String::from_utf8_lossy(&body.bytes).into_owned()
    }

    /// Writes bytes as they stand, then reads answers until the connection ends or falls silent.
    async fn raw(self, call: &Call) -> Vec<Answer> {
        let moves = call.raw.as_deref().unwrap_or_default();
        let mut wire = self.reader.stream.unsplit(self.writer);
        let begun = Instant::now();
        let (received, stand) = converse(&mut wire, moves, b"").await;
        if let Stand::Cut | Stand::Left = stand {
            if stand == Stand::Cut {
                wire.reset();
            }
            return vec![Answer { end: End::Abandoned, ..Answer::default() }];
        }
        let (read, writer) = tokio::io::split(wire);
        let mut session = Session { reader: Reader::new(read, received), writer };
        let mut answers = Vec::new();
        loop {
            let mut answer = receive(&mut session.reader, &call.method).await;
            answer.took_ms = millis(begun);
            session.look(&mut answer, true).await;
            let last = answer.end != End::Complete || session.reader.buffer.is_empty();
            answers.push(answer);
            // Bytes in the buffer begin another answer.
            if last || answers.len() > 16 {
                return answers;
            }
        }
    }

    /// Looks whether the connection closes, where that is announced or asked for.
    async fn look(&mut self, answer: &mut Answer, probe: bool) {
        let says_close = |(name, value): &(String, String)| {
            name.eq_ignore_ascii_case("connection") && value.eq_ignore_ascii_case("close")
        };
        let announced = answer.protocol == "HTTP/1.0" || answer.headers.iter().any(says_close);
        if answer.end == End::Complete && (announced || probe) {
            let closes = self.reader.closes(if announced { ANNOUNCED } else { PROBE }).await;
            answer.connection = Some(if closes { "closed" } else { "kept" }.into());
        }
    }
}

fn millis(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

async fn send(writer: &mut WriteHalf<Wire>, call: &Call) -> std::io::Result<()> {
    let body = call.body_bytes();
    let version = if call.http == Http::V10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let mut headers = Vec::new();
    if !call.authority.is_empty() {
        headers.push(("Host".to_owned(), call.authority.clone()));
    }
    headers.extend(call.headers.iter().cloned());
    let said = |name: &str| call.headers.iter().any(|(key, _)| key.eq_ignore_ascii_case(name));
    if call.chunked {
        headers.push(("Transfer-Encoding".into(), "chunked".into()));
    } else if !body.is_empty() && !said("content-length") {
        headers.push(("Content-Length".into(), body.len().to_string()));
    }
    let mut out = write_head(&format!("{} {} {version}", call.method, call.path), &headers);
    if call.body_delay > 0 || call.body_never {
        writer.write_all(&std::mem::take(&mut out)).await?;
        writer.flush().await?;
        sleep(Duration::from_millis(call.body_delay)).await;
    }
    if !call.body_never {
        if call.chunked {
            // Two chunks, so that a proxy that keeps only the first is found out.
            let (first, second) = body.split_at(body.len() / 2);
            for part in [first, second].into_iter().filter(|part| !part.is_empty()) {
                out.extend(write_chunk(part));
            }
            out.extend(write_last_chunk(&call.trailers));
        } else {
            out.extend_from_slice(&body);
        }
    }
    writer.write_all(&out).await?;
    writer.flush().await
}

async fn receive(reader: &mut Reader<ReadHalf<Wire>>, method: &str) -> Answer {
    let mut answer = Answer::default();
    let head = loop {
        let head = match reader.head().await {
            Ok(head) => head,
            Err(stop) => {
                answer.end = end(stop);
                if stop == Stop::Garbled {
                    let rest = std::mem::take(&mut reader.buffer);
                    answer.received = Some(frames::describe(&rest).unwrap_or_else(|| body_text(&rest)));
                }
                return answer;
            }
        };
        let status = status(&head);
        if status < 200 && status != 101 {
            answer.interim.push(status);
        } else {
            break head;
        }
    };
    answer.status = status(&head);
    answer.reason = head.start.splitn(3, ' ').nth(2).unwrap_or_default().to_owned();
    answer.protocol = head.start.split(' ').next().unwrap_or_default().to_owned();
    let tunnel = answer.status == 101 || method == "CONNECT" && answer.status == 200;
    let bodiless = tunnel || method == "HEAD" || answer.status == 204 || answer.status == 304;
    let framing = if bodiless { Framing::None } else { head.framing(Framing::UntilClose) };
    let body = reader.body(framing).await;
    answer.headers = head.headers;
    answer.body = body_text(&body.bytes);
    answer.trailers = body.trailers;
    answer.end = body.stop.map_or(End::Complete, end);
    if framing == Framing::UntilClose && answer.end == End::Complete {
        answer.connection = Some("closed".into());
    }
    answer
}

fn status(head: &Head) -> u16 {
    head.start.split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or(0)
}

fn end(stop: Stop) -> End {
    match stop {
        Stop::Closed => End::Closed,
        Stop::Silent => End::Timeout,
        Stop::Garbled => End::Garbled,
    }
}
