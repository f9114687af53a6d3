//! The request's identity.

use weft_tables::hcm::HttpManager;
use weft_types::{Headers, Random};

const NAME: &str = "x-request-id";
/// Length of a UUID's text.
const UUID_LENGTH: usize = 36;
/// Where its version digit stands; Envoy notes there why a request is traced, and 4 is "it is not".
const VERSION_AT: usize = 14;

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
    let value = (u128::from(a) << 64) | u128::from(b);
    let value = (value & !(0xf << 76) & !(0x3 << 62)) | (0x4 << 76) | (0x2 << 62);
    let mut text = String::with_capacity(UUID_LENGTH);
    for digit in 0..32 {
        if matches!(digit, 8 | 12 | 16 | 20) {
            text.push('-');
        }
        let nibble = (value >> (124 - 4 * digit)) as usize & 0xf;
        text.push(char::from(DIGITS[nibble]));
    }
    text
}
