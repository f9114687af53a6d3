//! Header blocks, and fields to make them of.

use weft_codec::hpack::{Decoder, Encoder};

use crate::dice::Dice;

type Fields = Vec<(Vec<u8>, Vec<u8>)>;

const NAMES: [&str; 10] = [
    ":path",
    ":authority",
    "user-agent",
    "cookie",
    "te",
    "vary",
    "content-type",
    "authorization",
    "x-own",
    "server",
];

pub fn run(data: &[u8]) {
    let mut dice = Dice::new(data);
    if dice.byte() & 1 == 0 { decode(&mut dice) } else { encode(&mut dice) }
}

/// Any blocks: what was decoded is encoded and decoded again.
fn decode(dice: &mut Dice<'_>) {
    let limit = [0, 64, 300, 4096, 10_000][usize::from(dice.byte()) % 5];
    let mut decoder = Decoder::new(limit);
    let mut encoder = Encoder::new();
    let mut again = Decoder::new(4096);
    while !dice.is_empty() {
        let length = usize::from(dice.byte());
        let block = dice.bytes(length);
        let Some(fields) = read(&mut decoder, block) else { return };
        let bytes: usize = fields.iter().map(|(name, value)| name.len() + value.len()).sum();
        // A string takes at most 8/5 of its coded length, an index gives at most the largest entry.
        assert!(bytes <= block.len() * limit.max(100), "{bytes} bytes of {}", block.len());
        let lower: Fields = fields.into_iter().filter(|(name, _)| !name.is_empty()).collect();
        same(&mut encoder, &mut again, &lower);
    }
}

/// Any fields, with a limit that changes.
fn encode(dice: &mut Dice<'_>) {
    let mut encoder = Encoder::new();
    let mut decoder = Decoder::new(4096);
    while !dice.is_empty() {
        if dice.byte() % 8 == 0 {
            let limit = dice.number() % 5000;
            encoder.set_limit(limit);
            decoder.set_limit(limit);
        }
        let mut fields = Fields::new();
        for _ in 0..dice.byte() % 8 {
            let choice = dice.byte();
            let name = match NAMES.get(usize::from(choice % 16)) {
                Some(known) => known.as_bytes().to_vec(),
                None => dice.bytes(usize::from(choice >> 4)).to_ascii_lowercase(),
            };
            let length = usize::from(dice.byte());
            let value =
                if length > 200 { vec![length as u8; length * 10] } else { dice.bytes(length).to_vec() };
            fields.push((name, value));
        }
        same(&mut encoder, &mut decoder, &fields);
    }
}

fn same(encoder: &mut Encoder, decoder: &mut Decoder, fields: &Fields) {
    let mut block = Vec::new();
    encoder.begin(&mut block);
    for (name, value) in fields {
        encoder.field(name, value, &mut block);
    }
    let got = read(decoder, &block).unwrap_or_else(|| panic!("our own block is refused: {block:?}"));
    assert_eq!(&got, fields);
}

fn read(decoder: &mut Decoder, block: &[u8]) -> Option<Fields> {
    let mut fields = Fields::new();
    decoder.decode(block, |name, value| fields.push((name.to_vec(), value.to_vec()))).ok()?;
    Some(fields)
}
