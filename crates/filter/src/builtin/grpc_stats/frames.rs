//! gRPC messages in a body (gRPC over HTTP/2, "Length-Prefixed-Message").

/// Bytes of a prefix: a flag and a length of four bytes.
const PREFIX: u8 = 5;

/// Where a body stands between its messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Frames {
    /// Bytes of the current prefix that have come.
    prefix: u8,
    /// Length as read so far; after the prefix, what is left of the message.
    left: u32,
}

impl Frames {
    /// Follows a piece of body; returns how many messages begin in it.
    pub(super) fn pass(&mut self, mut data: &[u8]) -> u64 {
        let mut begun = 0;
        while let Some((&byte, rest)) = data.split_first() {
            if self.prefix < PREFIX {
                match self.prefix {
                    0 => {
                        begun += 1;
                        self.left = 0;
                    }
                    _ => self.left = self.left << 8 | u32::from(byte),
                }
                self.prefix += 1;
                data = rest;
            } else {
                let step = usize::try_from(self.left).unwrap_or(usize::MAX).min(data.len());
                self.left -= u32::try_from(step).unwrap_or(self.left);
                data = &data[step..];
            }
            if self.prefix == PREFIX && self.left == 0 {
                self.prefix = 0;
            }
        }
        begun
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn body(messages: &[usize]) -> Vec<u8> {
        let mut out = Vec::new();
        for length in messages {
            out.push(0);
            out.extend_from_slice(&u32::try_from(*length).unwrap().to_be_bytes());
            out.extend(vec![7; *length]);
        }
        out
    }

    proptest! {
        /// Messages are counted once, however the body is cut into pieces.
        #[test]
        fn cuts_do_not_matter(messages in prop::collection::vec(0usize..300, 0..6), piece in 1usize..50) {
            let body = body(&messages);
            let mut frames = Frames::default();
            let counted: u64 = body.chunks(piece).map(|chunk| frames.pass(chunk)).sum();
            prop_assert_eq!(counted, messages.len() as u64);
            prop_assert_eq!(frames, Frames::default());
        }

        #[test]
        fn any_bytes_are_only_followed(pieces: Vec<Vec<u8>>) {
            let mut frames = Frames::default();
            for piece in &pieces {
                prop_assert!(frames.pass(piece) <= piece.len() as u64);
            }
        }
    }
}
