//! An HTTP/2 server on the bare codec: answers a request without body with a page of `?bytes=N`
//! bytes (default 12), and echoes the body of any other, trailers included.
//!
//! `cargo run -p weft-codec --example h2_echo -- 127.0.0.1:8080`, then for example
//! `curl --http2-prior-knowledge -d hello 127.0.0.1:8080` or `h2spec -p 8080`.
#![allow(clippy::print_stdout, reason = "a program for people")]

use std::collections::HashMap;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use weft_codec::{Codec, CodecError, Event, Http2, Limits, Side, StreamId};
use weft_types::{Method, RequestHead, ResponseHead};

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

/// Output above which nothing more is read: a peer that does not read gets no more work done, bytes.
const MAX_OUTPUT: usize = 1 << 20;

async fn serve(socket: TcpStream) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let mut codec = Http2::new(Side::Server, Limits::default(), "http");
    let mut input = BytesMut::with_capacity(64 * 1024);
    let mut owed = Owed::new();
    while !(codec.is_finished() && codec.output().is_empty()) {
        let waiting = codec.output().len();
        let ready = match waiting {
            0 => socket.ready(Interest::READABLE).await?,
            MAX_OUTPUT.. => socket.ready(Interest::WRITABLE).await?,
            _ => socket.ready(Interest::READABLE | Interest::WRITABLE).await?,
        };
        if ready.is_readable() && waiting < MAX_OUTPUT {
            input.reserve(16 * 1024);
            match socket.try_read_buf(&mut input) {
                Ok(0) => return Ok(()),
                Ok(_) => take_events(&mut codec, &mut input, &mut owed),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                Err(error) => return Err(error),
            }
        }
        write_some(&mut codec, &socket)?;
    }
    Ok(())
}

fn take_events(codec: &mut Http2, input: &mut BytesMut, owed: &mut Owed) {
    loop {
        match codec.receive(input) {
            Ok(Some(event)) => {
                // A stream that is gone takes no answer; its Reset event is on the way.
                let _ = answer(codec, owed, event);
            }
            Ok(None) => return,
            Err(error) => return codec.error_reply(&error, &weft_codec::ErrorReply::default()),
        }
    }
}

fn answer(codec: &mut Http2, owed: &mut Owed, event: Event) -> Result<(), CodecError> {
    match event {
        Event::Request { stream, head, end } => {
            let no_body = head.method == Method::Head && end;
            codec.send_response(stream, &ResponseHead::new(200), no_body)?;
            if end && !no_body {
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
        Event::Reset { stream, .. } => {
            owed.remove(&stream);
        }
        Event::Refused { .. } | Event::Response { .. } | Event::GoAway { .. } | Event::HeartbeatAck => {}
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
