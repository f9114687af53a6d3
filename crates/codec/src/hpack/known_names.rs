//! Field names of which something is known: their place in the static table, and whether their values
//! come again. One hash finds a name.

use super::static_table;

/// Whether a field enters the encoder's dynamic table.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Indexing {
    /// It comes again with the same value on this connection.
    Value,
    /// Its name comes again, each time with another value.
    Name,
    /// Neither is known to come again, or the static table has the name.
    Plain,
    /// It is a secret: neither we nor any next hop should index it.
    Never,
    /// A secret where it is so short that it could be guessed, else as [`Indexing::Value`].
    Cookie,
}

/// What is known of a name.
#[derive(Clone, Copy, Debug)]
pub(super) struct Known {
    name: &'static [u8],
    pub(super) indexing: Indexing,
    /// Its first entry in the static table, counted from 1; 0: it has none.
    pub(super) first: u8,
    /// How many entries it has there.
    pub(super) entries: u8,
}

use Indexing::{Cookie, Name, Never, Plain, Value};

/// The table is small and each entry costs its insertion, so only what is known to repeat goes in.
const NAMES: &[(&[u8], Indexing)] = &[
    (b":authority", Value),
    (b":method", Value),
    (b":path", Plain),
    (b":protocol", Value),
    (b":scheme", Value),
    (b":status", Value),
    (b"accept", Value),
    (b"accept-charset", Value),
    (b"accept-encoding", Value),
    (b"accept-language", Value),
    (b"accept-ranges", Value),
    (b"access-control-allow-credentials", Value),
    (b"access-control-allow-headers", Value),
    (b"access-control-allow-methods", Value),
    (b"access-control-allow-origin", Value),
    (b"age", Plain),
    (b"allow", Value),
    (b"alt-svc", Value),
    (b"authorization", Never),
    (b"b3", Name),
    (b"baggage", Name),
    (b"cache-control", Value),
    (b"content-disposition", Plain),
    (b"content-encoding", Value),
    (b"content-language", Value),
    (b"content-length", Plain),
    (b"content-location", Plain),
    (b"content-range", Plain),
    (b"content-type", Value),
    (b"cookie", Cookie),
    // The same for a second.
    (b"date", Value),
    (b"etag", Plain),
    (b"expect", Value),
    (b"expires", Plain),
    (b"from", Plain),
    (b"grpc-accept-encoding", Value),
    (b"grpc-encoding", Value),
    (b"grpc-message", Name),
    (b"grpc-status", Value),
    (b"grpc-timeout", Name),
    (b"host", Plain),
    (b"if-match", Plain),
    (b"if-modified-since", Plain),
    (b"if-none-match", Plain),
    (b"if-range", Plain),
    (b"if-unmodified-since", Plain),
    (b"last-modified", Plain),
    (b"link", Plain),
    (b"location", Plain),
    (b"max-forwards", Plain),
    (b"origin", Value),
    (b"proxy-authenticate", Plain),
    (b"proxy-authorization", Never),
    (b"range", Plain),
    (b"referer", Plain),
    (b"refresh", Plain),
    (b"retry-after", Plain),
    (b"server", Value),
    (b"set-cookie", Never),
    (b"strict-transport-security", Value),
    (b"te", Value),
    (b"traceparent", Name),
    (b"tracestate", Name),
    (b"trailer", Value),
    (b"transfer-encoding", Plain),
    (b"user-agent", Value),
    (b"vary", Value),
    (b"via", Value),
    (b"www-authenticate", Plain),
    (b"x-b3-parentspanid", Name),
    (b"x-b3-sampled", Value),
    (b"x-b3-spanid", Name),
    (b"x-b3-traceid", Name),
    (b"x-content-type-options", Value),
    (b"x-envoy-attempt-count", Value),
    (b"x-envoy-decorator-operation", Value),
    (b"x-envoy-expected-rq-timeout-ms", Value),
    (b"x-envoy-internal", Value),
    (b"x-envoy-original-path", Name),
    (b"x-envoy-peer-metadata", Value),
    (b"x-envoy-peer-metadata-id", Value),
    (b"x-envoy-upstream-service-time", Name),
    (b"x-forwarded-client-cert", Value),
    (b"x-forwarded-for", Name),
    (b"x-forwarded-host", Value),
    (b"x-forwarded-proto", Value),
    (b"x-frame-options", Value),
    (b"x-request-id", Name),
];

/// How many names are known.
pub(super) const COUNT: usize = NAMES.len();

/// Places of the hash table; a power of two.
const SLOTS: usize = 512;
/// No name has this place.
const EMPTY: u8 = u8::MAX;

struct Tables {
    known: [Known; COUNT],
    slots: [u8; SLOTS],
}

static TABLES: Tables = build();

/// The name's number below [`COUNT`], and what is known of it.
pub(super) fn find(name: &[u8]) -> Option<(usize, &'static Known)> {
    let mut slot = slot_of(name);
    loop {
        let id = usize::from(TABLES.slots[slot]);
        let known = TABLES.known.get(id)?;
        if known.name == name {
            return Some((id, known));
        }
        slot = (slot + 1) % SLOTS;
    }
}

/// Where the search for a name begins. Four bytes and the length tell the known names apart.
const fn slot_of(name: &[u8]) -> usize {
    let length = name.len();
    if length == 0 {
        return 0;
    }
    let word = (name[0] as u32)
        | (name[length - 1] as u32) << 8
        | (name[length / 2] as u32) << 16
        | (name[length * 3 / 4] as u32) << 24;
    let mixed = (word ^ (length as u32).wrapping_mul(0x0101_0193)).wrapping_mul(0x9e37_79b1);
    (mixed >> 23) as usize % SLOTS
}

const fn build() -> Tables {
    let unknown = Known { name: b"", indexing: Plain, first: 0, entries: 0 };
    let mut tables = Tables { known: [unknown; COUNT], slots: [EMPTY; SLOTS] };
    let mut id = 0;
    while id < COUNT {
        let (name, indexing) = NAMES[id];
        let (first, entries) = static_table::span_of(name);
        tables.known[id] = Known { name, indexing, first, entries };
        let mut slot = slot_of(name);
        while tables.slots[slot] != EMPTY {
            slot = (slot + 1) % SLOTS;
        }
        tables.slots[slot] = id as u8;
        id += 1;
    }
    tables
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_name_is_found_and_no_other() {
        for (id, (name, indexing)) in NAMES.iter().enumerate() {
            let (found, known) = find(name).unwrap();
            assert_eq!((found, known.indexing), (id, *indexing));
        }
        for unknown in ["", "x", "x-custom", "servers", ":statuS"] {
            assert!(find(unknown.as_bytes()).is_none(), "{unknown}");
        }
    }

    #[test]
    fn each_name_of_the_static_table_is_known_there() {
        for index in 1..=static_table::LENGTH {
            let (name, _) = static_table::get(index).unwrap();
            let (_, known) = find(name).unwrap();
            let first = usize::from(known.first);
            assert!((first..first + usize::from(known.entries)).contains(&index));
        }
    }
}
