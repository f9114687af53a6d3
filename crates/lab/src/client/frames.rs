//! HTTP/2 frames in words, for rows that write frames by hand.

/// One word per frame, if `bytes` are frames that begin with SETTINGS. Frames that say nothing about
/// the verdict (SETTINGS, WINDOW_UPDATE, PING) are left out.
pub(crate) fn describe(bytes: &[u8]) -> Option<String> {
    let mut words = Vec::new();
    let mut rest = bytes;
    let mut first = true;
    while let Some((header, tail)) = rest.split_at_checked(9) {
        let length = usize::from(header[0]) << 16 | usize::from(header[1]) << 8 | usize::from(header[2]);
        let (kind, flags) = (header[3], header[4]);
        if first && kind != 4 {
            return None;
        }
        first = false;
        let stream = u32::from_be_bytes([header[5] & 0x7f, header[6], header[7], header[8]]);
        let (payload, after) = tail.split_at_checked(length)?;
        let code = |at: usize| {
            payload
                .get(at..at + 4)
                .map_or(0, |code| code.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)))
        };
        match kind {
            0 | 1 => {
                let name = if kind == 0 { "DATA" } else { "HEADERS" };
                let end = if flags & 1 == 1 { " END" } else { "" };
                words.push(format!("{name}({stream}{end})"));
            }
            3 => words.push(format!("RST_STREAM({stream} {})", code(0))),
            7 => words.push(format!("GOAWAY({})", code(4))),
            4 | 6 | 8 => {}
            other => words.push(format!("FRAME{other}")),
        }
        rest = after;
    }
    if first { None } else { Some(words.join(" ")) }
}

#[cfg(test)]
mod tests {
    use super::describe;
    use crate::wire::unhex;

    #[test]
    fn frames_are_told_in_words() {
        let bytes = unhex(
            "000000040000000000 000001010500000001 88 00000403000000000100000008 000008070000000000 00000000 00000006",
        );
        assert_eq!(describe(&bytes).as_deref(), Some("HEADERS(1 END) RST_STREAM(1 8) GOAWAY(6)"));
    }

    #[test]
    fn what_is_no_frame_is_left_as_it_is() {
        assert_eq!(describe(b"HTTP/1.1 400 Bad Request\r\n\r\n"), None);
        assert_eq!(describe(b""), None);
    }
}
