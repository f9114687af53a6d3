//! Whether a proto field holds its default value: such a field asks for nothing.

use std::collections::HashMap;

/// A field type of a proto message.
pub(crate) trait Unset {
    /// Whether the value is proto3's default, which the wire does not carry.
    fn is_unset(&self) -> bool;
}

impl<T> Unset for Option<T> {
    fn is_unset(&self) -> bool {
        self.is_none()
    }
}

impl<T> Unset for Vec<T> {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

impl<K, V> Unset for HashMap<K, V> {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

impl Unset for String {
    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

impl Unset for bool {
    fn is_unset(&self) -> bool {
        !*self
    }
}

macro_rules! numbers {
    ($($number:ty),*) => {
        $(impl Unset for $number {
            fn is_unset(&self) -> bool {
                *self == <$number>::default()
            }
        })*
    };
}

numbers!(i32, u32, i64, u64);

impl Unset for f64 {
    fn is_unset(&self) -> bool {
        self.to_bits() == 0
    }
}

/// Records each named field that is set as ignored, for one reason.
macro_rules! ignore_set {
    ($reader:expr, $reason:expr, $($field:ident),+ $(,)?) => {
        $(if !$crate::convert::unset::Unset::is_unset($field) {
            $reader.ignore_at(stringify!($field), $reason);
        })+
    };
}

/// Records each named field that is set as refused, for one reason.
macro_rules! refuse_set {
    ($reader:expr, $reason:expr, $($field:ident),+ $(,)?) => {
        $(if !$crate::convert::unset::Unset::is_unset($field) {
            $reader.refuse_at(stringify!($field), $reason);
        })+
    };
}

pub(crate) use {ignore_set, refuse_set};
