//! As much of the messages of delta xDS as a proxy needs that only listens, by hand: five hundred of them share a
//! core with nothing to spare for decoding.

use bytes::{BufMut as _, Bytes, BytesMut};

fn varint(to: &mut BytesMut, mut value: u64) {
    while value >= 0x80 {
        to.put_u8((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    to.put_u8(value as u8);
}

fn field(to: &mut BytesMut, number: u64, content: &[u8]) {
    varint(to, number << 3 | 2);
    varint(to, content.len() as u64);
    to.put_slice(content);
}

fn message(fields: &[(u64, &[u8])]) -> BytesMut {
    let mut to = BytesMut::new();
    for (number, content) in fields {
        field(&mut to, *number, content);
    }
    to
}

/// `google.protobuf.Struct` of texts.
fn structure(pairs: &[(&str, &str)]) -> BytesMut {
    let mut to = BytesMut::new();
    for (key, value) in pairs {
        let value = message(&[(3, value.as_bytes())]);
        field(&mut to, 1, &message(&[(1, key.as_bytes()), (2, &value)]));
    }
    to
}

/// A node.
pub(super) fn node(id: &str, metadata: &[(&str, &str)]) -> Bytes {
    message(&[(1, id.as_bytes()), (3, &structure(metadata)), (6, b"weft")]).freeze()
}

/// A `DeltaDiscoveryRequest` in a frame of gRPC.
pub(super) fn request(node: Option<&Bytes>, type_url: &str, subscribe: &[String], nonce: &str) -> Bytes {
    let mut body = BytesMut::new();
    if let Some(node) = node {
        field(&mut body, 1, node);
    }
    field(&mut body, 2, type_url.as_bytes());
    for name in subscribe {
        field(&mut body, 3, name.as_bytes());
    }
    if !nonce.is_empty() {
        field(&mut body, 6, nonce.as_bytes());
    }
    let mut frame = BytesMut::with_capacity(body.len() + 5);
    frame.put_u8(0);
    frame.put_u32(u32::try_from(body.len()).unwrap_or(u32::MAX));
    frame.put_slice(&body);
    frame.freeze()
}

/// What a `DeltaDiscoveryResponse` says.
#[derive(Debug, Default)]
pub(super) struct Response {
    pub(super) type_url: String,
    pub(super) nonce: String,
    pub(super) names: Vec<String>,
}

/// Takes a whole message off what was read, if there is one.
pub(super) fn take(read: &mut BytesMut) -> Option<Bytes> {
    let length = read.get(1..5).and_then(|four| four.try_into().ok()).map(u32::from_be_bytes)? as usize;
    if read.len() < 5 + length {
        return None;
    }
    let mut frame = read.split_to(5 + length);
    drop(frame.split_to(5));
    Some(frame.freeze())
}

fn read_varint(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (byte, rest) = from.split_first()?;
        *from = rest;
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

/// The next field with a length; others are passed over.
fn next<'b>(from: &mut &'b [u8]) -> Option<(u64, &'b [u8])> {
    loop {
        let tag = read_varint(from)?;
        match tag & 7 {
            0 => drop(read_varint(from)?),
            2 => {
                let length = usize::try_from(read_varint(from)?).ok()?;
                let (content, rest) = from.split_at_checked(length)?;
                *from = rest;
                return Some((tag >> 3, content));
            }
            _ => return None,
        }
    }
}

pub(super) fn read(mut bytes: &[u8]) -> Response {
    let mut response = Response::default();
    let text = |content: &[u8]| String::from_utf8_lossy(content).into_owned();
    while let Some((number, content)) = next(&mut bytes) {
        match number {
            2 => {
                let mut resource = content;
                while let Some((number, content)) = next(&mut resource) {
                    if number == 3 {
                        response.names.push(text(content));
                    }
                }
            }
            4 => response.type_url = text(content),
            5 => response.nonce = text(content),
            _ => {}
        }
    }
    response
}
