//! Maps of named fields → structs.
//!
//! [`record!`] declares a struct together with the names of its fields in documents, so that neither can
//! be forgotten. All fields are read even if one is wrong: a wrong one leaves its default behind and an
//! error in the report, and an object with errors is never used.

use std::time::Duration;

use super::limits::MAX_HINTED;
use super::nearest;
use super::tree::{Content, Entry, Node, Place};
use crate::diagnostic::{Code, Severity};
use crate::report::Report;

/// A value that documents can hold.
pub(crate) trait Decode: Sized {
    /// Reads the value; `None` once the report says why not. The value is not null.
    fn decode(node: &Node<'_>, report: &mut Report) -> Option<Self>;

    /// Whether the value means the same as none: protobuf does not tell empty texts from absent ones.
    fn is_unset(&self) -> bool {
        false
    }
}

/// What happens to fields that the struct does not have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unknown {
    /// They are errors: Istio's kinds, of which we know all fields.
    Refused,
    /// They are nobody's business: Kubernetes' kinds, of which we read a part.
    Skipped,
}

/// A map while its fields are read.
#[derive(Debug)]
pub(crate) struct Fields<'n, 'r> {
    entries: &'n [Entry<'n>],
    place: Place,
    taken: Vec<bool>,
    names: Vec<&'static str>,
    report: &'r mut Report,
}

/// Reads a map of named fields.
pub(crate) fn fields<T>(
    node: &Node<'_>,
    report: &mut Report,
    unknown: Unknown,
    read: impl FnOnce(&mut Fields<'_, '_>) -> T,
) -> Option<T> {
    let Content::Map(entries) = &node.content else {
        wrong_type(node, report, "a map");
        return None;
    };
    let taken = vec![false; entries.len()];
    let mut fields = Fields { entries, place: node.place, taken, names: Vec::new(), report };
    let value = read(&mut fields);
    if unknown == Unknown::Refused {
        fields.refuse_unknown();
    }
    Some(value)
}

impl<'n> Fields<'n, '_> {
    /// The value of a field, unless absent or null.
    fn find(&mut self, name: &'static str) -> Option<&'n Entry<'n>> {
        self.names.push(name);
        let mut found: Option<&Entry<'_>> = None;
        for (entry, taken) in self.entries.iter().zip(&mut self.taken) {
            if !entry.names(name) {
                continue;
            }
            *taken = true;
            if found.is_some() {
                let message = "the field stands here for the second time".to_owned();
                self.report.within(name, |r| {
                    r.record(Severity::Error, Code::DuplicateKey, Some(entry.place), message, None);
                });
            }
            found = Some(entry);
        }
        found.filter(|entry| !entry.value.is_null())
    }

    fn read<T: Decode>(&mut self, name: &'static str) -> Option<T> {
        let entry = self.find(name)?;
        self.report.within(name, |r| T::decode(&entry.value, r))
    }

    /// Marks fields as known without reading them.
    pub(crate) fn skip(&mut self, names: &[&'static str]) {
        for name in names {
            let _ = self.find(name);
        }
    }

    /// A field that may be absent; then it is its default.
    pub(crate) fn optional<T: Decode + Default>(&mut self, name: &'static str) -> T {
        self.read(name).unwrap_or_default()
    }

    /// A field that must be there.
    pub(crate) fn required<T: Decode + Default>(&mut self, name: &'static str) -> T {
        let before = self.report.errors;
        match self.read::<T>(name) {
            Some(value) if !value.is_unset() => value,
            _ => {
                if self.report.errors == before {
                    let place = Some(self.place);
                    self.report.within(name, |r| {
                        r.record(
                            Severity::Error,
                            Code::MissingField,
                            place,
                            "required, but missing".to_owned(),
                            None,
                        );
                    });
                }
                T::default()
            }
        }
    }

    /// A field that must be there; if it is not, its own required fields are named.
    pub(crate) fn required_record<T: Decode + Default>(&mut self, name: &'static str) -> T {
        if let Some(entry) = self.find(name) {
            return self.report.within(name, |r| T::decode(&entry.value, r)).unwrap_or_default();
        }
        let empty = Node { place: self.place, content: Content::Map(Vec::new()) };
        self.report.within(name, |r| T::decode(&empty, r)).unwrap_or_default()
    }

    /// A number of things: protobuf's int32, which must not be negative.
    pub(crate) fn count(&mut self, name: &'static str) -> Option<u32> {
        let value: i32 = self.read(name)?;
        self.not_negative(name, value)
    }

    fn not_negative(&mut self, name: &'static str, value: i32) -> Option<u32> {
        let count = u32::try_from(value).ok();
        if count.is_none() {
            self.report.error_at(name, Code::OutOfBounds, format!("{value} is negative"));
        }
        count
    }

    /// A duration that may be zero; others are at least 1 ms.
    pub(crate) fn zero_or_more(&mut self, name: &'static str) -> Option<Duration> {
        let entry = self.find(name)?;
        self.report.within(name, |r| crate::value::duration::read(&entry.value, r, Duration::ZERO))
    }

    /// A field that another has replaced.
    pub(crate) fn deprecated<T: Decode + Default>(&mut self, name: &'static str, instead: &'static str) -> T {
        self.warned(name, Code::Deprecated, "deprecated", instead)
    }

    /// A number of things whose field another has replaced.
    pub(crate) fn deprecated_count(&mut self, name: &'static str, instead: &'static str) -> Option<u32> {
        let value: Option<i32> = self.deprecated(name, instead);
        self.not_negative(name, value?)
    }

    /// A field that Istio declares and does nothing with.
    pub(crate) fn without_effect<T: Decode + Default>(&mut self, name: &'static str, why: &'static str) -> T {
        self.warned(name, Code::WithoutEffect, "has no effect", why)
    }

    fn warned<T: Decode + Default>(
        &mut self,
        name: &'static str,
        code: Code,
        message: &str,
        hint: &'static str,
    ) -> T {
        let Some(entry) = self.find(name) else { return T::default() };
        self.report.within(name, |r| {
            let (place, hint) = (Some(entry.place), Some(hint.to_owned()));
            r.record(Severity::Warning, code, place, message.to_owned(), hint);
            T::decode(&entry.value, r).unwrap_or_default()
        })
    }

    fn refuse_unknown(self) {
        let Self { entries, taken, names, report, .. } = self;
        for (entry, _) in entries.iter().zip(taken).filter(|(_, taken)| !taken) {
            let hint = (entry.key.len() <= MAX_HINTED)
                .then(|| nearest(&super::tree::camel(&entry.key), names.iter().copied()))
                .flatten()
                .map(|name| format!("did you mean {name}?"));
            report.key(&entry.key, |r| {
                let message = "unknown field".to_owned();
                r.record(Severity::Error, Code::UnknownField, Some(entry.place), message, hint);
            });
        }
    }
}

/// Records that a value has another type than its field.
pub(crate) fn wrong_type(node: &Node<'_>, report: &mut Report, expected: &str) {
    use super::scalar::Scalar;
    let quotes = matches!(node.scalar(), Some(Scalar::Bool(_) | Scalar::Int(_) | Scalar::Float(_)));
    let hint = (quotes && expected == "a text").then(|| "put it in quotes".to_owned());
    let message = format!("expected {expected}, found {}", node.describe());
    report.record(Severity::Error, Code::WrongType, Some(node.place), message, hint);
}

/// Declares a struct and how documents name its fields: `field: Type = how "name"`, where `how` is a
/// method of [`Fields`]. `strict` structs refuse unknown fields, `partial` ones skip them.
macro_rules! record {
    (@unknown strict) => { $crate::decode::record::Unknown::Refused };
    (@unknown partial) => { $crate::decode::record::Unknown::Skipped };
    ($(#[$meta:meta])* partial struct $name:ident {}) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {}

        impl $crate::decode::Decode for $name {
            fn decode(
                _: &$crate::decode::tree::Node<'_>,
                _: &mut $crate::report::Report,
            ) -> Option<Self> {
                Some(Self {})
            }
        }
    };
    (
        $(#[$meta:meta])*
        $mode:ident struct $name:ident {
            $($(#[$about:meta])* $field:ident: $type:ty = $how:ident $key:literal $(($hint:literal))?,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Debug, Default, PartialEq)]
        pub struct $name {
            $($(#[$about])* pub $field: $type,)*
        }

        impl $crate::decode::Decode for $name {
            fn decode(
                node: &$crate::decode::tree::Node<'_>,
                report: &mut $crate::report::Report,
            ) -> Option<Self> {
                let unknown = $crate::decode::record!(@unknown $mode);
                $crate::decode::record::fields(node, report, unknown, |fields| Self {
                    $($field: fields.$how($key $(, $hint)?),)*
                })
            }
        }
    };
}
pub(crate) use record;

/// Declares an enumeration and how documents write its values; the first is the default.
macro_rules! words {
    (
        $(#[$meta:meta])*
        enum $name:ident {
            $(#[$first_about:meta])* $first:ident = $first_word:literal,
            $($(#[$about:meta])* $variant:ident = $word:literal,)*
        }
    ) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
        pub enum $name {
            $(#[$first_about])* #[default] $first,
            $($(#[$about])* $variant,)*
        }

        impl $name {
            /// As documents write it.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self { Self::$first => $first_word, $(Self::$variant => $word,)* }
            }
        }

        impl $crate::decode::Decode for $name {
            fn decode(
                node: &$crate::decode::tree::Node<'_>,
                report: &mut $crate::report::Report,
            ) -> Option<Self> {
                const WORDS: &[($name, &str)] =
                    &[($name::$first, $first_word), $(($name::$variant, $word),)*];
                $crate::decode::record::word(node, report, WORDS)
            }
        }
    };
}
pub(crate) use words;

/// Reads one of certain words.
pub(crate) fn word<T: Copy>(node: &Node<'_>, report: &mut Report, words: &[(T, &str)]) -> Option<T> {
    let text = String::decode(node, report)?;
    if let Some((value, _)) = words.iter().find(|(_, word)| *word == text) {
        return Some(*value);
    }
    let known = || words.iter().map(|(_, word)| *word);
    let hint =
        match Some(&text).filter(|text| text.len() <= MAX_HINTED).and_then(|text| nearest(text, known())) {
            Some(word) => format!("did you mean {word}?"),
            None => format!("one of {}", known().collect::<Vec<_>>().join(", ")),
        };
    let message = format!("{:?} is not one of its values", super::scalar::shorten(&text));
    report.record(Severity::Error, Code::UnknownWord, Some(node.place), message, Some(hint));
    None
}
