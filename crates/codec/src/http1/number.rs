//! Numbers on the wire.

/// Reads a decimal number of ASCII digits alone: no sign, no blank, no overflow.
pub(super) fn parse_decimal(digits: &[u8]) -> Option<u64> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0_u64, |number, digit| {
        let digit = digit.is_ascii_digit().then(|| u64::from(digit - b'0'))?;
        number.checked_mul(10)?.checked_add(digit)
    })
}

/// The value of a hexadecimal digit.
pub(super) fn hex_digit(digit: u8) -> Option<u64> {
    char::from(digit).to_digit(16).map(u64::from)
}

/// A number written in some base into a buffer of its own, without allocation.
pub(super) struct Written {
    digits: [u8; 20],
    from: usize,
}

impl Written {
    /// In decimal.
    pub(super) fn decimal(number: u64) -> Self {
        Self::write(number, 10)
    }

    /// In hexadecimal, lower case.
    pub(super) fn hex(number: u64) -> Self {
        Self::write(number, 16)
    }

    pub(super) fn as_bytes(&self) -> &[u8] {
        self.digits.get(self.from..).unwrap_or_default()
    }

    fn write(mut number: u64, base: u64) -> Self {
        let mut written = Self { digits: [b'0'; 20], from: 20 };
        for slot in written.digits.iter_mut().rev() {
            *slot = b"0123456789abcdef"[(number % base) as usize];
            written.from -= 1;
            number /= base;
            if number == 0 {
                break;
            }
        }
        written
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_the_edges() {
        for number in [0, 9, 10, 255, u64::MAX] {
            assert_eq!(Written::decimal(number).as_bytes(), number.to_string().as_bytes());
            assert_eq!(Written::hex(number).as_bytes(), format!("{number:x}").as_bytes());
            assert_eq!(parse_decimal(number.to_string().as_bytes()), Some(number));
        }
        for bad in ["", "+1", "-1", " 1", "1 ", "0x1", "18446744073709551616", "1.0"] {
            assert_eq!(parse_decimal(bad.as_bytes()), None, "{bad}");
        }
    }
}
