//! PROXY headers, and addresses to make them of.

use std::net::{IpAddr, SocketAddr};

use weft_codec::proxy_protocol::{
    Addresses, Format, Header, MAX_V1_BYTES, MAX_V2_BYTES, Parsed, Tlvs, parse,
};

use crate::dice::Dice;

pub fn run(data: &[u8]) {
    let mut dice = Dice::new(data);
    if dice.byte() & 1 == 0 { read(dice.rest()) } else { write(&mut dice) }
}

/// Any bytes: the verdict on a prefix stands, and what was read is written and read the same.
fn read(bytes: &[u8]) {
    let mut decided = None;
    for end in ends(bytes.len()) {
        let told = parse(&bytes[..end]);
        if let Some(before) = &decided {
            assert_eq!(before, &told, "a longer prefix contradicts");
        }
        if told == Parsed::NeedMore {
            assert!(
                end < MAX_V2_BYTES && (bytes.first() != Some(&b'P') || end < MAX_V1_BYTES),
                "asks without end"
            );
        } else {
            decided = Some(told);
        }
    }
    if let Some(Parsed::Header { header, length }) = decided {
        assert!(length <= bytes.len());
        again(&header);
    }
}

/// All ends of a short input, some of a long one.
fn ends(length: usize) -> impl Iterator<Item = usize> {
    (0..=length).filter(move |end| *end < 300 || end % 97 == 0 || *end == length)
}

fn write(dice: &mut Dice<'_>) {
    let format = if dice.byte() & 1 == 0 { Format::V1 } else { Format::V2 };
    let mut address = || {
        let ip = if dice.byte() & 1 == 0 {
            IpAddr::from(<[u8; 4]>::try_from(dice.bytes(4)).unwrap_or([10, 0, 0, 1]))
        } else {
            IpAddr::from(<[u8; 16]>::try_from(dice.bytes(16)).unwrap_or([7; 16]))
        };
        SocketAddr::new(ip, u16::try_from(dice.number()).unwrap_or(0))
    };
    let addresses = Some(Addresses { source: address(), destination: address() });
    let mut tlvs = Tlvs::default();
    while format == Format::V2 && !dice.is_empty() {
        let (kind, length) = (dice.byte(), usize::from(dice.byte()));
        tlvs.push(kind, dice.bytes(length)).expect("a short value");
    }
    let header = Header { format, addresses, tlvs };
    let Ok(bytes) = header.write() else { return };
    match parse(&bytes) {
        Parsed::Header { .. } => again(&header),
        // Addresses that no peer has are refused by the reader.
        Parsed::Malformed(_) => {}
        told => panic!("our own header is taken for {told:?}"),
    }
}

/// Writes a header and reads it: the same, with both addresses in one family.
fn again(header: &Header) {
    let bytes = header.write().expect("it had room before");
    let told = parse(&bytes);
    let Parsed::Header { header: got, length } = told else { panic!("our own header is taken for {told:?}") };
    assert_eq!(length, bytes.len());
    assert_eq!((got.format, &got.tlvs), (header.format, &header.tlvs));
    let plain = |addresses: Addresses| {
        [addresses.source, addresses.destination].map(|one| (one.ip().to_canonical(), one.port()))
    };
    assert_eq!(got.addresses.map(plain), header.addresses.map(plain));
}
