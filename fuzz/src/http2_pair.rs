//! Two ends of one HTTP/2 connection, told by the input what to do: each stream arrives as it was sent.

use std::collections::BTreeMap;

use bytes::{Bytes, BytesMut};
use weft_codec::{Codec, Event, Http2, Limits, ResetReason, Side, StreamId};
use weft_types::{Headers, Method, RequestHead, ResponseHead};

use crate::dice::Dice;

/// What one direction of a stream carried.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Half {
    fields: Option<Headers>,
    body: Vec<u8>,
    trailers: Option<Headers>,
    ended: bool,
    /// Either side gave it up: what came may fall short of what was sent.
    reset: bool,
}

struct End {
    codec: Http2,
    inbox: BytesMut,
    sent: BTreeMap<u32, Half>,
    received: BTreeMap<u32, Half>,
    /// Bytes that were received and not yet used.
    unused: BTreeMap<u32, usize>,
}

impl End {
    fn new(side: Side, options: u8) -> Self {
        let limits = Limits {
            initial_stream_window: if options & 1 == 0 { 65_535 } else { 300 },
            initial_connection_window: if options & 2 == 0 { 65_535 } else { 70_000 },
            max_concurrent_streams: 20,
            hpack_table_size: if options & 4 == 0 { 4096 } else { 100 },
            http1_trailers: true,
            max_control_frames: 100_000,
            ..Limits::default()
        };
        Self {
            codec: Http2::new(side, limits, "http"),
            inbox: BytesMut::new(),
            sent: BTreeMap::new(),
            received: BTreeMap::new(),
            unused: BTreeMap::new(),
        }
    }
}

pub fn run(data: &[u8]) {
    let mut dice = Dice::new(data);
    let (of_client, of_server) = (dice.byte(), dice.byte());
    let mut client = End::new(Side::Client, of_client);
    let mut server = End::new(Side::Server, of_server);
    while !dice.is_empty() {
        let what = dice.byte();
        match what % 9 {
            0 | 1 => open(&mut client, &mut dice),
            2 => respond(&mut server, &mut dice),
            3 => body(if what & 0x80 == 0 { &mut client } else { &mut server }, &mut dice),
            4 => trailers(if what & 0x80 == 0 { &mut client } else { &mut server }, &mut dice),
            5 => {
                let most = 1 + dice.number();
                if what & 0x80 == 0 {
                    carry(&mut client, &mut server, most)
                } else {
                    carry(&mut server, &mut client, most)
                }
            }
            6 => use_up(if what & 0x80 == 0 { &mut client } else { &mut server }, dice.number()),
            7 if what & 0xc0 == 0xc0 => give_up(&mut client, &mut server, &mut dice),
            7 => {
                (if what & 0x80 == 0 { &mut client } else { &mut server }).codec.heartbeat();
            }
            _ => settle(&mut client, &mut server),
        }
    }
    settle(&mut client, &mut server);
    compare(&client.sent, &server.received);
    compare(&server.sent, &client.received);
}

fn pick(from: &BTreeMap<u32, Half>, dice: &mut Dice<'_>) -> Option<u32> {
    let open: Vec<u32> =
        from.iter().filter(|(_, half)| !half.ended && !half.reset).map(|(id, _)| *id).collect();
    open.get(usize::from(dice.byte()) % open.len().max(1)).copied()
}

fn fields(dice: &mut Dice<'_>) -> Headers {
    const NAMES: [&str; 6] =
        ["user-agent", "x-a", "accept", "authorization", "x-a-long-name-of-a-field", "vary"];
    let mut headers = Headers::new();
    for _ in 0..dice.byte() % 5 {
        let choice = dice.byte();
        let length = usize::from(choice) * if choice > 250 { 40 } else { 1 };
        let value: String =
            (0..length).map(|at| char::from(b'a' + ((at + usize::from(choice)) % 26) as u8)).collect();
        headers.append(NAMES[usize::from(choice) % NAMES.len()], value);
    }
    headers
}

fn open(client: &mut End, dice: &mut Dice<'_>) {
    if !client.codec.can_open() {
        return;
    }
    let ended = dice.byte() & 1 == 0;
    let head = RequestHead { method: Method::Post, headers: fields(dice), ..RequestHead::get("a", "/") };
    let stream = client.codec.send_request(&head, ended).expect("a stream can be opened");
    client.sent.insert(stream.0, Half { fields: Some(head.headers), ended, ..Half::default() });
}

fn respond(server: &mut End, dice: &mut Dice<'_>) {
    let waiting = server.received.iter().find(|(id, half)| !half.reset && !server.sent.contains_key(id));
    let Some(id) = waiting.map(|(id, _)| *id) else { return };
    let ended = dice.byte() & 1 == 0;
    let head = ResponseHead { headers: fields(dice), ..ResponseHead::new(200) };
    server.codec.send_response(StreamId(id), &head, ended).expect("a stream that waits");
    server.sent.insert(id, Half { fields: Some(head.headers), ended, ..Half::default() });
}

fn body(end: &mut End, dice: &mut Dice<'_>) {
    let Some(id) = pick(&end.sent, dice) else { return };
    let (length, ended) = (dice.number() % 20_000, dice.byte() & 1 == 0);
    let half = end.sent.get_mut(&id).expect("just picked");
    let start = half.body.len();
    half.body.extend((start..start + length).map(|at| (at % 251) as u8));
    half.ended = ended;
    let data = Bytes::copy_from_slice(&half.body[start..]);
    end.codec.send_data(StreamId(id), data, ended).expect("an open stream");
}

fn trailers(end: &mut End, dice: &mut Dice<'_>) {
    let Some(id) = pick(&end.sent, dice) else { return };
    let trailers = fields(dice);
    end.codec.send_trailers(StreamId(id), &trailers).expect("an open stream");
    let half = end.sent.get_mut(&id).expect("just picked");
    half.ended = true;
    half.trailers = (!trailers.is_empty()).then_some(trailers);
}

fn give_up(client: &mut End, server: &mut End, dice: &mut Dice<'_>) {
    let Some(id) = pick(&client.sent, dice) else { return };
    client.codec.reset(StreamId(id), ResetReason::Cancel);
    for half in [client.sent.get_mut(&id), client.received.get_mut(&id), server.sent.get_mut(&id)]
        .into_iter()
        .flatten()
    {
        half.reset = true;
    }
    client.received.entry(id).or_default().reset = true;
    // Not before it has seen the request does the server know of it at all.
    carry(client, server, usize::MAX);
    server.received.entry(id).or_default().reset = true;
    server.sent.entry(id).or_default().reset = true;
}

/// Carries what `from` wrote, in pieces of at most `most` bytes.
fn carry(from: &mut End, to: &mut End, most: usize) {
    let bytes = from.codec.output().take();
    for piece in bytes.chunks(most.max(bytes.len() / 64 + 1)) {
        to.inbox.extend_from_slice(piece);
        while let Some(event) = to.codec.receive(&mut to.inbox).expect("our own frames") {
            record(to, event);
        }
    }
}

fn record(to: &mut End, event: Event) {
    let (id, ends) = match &event {
        Event::Request { stream, end, .. }
        | Event::Response { stream, end, .. }
        | Event::Data { stream, end, .. } => (stream.0, *end),
        Event::Trailers { stream, .. } => (stream.0, true),
        Event::Reset { stream, .. } => (stream.0, false),
        Event::Refused { .. } => panic!("refused: {event:?}"),
        Event::Writable { .. } | Event::GoAway { .. } | Event::HeartbeatAck => return,
    };
    let half = to.received.entry(id).or_default();
    assert!(!half.ended || matches!(event, Event::Reset { .. }), "{event:?} after the end");
    half.ended |= ends;
    match event {
        Event::Request { head, .. } => half.fields = Some(head.headers),
        Event::Response { head, .. } => half.fields = Some(head.headers),
        Event::Trailers { trailers, .. } => half.trailers = (!trailers.is_empty()).then_some(trailers),
        Event::Data { data, .. } => {
            half.body.extend_from_slice(&data);
            *to.unused.entry(id).or_default() += data.len();
        }
        _ => {
            half.reset = true;
            to.sent.entry(id).or_default().reset = true;
        }
    }
}

/// Uses some of what was received, so that the other side gets credit.
fn use_up(end: &mut End, most: usize) {
    for (id, unused) in &mut end.unused {
        let now = most.min(*unused);
        end.codec.consumed(StreamId(*id), now);
        *unused -= now;
    }
    end.unused.retain(|_, unused| *unused > 0);
}

/// Lets everything arrive.
fn settle(client: &mut End, server: &mut End) {
    for _ in 0..100_000 {
        use_up(client, usize::MAX);
        use_up(server, usize::MAX);
        if client.codec.output().is_empty() && server.codec.output().is_empty() {
            return;
        }
        carry(client, server, usize::MAX);
        carry(server, client, usize::MAX);
    }
    panic!("they never come to rest");
}

fn compare(sent: &BTreeMap<u32, Half>, received: &BTreeMap<u32, Half>) {
    for (id, sent) in sent {
        let got = received.get(id);
        if sent.reset || got.is_some_and(|got| got.reset) {
            continue;
        }
        let got = got.unwrap_or_else(|| panic!("nothing of stream {id} arrived"));
        assert!(got.body == sent.body, "stream {id}: {} bytes of {}", got.body.len(), sent.body.len());
        assert_eq!(
            (&got.fields, &got.trailers, got.ended),
            (&sent.fields, &sent.trailers, sent.ended),
            "stream {id}"
        );
    }
}
