//! An HTTP/2 server on the bare codec: answers a request without body with a page of `?bytes=N`
//! bytes (default 12), and echoes the body of any other, trailers included.
//!
//! `cargo run -p weft-codec --example h2_echo -- 127.0.0.1:8080`, then for example
//! `curl --http2-prior-knowledge -d hello 127.0.0.1:8080` or `h2spec -p 8080`.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::collections::HashMap;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use weft_codec::{Codec, CodecError, Event, Http2, Limits, ResetReason, Side, StreamId};
use weft_types::{RequestHead, ResponseHead};

#[tokio::main(flavor = "current_thread")]
async fn main() -> io::Result<()> {
    let address = std::env::args().nth(1).unwrap_or_else(|| "127.0.0.1:8080".to_owned());
    let listener = TcpListener::bind(&address).await?;
    println!("listening on {}", listener.local_addr()?);
    loop {
        let (socket, _) = listener.accept().await?;
        tokio::spawn(async move {
            if let Err(error) = serve(socket).await {
                println!("connection: {error}");
            }
        });
    }
}

/// Body bytes taken from the peer and not yet sent back: the credit for them is owed.
type Owed = HashMap<StreamId, usize>;

async fn serve(mut socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut codec = Http2::new(Side::Server, Limits::default(), "http");
    let mut input = BytesMut::with_capacity(64 * 1024);
    let mut owed = Owed::new();
    loop {
        flush(&mut codec, &mut socket).await?;
        if codec.is_finished() {
            return socket.shutdown().await;
        }
        input.reserve(16 * 1024);
        if socket.read_buf(&mut input).await? == 0 {
            return Ok(());
        }
        loop {
            match codec.receive(&mut input) {
                Ok(Some(event)) => {
                    // A stream that is gone takes no answer; its Reset event is on the way.
                    let _ = answer(&mut codec, &mut owed, event);
                }
                Ok(None) => break,
                Err(error) => {
                    codec.error_reply(&error);
                    break;
                }
            }
        }
    }
}

fn answer(codec: &mut Http2, owed: &mut Owed, event: Event) -> Result<(), CodecError> {
    match event {
        Event::Request { stream, head, end } => {
            codec.send_response(stream, &ResponseHead::new(200), false)?;
            if end {
                codec.send_data(stream, page(&head), true)?;
            }
        }
        Event::Data { stream, data, end } => {
            let length = data.len();
            codec.send_data(stream, data, end)?;
            // Credit only for what the peer takes back, or it could fill our memory.
            if codec.capacity(stream) > 0 || end {
                let before = owed.remove(&stream).unwrap_or(0);
                codec.consumed(stream, before + length);
            } else {
                *owed.entry(stream).or_default() += length;
            }
        }
        Event::Trailers { stream, trailers } => codec.send_trailers(stream, &trailers)?,
        Event::Writable { stream } => codec.consumed(stream, owed.remove(&stream).unwrap_or(0)),
        Event::Reset { stream, reason } => {
            owed.remove(&stream);
            codec.reset(stream, ResetReason::Cancel);
            let _ = reason;
        }
        Event::Response { .. } | Event::GoAway { .. } | Event::HeartbeatAck => {}
    }
    Ok(())
}

fn page(head: &RequestHead) -> Bytes {
    let bytes = head.query().and_then(|q| q.strip_prefix("bytes=")).and_then(|n| n.parse().ok());
    match bytes {
        Some(bytes) => Bytes::from(vec![b'x'; std::cmp::min(bytes, 64 << 20)]),
        None => Bytes::from_static(b"hello, world"),
    }
}

async fn flush(codec: &mut Http2, socket: &mut TcpStream) -> io::Result<()> {
    while !codec.output().is_empty() {
        let mut slices = [io::IoSlice::new(&[]); 64];
        let count = codec.output().slices(&mut slices);
        let written = socket.write_vectored(slices.get(..count).unwrap_or_default()).await?;
        if written == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        codec.output().advance(written);
    }
    Ok(())
}
