//! An HTTP/2 client on the bare codec: sends POST requests with bodies and trailers to an echoing
//! server (`h2_echo`, perhaps behind a proxy) and checks what comes back.
//!
//! `cargo run -p weft-codec --example h2_client -- 127.0.0.1:8080 REQUESTS BYTES`
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::collections::HashMap;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::Interest;
use tokio::net::TcpStream;
use weft_codec::{Codec, Event, Http2, Limits, ResetReason, Side, StreamId};
use weft_types::{Headers, Method, RequestHead};

/// What came back on a stream.
#[derive(Default)]
struct Echo {
    status: u16,
    body: BytesMut,
    trailers: usize,
    refused: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let mut arguments = std::env::args().skip(1);
    let address = arguments.next().unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let mut number = |default| arguments.next().and_then(|n| n.parse().ok()).unwrap_or(default);
    let (requests, length): (usize, usize) = (number(100), number(100_000));
    let body: Bytes = (0..length).map(|at| (at % 251) as u8).collect();

    let socket = TcpStream::connect(&address).await?;
    socket.set_nodelay(true)?;
    let mut codec = Http2::new(Side::Client, Limits::default(), "http");
    let mut input = BytesMut::new();
    let mut open: HashMap<StreamId, Echo> = HashMap::new();
    let (mut sent, mut good, mut bad) = (0, 0, 0);
    while good + bad < requests {
        while sent < requests && open.len() < 20 && codec.can_open() {
            open.insert(start(&mut codec, &address, &body)?, Echo::default());
            sent += 1;
        }
        write_some(&mut codec, &socket)?;
        if codec.is_finished() {
            break;
        }
        let writes = if codec.output().is_empty() { Interest::READABLE } else { Interest::WRITABLE };
        socket.ready(Interest::READABLE | writes).await?;
        input.reserve(64 * 1024);
        match socket.try_read_buf(&mut input) {
            Ok(0) => {
                println!("closed by the server");
                break;
            }
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => continue,
            Err(error) => return Err(error),
        }
        while let Some(event) = codec.receive(&mut input).map_err(io::Error::other)? {
            if let Some((stream, in_order)) = note(&mut codec, &mut open, event)
                && let Some(echo) = open.remove(&stream)
            {
                match in_order {
                    Some(()) if echo.status == 200 && echo.body == body && echo.trailers == 1 => good += 1,
                    // It was opened before the server told its limit: again.
                    None if echo.refused => sent -= 1,
                    _ => bad += 1,
                }
            }
        }
    }
    codec.start_drain(true);
    write_some(&mut codec, &socket)?;
    println!("{good} as sent, {bad} not");
    Ok(())
}

fn start(codec: &mut Http2, authority: &str, body: &Bytes) -> io::Result<StreamId> {
    let mut head = RequestHead::get(authority, "/echo");
    head.method = Method::Post;
    let stream = codec.send_request(&head, false).map_err(io::Error::other)?;
    let trailers: Headers = [("x-trailer", "end")].into_iter().collect();
    codec.send_data(stream, body.clone(), false).map_err(io::Error::other)?;
    codec.send_trailers(stream, &trailers).map_err(io::Error::other)?;
    Ok(stream)
}

/// Takes an event; yields the stream that it ended, and whether in order.
fn note(
    codec: &mut Http2,
    open: &mut HashMap<StreamId, Echo>,
    event: Event,
) -> Option<(StreamId, Option<()>)> {
    match event {
        Event::Response { stream, head, end } => {
            open.get_mut(&stream)?.status = head.status;
            end.then_some((stream, Some(())))
        }
        Event::Data { stream, data, end } => {
            codec.consumed(stream, data.len());
            open.get_mut(&stream)?.body.extend_from_slice(&data);
            end.then_some((stream, Some(())))
        }
        Event::Trailers { stream, trailers } => {
            open.get_mut(&stream)?.trailers = trailers.len();
            Some((stream, Some(())))
        }
        Event::Reset { stream, reason } => {
            open.get_mut(&stream)?.refused = reason == ResetReason::Refused;
            if reason != ResetReason::Refused {
                println!("{stream:?}: {reason:?}");
            }
            Some((stream, None))
        }
        Event::GoAway { code, .. } => {
            println!("GOAWAY {code}");
            None
        }
        Event::Request { .. } | Event::Refused { .. } | Event::Writable { .. } | Event::HeartbeatAck => None,
    }
}

fn write_some(codec: &mut Http2, socket: &TcpStream) -> io::Result<()> {
    while !codec.output().is_empty() {
        let mut slices = [io::IoSlice::new(&[]); 64];
        let count = codec.output().slices(&mut slices);
        match socket.try_write_vectored(slices.get(..count).unwrap_or_default()) {
            Ok(written) => codec.output().advance(written),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Err(error) => return Err(error),
        }
    }
    Ok(())
}
