//! The static table (RFC 7541 appendix A).

/// Number of entries; the dynamic table's indices begin above it.
pub(super) const LENGTH: usize = 61;

type Field = (&'static [u8], &'static [u8]);

static ENTRIES: [Field; LENGTH] = [
    (b":authority", b""),
    (b":method", b"GET"),
    (b":method", b"POST"),
    (b":path", b"/"),
    (b":path", b"/index.html"),
    (b":scheme", b"http"),
    (b":scheme", b"https"),
    (b":status", b"200"),
    (b":status", b"204"),
    (b":status", b"206"),
    (b":status", b"304"),
    (b":status", b"400"),
    (b":status", b"404"),
    (b":status", b"500"),
    (b"accept-charset", b""),
    (b"accept-encoding", b"gzip, deflate"),
    (b"accept-language", b""),
    (b"accept-ranges", b""),
    (b"accept", b""),
    (b"access-control-allow-origin", b""),
    (b"age", b""),
    (b"allow", b""),
    (b"authorization", b""),
    (b"cache-control", b""),
    (b"content-disposition", b""),
    (b"content-encoding", b""),
    (b"content-language", b""),
    (b"content-length", b""),
    (b"content-location", b""),
    (b"content-range", b""),
    (b"content-type", b""),
    (b"cookie", b""),
    (b"date", b""),
    (b"etag", b""),
    (b"expect", b""),
    (b"expires", b""),
    (b"from", b""),
    (b"host", b""),
    (b"if-match", b""),
    (b"if-modified-since", b""),
    (b"if-none-match", b""),
    (b"if-range", b""),
    (b"if-unmodified-since", b""),
    (b"last-modified", b""),
    (b"link", b""),
    (b"location", b""),
    (b"max-forwards", b""),
    (b"proxy-authenticate", b""),
    (b"proxy-authorization", b""),
    (b"range", b""),
    (b"referer", b""),
    (b"refresh", b""),
    (b"retry-after", b""),
    (b"server", b""),
    (b"set-cookie", b""),
    (b"strict-transport-security", b""),
    (b"transfer-encoding", b""),
    (b"user-agent", b""),
    (b"vary", b""),
    (b"via", b""),
    (b"www-authenticate", b""),
];

/// The entry at `index`, counted from 1.
pub(super) fn get(index: usize) -> Option<Field> {
    ENTRIES.get(index.checked_sub(1)?).copied()
}

/// The index of the first entry of that name, counted from 1, and how many follow one another.
pub(super) const fn span_of(name: &[u8]) -> (u8, u8) {
    let (mut first, mut entries) = (0, 0);
    let mut index = 0;
    while index < LENGTH {
        if same(ENTRIES[index].0, name) {
            if entries == 0 {
                first = index as u8 + 1;
            }
            entries += 1;
        }
        index += 1;
    }
    (first, entries)
}

const fn same(a: &[u8], b: &[u8]) -> bool {
    if a.len() != b.len() {
        return false;
    }
    let mut index = 0;
    while index < a.len() {
        if a[index] != b[index] {
            return false;
        }
        index += 1;
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_of_a_name_follow_one_another() {
        for index in 1..=LENGTH {
            let (name, _) = get(index).unwrap();
            let (first, entries) = span_of(name);
            assert!((first..first + entries).contains(&(index as u8)));
        }
        assert_eq!(span_of(b":status"), (8, 7));
        assert_eq!(span_of(b"x-request-id"), (0, 0));
        assert_eq!(get(0), None);
        assert_eq!(get(62), None);
    }
}
