//! Numbers, texts, lists and maps.

use std::collections::BTreeMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use crate::decode::Decode;
use crate::decode::Scalar;
use crate::decode::record::{Unknown, fields, wrong_type};
use crate::decode::tree::{Content, Node};
use crate::diagnostic::{Code, Severity};
use crate::report::Report;

impl Decode for bool {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        match node.scalar() {
            Some(Scalar::Bool(value)) => Some(value),
            _ => {
                wrong_type(node, report, "true or false");
                None
            }
        }
    }
}

impl Decode for String {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        match node.scalar() {
            Some(Scalar::Text(text)) => Some(text.to_owned()),
            _ => {
                wrong_type(node, report, "a text");
                None
            }
        }
    }

    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

macro_rules! integers {
    ($($type:ty),*) => {$(
        impl Decode for $type {
            fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
                let value = match node.scalar() {
                    Some(Scalar::Int(value)) => i128::from(value),
                    // 1e3 and 80.0 are whole numbers to JSON.
                    Some(Scalar::Float(value)) if value.fract() == 0.0 && value.abs() < 9e15 => value as i128,
                    _ => {
                        wrong_type(node, report, "a whole number");
                        return None;
                    }
                };
                let integer = <$type>::try_from(value).ok();
                if integer.is_none() {
                    let message = format!("{value} is outside of {}..={}", <$type>::MIN, <$type>::MAX);
                    report.record(Severity::Error, Code::OutOfBounds, Some(node.place), message, None);
                }
                integer
            }
        }
    )*};
}
integers!(i32, u32, u64);

impl Decode for f64 {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        match node.scalar() {
            Some(Scalar::Int(value)) => Some(value as f64),
            Some(Scalar::Float(value)) => Some(value),
            _ => {
                wrong_type(node, report, "a number");
                None
            }
        }
    }
}

impl<T: Decode> Decode for Option<T> {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        T::decode(node, report).map(|value| Some(value).filter(|value| !value.is_unset()))
    }

    fn is_unset(&self) -> bool {
        self.is_none()
    }
}

impl<T: Decode> Decode for Box<T> {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        T::decode(node, report).map(Box::new)
    }
}

impl<T: Decode> Decode for Vec<T> {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        let Content::List(items) = &node.content else {
            wrong_type(node, report, "a list");
            return None;
        };
        let read = |(index, item)| report.index(index, |r| T::decode(item, r));
        Some(items.iter().enumerate().filter_map(read).collect())
    }

    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

impl<T: Decode> Decode for BTreeMap<String, T> {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        let Content::Map(entries) = &node.content else {
            wrong_type(node, report, "a map");
            return None;
        };
        let mut map = Self::new();
        for entry in entries {
            report.key(&entry.key, |r| {
                if map.contains_key(&*entry.key) {
                    let message = "the key stands here for the second time".to_owned();
                    r.record(Severity::Error, Code::DuplicateKey, Some(entry.place), message, None);
                } else if let Some(value) = T::decode(&entry.value, r) {
                    map.insert(entry.key.clone().into_owned(), value);
                }
            });
        }
        Some(map)
    }

    fn is_unset(&self) -> bool {
        self.is_empty()
    }
}

/// A share of events in percent, 0 to 100.
#[derive(Clone, Copy, Debug, Default, PartialEq, PartialOrd)]
pub struct Percent(f64);

impl Percent {
    /// All events.
    pub const ALL: Self = Self(100.0);

    /// The share in percent; outside of 0 to 100 there is none.
    #[must_use]
    pub fn new(percent: f64) -> Option<Self> {
        (0.0..=100.0).contains(&percent).then_some(Self(percent))
    }

    /// Percent, 0 to 100.
    #[must_use]
    pub fn value(self) -> f64 {
        self.0
    }

    /// Millionths, rounded: the finest share that Envoy knows.
    #[must_use]
    pub fn per_million(self) -> u32 {
        // Within 0..=1_000_000 by construction, so the cast is exact.
        (self.0 * 10_000.0).round() as u32
    }
}

impl Decode for Percent {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        let percent = fields(node, report, Unknown::Refused, |f| f.optional::<f64>("value"))?;
        let share = Self::new(percent);
        if share.is_none() {
            report.error_at("value", Code::OutOfBounds, format!("{percent} is outside of 0..=100"));
        }
        share
    }
}

/// Bytes, written in base64.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub struct Bytes(pub Vec<u8>);

impl Decode for Bytes {
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self> {
        let text = String::decode(node, report)?;
        match STANDARD.decode(&text) {
            Ok(bytes) => Some(Self(bytes)),
            Err(error) => {
                let message = format!("not base64: {error}");
                report.record(Severity::Error, Code::WrongType, Some(node.place), message, None);
                None
            }
        }
    }
}
