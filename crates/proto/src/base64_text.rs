//! Bytes as base64 text.

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};

/// Envoy asks neither for padding nor for unused bits to be zero, and takes both alphabets.
const CONFIG: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_padding_mode(DecodePaddingMode::Indifferent)
    .with_decode_allow_trailing_bits(true);
const LENIENT: GeneralPurpose = GeneralPurpose::new(&alphabet::STANDARD, CONFIG);
const LENIENT_URL: GeneralPurpose = GeneralPurpose::new(&alphabet::URL_SAFE, CONFIG);

/// Reads either alphabet, with or without padding.
pub(crate) fn decode(text: &str) -> Option<Vec<u8>> {
    let engine = if text.contains(['-', '_']) { LENIENT_URL } else { LENIENT };
    engine.decode(text).ok()
}

/// Writes the standard alphabet with padding.
pub(crate) fn encode(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_envoy_reads() {
        assert_eq!(decode("aGk=").as_deref(), Some(b"hi".as_slice()));
        assert_eq!(decode("aGk").as_deref(), Some(b"hi".as_slice()));
        assert_eq!(decode("aGl=").as_deref(), Some(b"hi".as_slice()));
        assert_eq!(decode("-_8").as_deref(), Some([0xfb, 0xff].as_slice()));
        assert_eq!(decode("+/8=").as_deref(), Some([0xfb, 0xff].as_slice()));
        assert_eq!(decode("a!"), None);
    }
}
