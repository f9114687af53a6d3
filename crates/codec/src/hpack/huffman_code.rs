//! The Huffman code of RFC 7541 appendix B, built at compile time.
//!
//! The code is canonical: ordered by length, then by symbol, each code is its predecessor plus one,
//! shifted left where the length grows. So the lengths alone say everything.

/// Number of symbols: the bytes and EOS.
const SYMBOLS: usize = 257;
/// The end-of-string symbol, which never stands in a valid string.
pub(super) const EOS: u16 = 256;
/// Bits of the longest code.
const LONGEST: usize = 30;

/// Bits of each symbol's code.
#[rustfmt::skip]
const LENGTHS: [u8; SYMBOLS] = [
    13, 23, 28, 28, 28, 28, 28, 28, 28, 24, 30, 28, 28, 30, 28, 28,
    28, 28, 28, 28, 28, 28, 30, 28, 28, 28, 28, 28, 28, 28, 28, 28,
    6, 10, 10, 12, 13, 6, 8, 11, 10, 10, 8, 11, 8, 6, 6, 6,
    5, 5, 5, 6, 6, 6, 6, 6, 6, 6, 7, 8, 15, 6, 12, 10,
    13, 6, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7, 7,
    7, 7, 7, 7, 7, 7, 7, 7, 8, 7, 8, 13, 19, 13, 14, 6,
    15, 5, 6, 5, 6, 5, 6, 6, 6, 5, 7, 7, 6, 6, 6, 5,
    6, 7, 6, 5, 5, 6, 7, 7, 7, 7, 7, 15, 11, 14, 13, 28,
    20, 22, 20, 20, 22, 22, 22, 23, 22, 23, 23, 23, 23, 23, 24, 23,
    24, 24, 22, 23, 24, 23, 23, 23, 23, 21, 22, 23, 22, 23, 23, 24,
    22, 21, 20, 22, 22, 23, 23, 21, 23, 22, 22, 24, 21, 22, 23, 23,
    21, 21, 22, 21, 23, 22, 23, 23, 20, 22, 22, 22, 23, 22, 22, 23,
    26, 26, 20, 19, 22, 23, 22, 25, 26, 26, 26, 27, 27, 26, 24, 25,
    19, 21, 26, 27, 27, 26, 27, 24, 21, 21, 26, 26, 28, 27, 27, 27,
    20, 24, 20, 21, 22, 21, 21, 23, 22, 22, 25, 25, 24, 24, 26, 23,
    26, 27, 26, 26, 27, 27, 27, 27, 27, 28, 27, 27, 27, 27, 27, 26,
    30,
];

/// A symbol's code: the bits, right-aligned, and how many they are.
#[derive(Clone, Copy)]
pub(super) struct Code {
    pub(super) bits: u32,
    pub(super) length: u8,
}

/// What the codes of one length cover.
#[derive(Clone, Copy)]
pub(super) struct Span {
    /// The first code above this length, left-aligned in 32 bits: a window below it has a code of
    /// this length or a shorter one.
    pub(super) end: u64,
    /// The first code of this length, right-aligned.
    pub(super) first: u32,
    /// Where the symbols of this length begin in [`SORTED`].
    pub(super) offset: usize,
}

/// A symbol whose code is at most 8 bits; `length` 0 says that the code is longer.
#[derive(Clone, Copy)]
pub(super) struct Short {
    pub(super) symbol: u8,
    pub(super) length: u8,
}

struct Tables {
    codes: [Code; SYMBOLS],
    sorted: [u16; SYMBOLS],
    spans: [Span; LONGEST + 1],
    short: [Short; 256],
}

const fn build() -> Tables {
    let mut t = Tables {
        codes: [Code { bits: 0, length: 0 }; SYMBOLS],
        sorted: [0; SYMBOLS],
        spans: [Span { end: 0, first: 0, offset: 0 }; LONGEST + 1],
        short: [Short { symbol: 0, length: 0 }; 256],
    };
    let mut next = 0_u32;
    let mut place = 0;
    let mut length = 1;
    while length <= LONGEST {
        next <<= 1;
        t.spans[length].first = next;
        t.spans[length].offset = place;
        let mut symbol = 0;
        while symbol < SYMBOLS {
            if LENGTHS[symbol] as usize == length {
                t.codes[symbol] = Code { bits: next, length: length as u8 };
                t.sorted[place] = symbol as u16;
                if length <= 8 {
                    let mut window = (next as usize) << (8 - length);
                    let end = (next as usize + 1) << (8 - length);
                    while window < end {
                        t.short[window] = Short { symbol: symbol as u8, length: length as u8 };
                        window += 1;
                    }
                }
                next += 1;
                place += 1;
            }
            symbol += 1;
        }
        t.spans[length].end = (next as u64) << (32 - length);
        length += 1;
    }
    // A complete code leaves no window without a symbol; a mistyped length would.
    assert!(t.spans[LONGEST].end == 1 << 32);
    t
}

const TABLES: Tables = build();

/// Each symbol's code.
pub(super) static CODES: [Code; SYMBOLS] = TABLES.codes;
/// Symbols ordered by code.
pub(super) static SORTED: [u16; SYMBOLS] = TABLES.sorted;
/// By code length.
pub(super) static SPANS: [Span; LONGEST + 1] = TABLES.spans;
/// By the next 8 bits.
pub(super) static SHORT: [Short; 256] = TABLES.short;
