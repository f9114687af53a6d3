//! The HTTP/1 side of a backend, by hand: a row decides what bytes go out and where they break off.

use super::{Server, record::Note, socket::handshake};
use crate::http1::{Body, Framing, Head, Reader, write_chunk, write_head, write_last_chunk};
use crate::outcome::{Seen, body_text};
use crate::table::{Breakage, Reply, pattern};
use crate::wire::{Wire, converse};
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::io::AsyncWriteExt;
use tokio::time::sleep;

/// Serves one connection until either side ends it.
pub(crate) async fn serve(wire: Wire, start: Vec<u8>, server: Arc<Server>) {
    let mut reader = Reader::new(wire, start);
    // An idle pooled connection is the proxy's to close.
    reader.patience = Duration::from_secs(60);
    while let Ok(head) = reader.head().await {
        match exchange(&mut reader, &head, &server).await {
            Ok(After::Continue) => {}
            Ok(After::Close) | Err(_) => return,
            Ok(After::Reset) => return reader.stream.reset(),
        }
    }
}

/// What becomes of the connection after an answer.
enum After {
    Continue,
    Close,
    Reset,
}

async fn exchange(reader: &mut Reader<Wire>, head: &Head, server: &Server) -> io::Result<After> {
    let mut words = head.start.split(' ');
    let method = words.next().unwrap_or_default().to_owned();
    let path = words.next().unwrap_or_default().to_owned();
    let (note, reply) = server.admit(Seen {
        protocol: words.next().unwrap_or_default().to_owned(),
        method: method.clone(),
        path,
        authority: head.get("host").unwrap_or_default().to_owned(),
        headers: head.headers.clone(),
        tls: handshake(&reader.stream),
        ..Seen::default()
    });
    if reply.interim.contains(&100) {
        reader.stream.write_all(b"HTTP/1.1 100 Continue\r\n\r\n").await?;
    }
    let tunnelled = reply.tunnel.is_some();
    if !reply.early && !tunnelled && !read_body(reader, head, &note).await {
        return Ok(After::Close);
    }
    let after = answer(reader, &reply, &method, server, &note).await;
    if reply.early && !matches!(after, Ok(After::Reset) | Err(_)) {
        read_body(reader, head, &note).await;
    }
    note.done();
    after
}

/// Reads the request's body; false when it broke off.
async fn read_body(reader: &mut Reader<Wire>, head: &Head, note: &Note) -> bool {
    let Body { bytes, trailers, stop } = reader.body(head.framing(Framing::None)).await;
    note.update(|seen| {
        seen.body = body_text(&bytes);
        seen.trailers = trailers;
        seen.broken = stop.is_some();
    });
    if stop.is_some() {
        note.done();
    }
    stop.is_none()
}

async fn answer(
    reader: &mut Reader<Wire>,
    reply: &Reply,
    method: &str,
    server: &Server,
    note: &Note,
) -> io::Result<After> {
    sleep(Duration::from_millis(reply.delay)).await;
    match reply.breaks {
        Some(Breakage::ResetBeforeHead | Breakage::Refused) => return Ok(After::Reset),
        Some(Breakage::CloseBeforeHead) => return Ok(After::Close),
        Some(Breakage::Hang) => {
            note.done();
            reader.closes(Duration::from_secs(60)).await;
            return Ok(After::Close);
        }
        _ => {}
    }
    if let Some(raw) = &reply.raw {
        reader.stream.write_all(raw.as_bytes()).await?;
        return Ok(if reply.close { After::Close } else { After::Continue });
    }
    for status in reply.interim.iter().filter(|status| **status != 100) {
        let line = format!("HTTP/1.1 {status} Interim\r\nx-interim: {status}\r\n\r\n");
        reader.stream.write_all(line.as_bytes()).await?;
    }
    if let Some(moves) = &reply.tunnel {
        let start = if method == "CONNECT" { "HTTP/1.1 200 OK" } else { "HTTP/1.1 101 Switching Protocols" };
        reader.stream.write_all(&write_head(start, &tunnel_headers(reply, method, &server.name))).await?;
        let early = std::mem::take(&mut reader.buffer);
        let (received, _) = converse(&mut reader.stream, moves, &early).await;
        note.update(|seen| seen.body = body_text(&received));
        return Ok(After::Close);
    }
    let bodiless = method == "HEAD" || reply.status == 204 || reply.status == 304;
    let body = reply_body(reply, &server.name);
    let headers = reply_headers(reply, &server.name, body.len());
    let start = format!("HTTP/1.1 {} {}", reply.status, reason(reply.status));
    let mut out = write_head(&start, &headers);
    if bodiless {
        reader.stream.write_all(&out).await?;
        return Ok(if reply.close { After::Close } else { After::Continue });
    }
    let (first, second) = body.split_at(body.len() / 2);
    let frame = |bytes: &[u8]| match reply.chunked {
        true if bytes.is_empty() => Vec::new(),
        true => write_chunk(bytes),
        false => bytes.to_vec(),
    };
    if reply.breaks == Some(Breakage::ResetAfterHead) {
        reader.stream.write_all(&out).await?;
        sleep(Duration::from_millis(30)).await;
        return Ok(After::Reset);
    }
    out.extend(frame(first));
    if reply.breaks.is_some() || reply.body_delay > 0 {
        reader.stream.write_all(&std::mem::take(&mut out)).await?;
        // What was sent must arrive as its own read, or an RST would overtake it.
        sleep(Duration::from_millis(reply.body_delay.max(30))).await;
    }
    match reply.breaks {
        Some(Breakage::CloseMidBody) => return Ok(After::Close),
        Some(Breakage::ResetMidBody) => return Ok(After::Reset),
        Some(Breakage::HangMidBody) => {
            note.done();
            reader.closes(Duration::from_secs(60)).await;
            return Ok(After::Close);
        }
        _ => {}
    }
    out.extend(frame(second));
    if reply.chunked {
        let trailers: Vec<_> = reply.trailers.clone().into_iter().collect();
        out.extend(write_last_chunk(&trailers));
    }
    reader.stream.write_all(&out).await?;
    reader.stream.flush().await?;
    Ok(if reply.close || reply.until_close { After::Close } else { After::Continue })
}

fn tunnel_headers(reply: &Reply, method: &str, name: &str) -> Vec<(String, String)> {
    let mut headers = vec![("x-backend".to_owned(), name.to_owned())];
    if method != "CONNECT" {
        headers.push(("connection".into(), "Upgrade".into()));
        headers.push(("upgrade".into(), "websocket".into()));
    }
    headers.extend(reply.headers.clone());
    headers
}

/// The body of an answer.
pub(crate) fn reply_body(reply: &Reply, name: &str) -> Vec<u8> {
    match (&reply.body, reply.size) {
        (_, Some(size)) => pattern(size),
        (Some(body), None) => body.clone().into_bytes(),
        (None, None) => name.as_bytes().to_vec(),
    }
}

fn reply_headers(reply: &Reply, name: &str, length: usize) -> Vec<(String, String)> {
    let mut headers = vec![("x-backend".to_owned(), name.to_owned())];
    headers.extend(reply.headers.clone());
    if reply.chunked {
        headers.push(("transfer-encoding".into(), "chunked".into()));
    } else if !reply.until_close && reply.status != 204 {
        headers.push(("content-length".into(), length.to_string()));
    }
    if reply.close {
        headers.push(("connection".into(), "close".into()));
    }
    headers
}

fn reason(status: u16) -> &'static str {
    match status {
        200 => "OK",
        404 => "Not Found",
        503 => "Service Unavailable",
        _ => "Scripted",
    }
}
