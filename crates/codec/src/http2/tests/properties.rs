//! Laws: nothing panics, and an exchange arrives as it was sent, however the bytes are cut.

use std::collections::BTreeMap;

use proptest::prelude::*;
use weft_types::Random;
use weft_types::random::SplitMix;

use super::*;
use crate::ResetReason;

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(server_side: bool, bytes in proptest::collection::vec(any::<u8>(), 0..600)) {
        let mut codec = opened(if server_side { Side::Server } else { Side::Client }, Limits::default());
        if !server_side {
            codec.send_request(&request("POST", &[]), false).unwrap();
        }
        let (_, error) = feed(&mut codec, &bytes);
        if let Some(error) = error {
            codec.error_reply(&error, &crate::ErrorReply::default());
        }
    }

    /// Frames that are right in form, with any content, in any order.
    #[test]
    fn any_frames_are_survived(
        server_side: bool,
        frames in proptest::collection::vec(
            (0_u8..11, any::<u8>(), 0_u32..8, proptest::collection::vec(any::<u8>(), 0..40)), 0..60
        )
    ) {
        let limits = Limits { stream_error_on_invalid: true, ..Limits::default() };
        let mut codec = opened(if server_side { Side::Server } else { Side::Client }, limits);
        if !server_side {
            for _ in 0..3 {
                codec.send_request(&request("POST", &[]), false).unwrap();
            }
        }
        for (kind, flags, stream, payload) in frames {
            let payload = match kind {
                kind::HEADERS | kind::CONTINUATION if flags & 0x28 == 0 => block(if server_side { GET } else { &[(":status", "200")] }),
                _ => payload,
            };
            let (events, error) = feed(&mut codec, &frame(kind, flags, stream, &payload));
            for event in events {
                if let Event::Request { stream, .. } = event {
                    codec.send_response(stream, &response(200, &[]), flags & 1 == 0).unwrap();
                    let _ = codec.send_data(stream, Bytes::from(payload.clone()), false);
                }
            }
            if error.is_some() {
                break;
            }
        }
    }

    #[test]
    fn exchanges_arrive_as_sent(seed: u64, plans in proptest::collection::vec(plan(), 1..12), windows in (1_u32..3000, 1_u32..3000)) {
        Pair::new(seed, windows).run(&plans);
    }
}

/// One exchange: what the client sends, and the server echoes.
#[derive(Clone, Debug)]
struct Plan {
    fields: Vec<(String, String)>,
    pieces: Vec<usize>,
    trailers: Option<Vec<(String, String)>>,
    /// The client sends no more than there is capacity for, and goes on when told.
    polite: bool,
    /// The client gives up after so many pieces of response.
    cancel_after: Option<usize>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let fields = || proptest::collection::vec(("x-[a-z]{1,8}", "[ -~]{0,20}"), 0..6);
    let fields = move || {
        fields().prop_map(|f| f.into_iter().map(|(n, v)| (n, v.trim().to_owned())).collect::<Vec<_>>())
    };
    (
        fields(),
        proptest::collection::vec(0_usize..20_000, 0..6),
        proptest::option::of(fields()),
        any::<bool>(),
        proptest::option::weighted(0.2, 0_usize..4),
    )
        .prop_map(|(fields, pieces, trailers, polite, cancel_after)| Plan {
            fields,
            pieces,
            trailers,
            polite,
            cancel_after,
        })
}

/// What one side received on a stream.
#[derive(Debug, Default)]
struct Received {
    fields: Option<Headers>,
    body: Vec<u8>,
    pieces: usize,
    trailers: Option<Headers>,
    ended: bool,
    reset: bool,
}

struct End {
    codec: Http2,
    inbox: BytesMut,
    received: BTreeMap<u32, Received>,
    unconsumed: Vec<(StreamId, usize)>,
    /// What a polite sender still has to send: pieces, the next one last, and trailers.
    unsent: BTreeMap<u32, (Vec<Bytes>, Option<Headers>)>,
}

impl End {
    /// Sends as much as there is capacity for.
    fn send_politely(&mut self, id: u32) {
        let Some((pieces, trailers)) = self.unsent.get_mut(&id) else { return };
        let stream = StreamId(id);
        while let Some(mut piece) = pieces.pop() {
            let capacity = self.codec.capacity(stream);
            if capacity == 0 {
                pieces.push(piece);
                return;
            }
            let now = piece.split_to(piece.len().min(capacity));
            if !piece.is_empty() {
                pieces.push(piece);
            }
            let end = pieces.is_empty() && trailers.is_none();
            self.codec.send_data(stream, now, end).unwrap();
            assert!(self.codec.streams.get(&id).is_none_or(|s| s.pending.is_empty()));
        }
        if let Some(trailers) = trailers.take() {
            self.codec.send_trailers(stream, &trailers).unwrap();
        }
        self.unsent.remove(&id);
    }
}

/// A client and an echoing server, joined by bytes cut at random.
struct Pair {
    client: End,
    server: End,
    dice: SplitMix,
}

impl Pair {
    fn new(seed: u64, (client_window, server_window): (u32, u32)) -> Self {
        let end = |side, window| {
            let limits = Limits {
                initial_stream_window: window,
                initial_connection_window: 65_535,
                ..Limits::default()
            };
            End {
                codec: Http2::new(side, limits, "http"),
                inbox: BytesMut::new(),
                received: BTreeMap::new(),
                unconsumed: Vec::new(),
                unsent: BTreeMap::new(),
            }
        };
        Self {
            client: end(Side::Client, client_window),
            server: end(Side::Server, server_window),
            dice: SplitMix::new(seed),
        }
    }

    fn run(&mut self, plans: &[Plan]) {
        let mut cancelled = BTreeMap::new();
        for (plan, id) in plans.iter().zip((1..).step_by(2)) {
            self.start(plan, id);
            if let Some(after) = plan.cancel_after {
                cancelled.insert(id, after);
            }
        }
        let mut quiet = 0;
        let mut steps = 0;
        while quiet < 3 {
            steps += 1;
            assert!(steps < 100_000, "does not end");
            let moved = self.step_server() | self.step_client(&mut cancelled);
            quiet = if moved { 0 } else { quiet + 1 };
        }
        for (plan, id) in plans.iter().zip((1..).step_by(2)) {
            self.verify(plan, id);
        }
        for end in [&mut self.client, &mut self.server] {
            assert_eq!(end.codec.open_streams(), 0);
            assert!(end.codec.queue.is_empty() && end.unsent.is_empty());
            assert!(end.codec.receive_window.is_whole(), "credit leaked");
        }
    }

    fn start(&mut self, plan: &Plan, id: u32) {
        let codec = &mut self.client.codec;
        let trailers: Option<Headers> =
            plan.trailers.as_ref().map(|list| list.iter().map(|(n, v)| (n, v)).collect());
        let mut head = request("POST", &[]);
        head.headers = plan.fields.iter().map(|(n, v)| (n, v)).collect();
        assert_eq!(codec.send_request(&head, false).unwrap(), StreamId(id));
        if plan.polite {
            let mut pieces: Vec<Bytes> =
                plan.pieces.iter().zip(0..).map(|(piece, index)| content(id, index, *piece)).collect();
            if pieces.is_empty() {
                pieces.push(Bytes::new());
            }
            pieces.reverse();
            self.client.unsent.insert(id, (pieces, trailers));
            self.client.send_politely(id);
            return;
        }
        for (piece, index) in plan.pieces.iter().zip(0_usize..) {
            let last = index + 1 == plan.pieces.len() && plan.trailers.is_none();
            codec.send_data(StreamId(id), content(id, index, *piece), last).unwrap();
        }
        if let Some(trailers) = &trailers {
            codec.send_trailers(StreamId(id), trailers).unwrap();
        } else if plan.pieces.is_empty() {
            codec.send_data(StreamId(id), Bytes::new(), true).unwrap();
        }
    }

    fn step_server(&mut self) -> bool {
        let (mut moved, events) = transfer(&mut self.client, &mut self.server, &mut self.dice);
        for event in events {
            let codec = &mut self.server.codec;
            let (stream, answer) = match event {
                Event::Request { stream, head, end } => {
                    let head = ResponseHead { headers: head.headers, ..ResponseHead::new(200) };
                    (stream, codec.send_response(stream, &head, end))
                }
                Event::Data { stream, data, end } => (stream, codec.send_data(stream, data, end)),
                Event::Trailers { stream, trailers } => (stream, codec.send_trailers(stream, &trailers)),
                Event::Reset { .. } | Event::Writable { .. } => continue,
                other => panic!("{other:?}"),
            };
            // All events were taken before the first is answered: the reset may be among them.
            let reset = self.server.received.get(&stream.0).is_some_and(|r| r.reset);
            assert!(answer.is_ok() || reset, "{answer:?}");
            moved = true;
        }
        moved
    }

    fn step_client(&mut self, cancelled: &mut BTreeMap<u32, usize>) -> bool {
        let (mut moved, events) = transfer(&mut self.server, &mut self.client, &mut self.dice);
        moved |= !events.is_empty();
        for event in events {
            if let Event::Writable { stream } = event {
                self.client.send_politely(stream.0);
            }
        }
        let received = &self.client.received;
        let give_up: Vec<u32> = cancelled
            .iter()
            .filter(|(id, after)| received.get(id).is_some_and(|r| r.pieces >= **after))
            .map(|(id, _)| *id)
            .collect();
        for id in give_up {
            cancelled.remove(&id);
            self.client.unsent.remove(&id);
            self.client.codec.reset(StreamId(id), ResetReason::Cancel);
            self.client.received.entry(id).or_default().reset = true;
            moved = true;
        }
        moved
    }

    fn verify(&self, plan: &Plan, id: u32) {
        let got = self.client.received.get(&id).unwrap_or_else(|| panic!("stream {id}: no response"));
        let sent: Vec<u8> =
            plan.pieces.iter().zip(0..).flat_map(|(piece, index)| content(id, index, *piece)).collect();
        if got.reset {
            assert!(sent.starts_with(&got.body), "stream {id}");
            return;
        }
        assert!(got.ended, "stream {id} did not end");
        assert_eq!(got.fields, Some(plan.fields.iter().map(|(n, v)| (n, v)).collect()), "stream {id}");
        assert!(got.body == sent, "stream {id}: body differs");
        let trailers: Option<Headers> =
            plan.trailers.as_ref().filter(|t| !t.is_empty()).map(|t| t.iter().map(|(n, v)| (n, v)).collect());
        assert_eq!(got.trailers, trailers, "stream {id}");
    }
}

fn content(stream: u32, piece: usize, length: usize) -> Bytes {
    (0..length).map(|at| ((stream as usize * 31 + piece * 7 + at) % 251) as u8).collect()
}

/// Moves what `from` wrote to `to` in random portions and records what it makes of it.
fn transfer(from: &mut End, to: &mut End, dice: &mut SplitMix) -> (bool, Vec<Event>) {
    let bytes = from.codec.output().take();
    let moved = !bytes.is_empty() || !to.unconsumed.is_empty();
    let mut events = Vec::new();
    let mut rest = &bytes[..];
    loop {
        let portion = usize::try_from(dice.below(5000)).unwrap().min(rest.len());
        let (now, later) = rest.split_at(portion);
        to.inbox.extend_from_slice(now);
        rest = later;
        while let Some(event) = to.codec.receive(&mut to.inbox).expect("the peer keeps to the protocol") {
            record(to, &event);
            events.push(event);
        }
        if rest.is_empty() {
            break;
        }
    }
    // Some of the data are used at once, some later, in parts.
    let mut keep = Vec::new();
    for (stream, bytes) in to.unconsumed.drain(..) {
        let now = usize::try_from(dice.below(bytes as u64 + 1)).unwrap();
        let now = if bytes < 20 { bytes } else { now };
        to.codec.consumed(stream, now);
        if now < bytes {
            keep.push((stream, bytes - now));
        }
    }
    to.unconsumed = keep;
    (moved, events)
}

fn record(end: &mut End, event: &Event) {
    let (stream, ends) = match event {
        Event::Request { stream, end, .. }
        | Event::Response { stream, end, .. }
        | Event::Data { stream, end, .. } => (*stream, *end),
        Event::Trailers { stream, .. } => (*stream, true),
        Event::Reset { stream, .. } | Event::Refused { stream, .. } => (*stream, false),
        Event::Writable { .. } | Event::GoAway { .. } | Event::HeartbeatAck => return,
    };
    let got = end.received.entry(stream.0).or_default();
    assert!(!got.ended || matches!(event, Event::Reset { .. }), "{event:?} after the end");
    assert!(!got.reset, "{event:?} after the reset");
    got.ended |= ends;
    match event {
        Event::Request { head, .. } => got.fields = Some(head.headers.clone()),
        Event::Response { head, .. } => got.fields = Some(head.headers.clone()),
        Event::Data { data, .. } => {
            got.body.extend_from_slice(data);
            got.pieces += 1;
            if !data.is_empty() {
                end.unconsumed.push((stream, data.len()));
            }
        }
        Event::Trailers { trailers, .. } => got.trailers = Some(trailers.clone()),
        Event::Reset { .. } | Event::Refused { .. } => got.reset = true,
        Event::Writable { .. } | Event::GoAway { .. } | Event::HeartbeatAck => {}
    }
}
