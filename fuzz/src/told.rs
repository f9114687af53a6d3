//! What a codec told: its events with neighbouring pieces of data joined, so that cuts do not show.

use weft_codec::Event;
use weft_types::{Headers, RequestHead, ResponseHead};

/// One event, whatever the codec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Word {
    Request(u32, Box<RequestHead>),
    Response(u32, Box<ResponseHead>),
    Data(u32, Vec<u8>),
    Trailers(u32, Headers),
    End(u32),
    /// Any other event, as it shows itself.
    Other(String),
    /// The codec's error.
    Error(String),
}

/// The words in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    pub words: Vec<Word>,
}

impl Told {
    pub fn take(&mut self, event: Event) {
        match event {
            Event::Request { stream, head, end } => {
                self.words.push(Word::Request(stream.0, head));
                self.end(stream.0, end);
            }
            Event::Response { stream, head, end } => {
                self.words.push(Word::Response(stream.0, head));
                self.end(stream.0, end);
            }
            Event::Data { stream, data, end } => {
                assert!(!data.is_empty() || end, "an empty piece that ends nothing");
                match self.words.last_mut() {
                    Some(Word::Data(last, joined)) if *last == stream.0 => joined.extend_from_slice(&data),
                    _ if data.is_empty() => {}
                    _ => self.words.push(Word::Data(stream.0, data.to_vec())),
                }
                self.end(stream.0, end);
            }
            Event::Trailers { stream, trailers } => {
                // Whether trailers without a field or the last data end a message is a matter of cuts.
                if !trailers.is_empty() {
                    self.words.push(Word::Trailers(stream.0, trailers));
                }
                self.end(stream.0, true);
            }
            Event::Writable { .. } => {}
            other => self.words.push(Word::Other(format!("{other:?}"))),
        }
    }

    pub fn fail(&mut self, error: impl std::fmt::Debug) {
        self.words.push(Word::Error(format!("{error:?}")));
    }

    fn end(&mut self, stream: u32, end: bool) {
        if end {
            assert!(!self.words.contains(&Word::End(stream)), "stream {stream} ended twice");
            self.words.push(Word::End(stream));
        }
    }

    /// The bytes of all bodies.
    pub fn body_bytes(&self) -> usize {
        self.words.iter().map(|word| if let Word::Data(_, data) = word { data.len() } else { 0 }).sum()
    }

    /// The stream's message, if it came to its end.
    pub fn whole(&self, wanted: u32) -> Option<Message<'_>> {
        let mut message = Message::default();
        for word in &self.words {
            match word {
                Word::Request(stream, head) if *stream == wanted => message.request = Some(head),
                Word::Response(stream, head) if *stream == wanted && !head.is_interim() => {
                    message.response = Some(head);
                }
                Word::Data(stream, data) if *stream == wanted => message.body.extend_from_slice(data),
                Word::Trailers(stream, trailers) if *stream == wanted => message.trailers = Some(trailers),
                Word::End(stream) if *stream == wanted => return Some(message),
                _ => {}
            }
        }
        None
    }
}

/// A message that arrived whole.
#[derive(Clone, Debug, Default)]
pub struct Message<'a> {
    pub request: Option<&'a RequestHead>,
    pub response: Option<&'a ResponseHead>,
    pub body: Vec<u8>,
    pub trailers: Option<&'a Headers>,
}
