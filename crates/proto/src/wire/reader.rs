//! Reading of fields.

/// Deepest nesting of (unknown) groups that is skipped over.
const MAX_GROUP_DEPTH: usize = 32;

/// Why bytes are not a protobuf message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end inside a field.
    #[error("truncated")]
    Truncated,
    /// A varint has more than ten bytes or more than 64 bits.
    #[error("varint too long")]
    Varint,
    /// A tag has field number 0 or one above 2^29 - 1.
    #[error("field number out of range")]
    FieldNumber,
    /// A tag has a wire type that does not exist.
    #[error("unknown wire type {0}")]
    WireType(u8),
    /// A group ends that did not begin, or does not end.
    #[error("group without its counterpart")]
    Group,
    /// The wire type is not the one of the field in the schema.
    #[error("wire type does not fit the field")]
    Mismatch,
    /// A string is not UTF-8.
    #[error("string is not UTF-8")]
    Utf8,
}

/// A value as the wire shows it, before the schema says what it means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Value<'a> {
    Varint(u64),
    Fixed64(u64),
    Fixed32(u32),
    Bytes(&'a [u8]),
    Group,
}

/// Iterates over the fields of one message; after an error it ends.
#[derive(Clone, Debug)]
pub(crate) struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { rest: bytes }
    }

    fn field(&mut self) -> Result<(u32, Value<'a>), WireError> {
        let (number, wire_type) = self.tag()?;
        let value = match wire_type {
            3 => {
                self.skip_group(number)?;
                Value::Group
            }
            4 => return Err(WireError::Group),
            _ => self.value(wire_type)?,
        };
        Ok((number, value))
    }

    fn tag(&mut self) -> Result<(u32, u8), WireError> {
        let tag = self.varint()?;
        let number = u32::try_from(tag >> 3).map_err(|_| WireError::FieldNumber)?;
        if number == 0 || number >= 1 << 29 {
            return Err(WireError::FieldNumber);
        }
        Ok((number, (tag & 7) as u8))
    }

    fn value(&mut self, wire_type: u8) -> Result<Value<'a>, WireError> {
        Ok(match wire_type {
            0 => Value::Varint(self.varint()?),
            1 => Value::Fixed64(u64::from_le_bytes(self.array()?)),
            2 => {
                let length = usize::try_from(self.varint()?).map_err(|_| WireError::Truncated)?;
                Value::Bytes(self.take(length)?)
            }
            5 => Value::Fixed32(u32::from_le_bytes(self.array()?)),
            other => return Err(WireError::WireType(other)),
        })
    }

    fn skip_group(&mut self, number: u32) -> Result<(), WireError> {
        let mut open = vec![number];
        while let Some(innermost) = open.last().copied() {
            match self.tag()? {
                (number, 3) if open.len() < MAX_GROUP_DEPTH => open.push(number),
                (number, 4) if number == innermost => {
                    open.pop();
                }
                (_, 3 | 4) => return Err(WireError::Group),
                (_, wire_type) => {
                    self.value(wire_type)?;
                }
            }
        }
        Ok(())
    }

    fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for (index, byte) in self.rest.iter().copied().enumerate().take(10) {
            // The tenth byte has room for one bit.
            if index == 9 && byte > 1 {
                return Err(WireError::Varint);
            }
            value |= u64::from(byte & 0x7f) << (7 * index);
            if byte < 0x80 {
                self.rest = self.rest.get(index + 1..).unwrap_or_default();
                return Ok(value);
            }
        }
        Err(if self.rest.len() < 10 { WireError::Truncated } else { WireError::Varint })
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(length).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let (taken, rest) = self.rest.split_first_chunk::<N>().ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(*taken)
    }
}

impl<'a> Iterator for Reader<'a> {
    type Item = Result<(u32, Value<'a>), WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.rest.is_empty() {
            return None;
        }
        let field = self.field();
        if field.is_err() {
            self.rest = &[];
        }
        Some(field)
    }
}

/// Iterates over the elements of a packed list of numbers.
#[derive(Debug)]
pub(crate) struct Packed<'a> {
    reader: Reader<'a>,
    wire_type: u8,
}

impl<'a> Packed<'a> {
    /// Elements in `bytes`, each of the wire type (0 varint, 1 eight bytes, 5 four bytes).
    pub(crate) fn new(bytes: &'a [u8], wire_type: u8) -> Self {
        Self { reader: Reader::new(bytes), wire_type }
    }
}

impl<'a> Iterator for Packed<'a> {
    type Item = Result<Value<'a>, WireError>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.reader.rest.is_empty() {
            return None;
        }
        let value = self.reader.value(self.wire_type);
        if value.is_err() {
            self.reader.rest = &[];
        }
        Some(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(bytes: &[u8]) -> Vec<Result<(u32, Value<'_>), WireError>> {
        Reader::new(bytes).collect()
    }

    #[test]
    fn reads_each_wire_type() {
        let bytes = [0x08, 0x96, 0x01, 0x12, 2, b'h', b'i', 0x1d, 1, 0, 0, 0, 0x21, 2, 0, 0, 0, 0, 0, 0, 0];
        let expected = [
            (1, Value::Varint(150)),
            (2, Value::Bytes(b"hi")),
            (3, Value::Fixed32(1)),
            (4, Value::Fixed64(2)),
        ];
        assert_eq!(fields(&bytes), expected.map(Ok));
    }

    #[test]
    fn names_what_is_wrong_with_hostile_bytes() {
        assert_eq!(fields(&[0x08]), [Err(WireError::Truncated)]);
        assert_eq!(fields(&[0x08, 0x80, 0x80]), [Err(WireError::Truncated)]);
        assert_eq!(fields(&[0xff; 11]), [Err(WireError::Varint)]);
        assert_eq!(fields(&[0x00, 0x01]), [Err(WireError::FieldNumber)]);
        assert_eq!(fields(&[0x0e, 0x01]), [Err(WireError::WireType(6))]);
        assert_eq!(fields(&[0x12, 0x05, 1]), [Err(WireError::Truncated)]);
        // A length of 2^64 - 1 must not overflow.
        assert_eq!(
            fields(&[0x12, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01]),
            [Err(WireError::Truncated)]
        );
        assert_eq!(fields(&[0x0c]), [Err(WireError::Group)]);
        assert_eq!(fields(&[0x0b; 4096]), [Err(WireError::Group)]);
    }

    #[test]
    fn skips_groups() {
        assert_eq!(
            fields(&[0x0b, 0x10, 7, 0x0c, 0x18, 1]),
            [Ok((1, Value::Group)), Ok((3, Value::Varint(1)))]
        );
    }
}
