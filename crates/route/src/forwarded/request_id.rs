//! The request's identity.

use weft_tables::hcm::HttpManager;
use weft_types::{Headers, Random};

const NAME: &str = "x-request-id";
/// Length of a UUID's text.
const UUID_LENGTH: usize = 36;
/// Where its version digit stands; Envoy notes there why a request is traced, and 4 is "it is not".
const VERSION_AT: usize = 14;

/// Where the two digits of each byte stand.
const DIGITS_AT: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

/// Gives the request an id where it has none, or where one from outside does not count.
pub(super) fn ensure(headers: &mut Headers, manager: &HttpManager, edge: bool, dice: &mut impl Random) {
    if !manager.generate_request_id {
        return;
    }
    let given = headers.get(NAME).filter(|id| !id.is_empty()).map(<[u8]>::to_vec);
    match given {
        Some(mut id) if edge && manager.preserve_external_request_id => {
            if id.len() == UUID_LENGTH {
                id[VERSION_AT] = b'4';
            }
            headers.set(NAME, id);
        }
        Some(_) if !edge => {}
        _ => headers.set(NAME, uuid(dice)),
    }
}

/// A random UUID, version 4 (RFC 9562).
#[must_use]
pub fn uuid(dice: &mut impl Random) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let (a, b) = (dice.next_u64(), dice.next_u64());
    let a = (a & !0xf000) | 0x4000;
    let b = (b & !(0x3 << 62)) | (0x2 << 62);
    let bytes = a.to_be_bytes().into_iter().chain(b.to_be_bytes());
    let mut text = [b'-'; UUID_LENGTH];
    for (at, byte) in DIGITS_AT.into_iter().zip(bytes) {
        text[at] = DIGITS[usize::from(byte >> 4)];
        text[at + 1] = DIGITS[usize::from(byte & 0xf)];
    }
    String::from_utf8_lossy(&text).into_owned()
}
