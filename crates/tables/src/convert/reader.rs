//! The walk through one resource: where it is, and what it found.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::RangeInclusive;
use std::time::Duration;

use prost::{Message, Name as ProtoName};
use weft_proto::text::TypedStructError;
use weft_types::Name;

use crate::convert::Context;
use crate::finding::{Finding, FindingClass, ResourceKind, ResourceRef};
use crate::pb::google::protobuf;

/// Findings kept for one resource; more are counted, not kept.
pub(crate) const MAX_FINDINGS: usize = 1_000;
/// `Any` messages within one another; each restarts the decoder's own recursion limit.
const MAX_ANY_DEPTH: usize = 24;
/// Default of `initial_fetch_timeout`.
pub(crate) const FETCH_TIMEOUT: Duration = Duration::from_secs(15);
/// Longest duration of protobuf's definition, seconds (10,000 years).
const MAX_SECONDS: i64 = 315_576_000_000;

/// Proof that a refusal was recorded. Only [`Reader::refuse`] makes one, so a conversion cannot
/// fail without saying where and why.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Refused(());

/// The outcome of reading a part of a resource.
pub(crate) type Read<T> = Result<T, Refused>;

/// One step of a path.
enum Step {
    Field(&'static str),
    Item(&'static str, usize),
    Key(&'static str, Box<str>),
}

/// Reads one resource: keeps the path to the part being read, and collects findings.
pub(crate) struct Reader<'a> {
    /// Everything outside the resource that conversion may ask for.
    pub(crate) context: &'a Context<'a>,
    /// Routes are checked for clusters that do not exist (`validate_clusters`).
    pub(crate) validate_clusters: bool,
    resource: ResourceRef,
    path: Vec<Step>,
    any_depth: usize,
    /// The longest wait of the sources that were read; `None`: there was none.
    fetch_timeout: Option<Option<Duration>>,
    findings: Vec<Finding>,
    refused: usize,
}

impl<'a> Reader<'a> {
    /// A reader at the root of a resource.
    pub(crate) fn new(context: &'a Context<'a>, kind: ResourceKind, name: &str) -> Self {
        Self {
            context,
            validate_clusters: false,
            resource: ResourceRef { kind, name: Name::from(name) },
            path: Vec::new(),
            any_depth: 0,
            fetch_timeout: None,
            findings: Vec::new(),
            refused: 0,
        }
    }

    /// Ends the walk: the resource with what was ignored, or all findings if one refused it.
    pub(crate) fn finish<T>(self, read: Read<T>) -> Result<(T, Vec<Finding>), Vec<Finding>> {
        match read {
            Ok(value) if self.refused == 0 => Ok((value, self.findings)),
            _ => Err(self.findings),
        }
    }

    /// What was found so far, without judging the resource as a whole.
    pub(crate) fn into_findings(self) -> Vec<Finding> {
        self.findings
    }

    /// Notes a source of other resources, which is waited for so long (`None`: for ever).
    pub(crate) fn note_source(&mut self, wait: Option<Duration>) {
        let longest = match (self.fetch_timeout, wait) {
            (None, wait) => wait,
            (Some(Some(known)), Some(wait)) => Some(known.max(wait)),
            (Some(_), _) => None,
        };
        self.fetch_timeout = Some(longest);
    }

    /// How long the sources that were read are waited for.
    pub(crate) fn fetch_timeout(&self) -> Option<Duration> {
        self.fetch_timeout.unwrap_or(Some(FETCH_TIMEOUT))
    }

    /// Refuses what is being read.
    pub(crate) fn refuse(&mut self, reason: impl Into<String>) -> Refused {
        self.refused += 1;
        self.record(FindingClass::Refused, reason.into(), None);
        Refused(())
    }

    /// Refuses what is being read, and says what to write instead.
    pub(crate) fn refuse_with_hint(&mut self, reason: impl Into<String>, hint: &'static str) -> Refused {
        self.refused += 1;
        self.record(FindingClass::Refused, reason.into(), Some(hint));
        Refused(())
    }

    /// Refuses a field of what is being read.
    pub(crate) fn refuse_at(&mut self, field: &'static str, reason: impl Into<String>) -> Refused {
        self.within(field, |r| r.refuse(reason))
    }

    /// Notes that what is being read has no effect.
    pub(crate) fn ignore(&mut self, reason: impl Into<String>) {
        self.record(FindingClass::Ignored, reason.into(), None);
    }

    /// Notes that a field of what is being read has no effect.
    pub(crate) fn ignore_at(&mut self, field: &'static str, reason: impl Into<String>) {
        self.within(field, |r| r.ignore(reason));
    }

    fn record(&mut self, class: FindingClass, reason: String, hint: Option<&'static str>) {
        // The first refusal is kept even when the list is full: it is why the resource went.
        if self.findings.len() < MAX_FINDINGS || (class == FindingClass::Refused && self.refused == 1) {
            let (resource, path) = (self.resource.clone(), self.path());
            self.findings.push(Finding { resource, path, class, reason, hint });
        }
    }

    fn path(&self) -> String {
        let mut text = String::new();
        for step in &self.path {
            // A step without a field is within a list or map that has no fields of its own.
            if !text.is_empty() && !matches!(step, Step::Item("", _) | Step::Key("", _)) {
                text.push('.');
            }
            // Writing to a String cannot fail.
            let _ = match step {
                Step::Field(name) => write!(text, "{name}"),
                Step::Item(name, index) => write!(text, "{name}[{index}]"),
                Step::Key(name, key) => write!(text, "{name}[{key:?}]"),
            };
        }
        text
    }

    fn step<T>(&mut self, step: Step, read: impl FnOnce(&mut Self) -> T) -> T {
        self.path.push(step);
        let value = read(self);
        self.path.pop();
        value
    }

    /// Reads a field.
    pub(crate) fn within<T>(&mut self, field: &'static str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.step(Step::Field(field.strip_prefix("r#").unwrap_or(field)), read)
    }

    /// Reads one entry of a list.
    pub(crate) fn item<T>(
        &mut self,
        field: &'static str,
        index: usize,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        self.step(Step::Item(field, index), read)
    }

    /// Reads one entry of a map.
    pub(crate) fn key<T>(&mut self, field: &'static str, key: &str, read: impl FnOnce(&mut Self) -> T) -> T {
        self.step(Step::Key(field, key.into()), read)
    }

    /// Reads every entry of a list, also after a refusal, so that all are reported at once.
    pub(crate) fn each<P, T>(
        &mut self,
        field: &'static str,
        items: &[P],
        mut read: impl FnMut(&mut Self, &P) -> Read<T>,
    ) -> Read<Vec<T>> {
        let mut values = Vec::with_capacity(items.len());
        let mut refused = None;
        for (index, item) in items.iter().enumerate() {
            match self.item(field, index, |r| read(r, item)) {
                Ok(value) => values.push(value),
                Err(refusal) => refused = Some(refusal),
            }
        }
        refused.map_or(Ok(values), Err)
    }

    /// Reads a message that may be absent.
    pub(crate) fn maybe<P, T>(
        &mut self,
        field: &'static str,
        message: Option<&P>,
        read: impl FnOnce(&mut Self, &P) -> Read<T>,
    ) -> Read<Option<T>> {
        message.map(|m| self.within(field, |r| read(r, m))).transpose()
    }

    /// Reads a message that must be there.
    pub(crate) fn need<P, T>(
        &mut self,
        field: &'static str,
        message: Option<&P>,
        read: impl FnOnce(&mut Self, &P) -> Read<T>,
    ) -> Read<T> {
        match message {
            Some(m) => self.within(field, |r| read(r, m)),
            None => Err(self.refuse(format!("{field} is required"))),
        }
    }

    /// Checks that a text is not empty.
    pub(crate) fn text<'t>(&mut self, field: &'static str, text: &'t str) -> Read<&'t str> {
        if text.is_empty() { Err(self.refuse(format!("{field} must not be empty"))) } else { Ok(text) }
    }

    /// Reads an enumeration.
    pub(crate) fn choice<E: TryFrom<i32>>(&mut self, field: &'static str, number: i32) -> Read<E> {
        E::try_from(number)
            .map_err(|_| self.refuse_at(field, format!("{number} is not a value of this enumeration")))
    }

    /// Reads a number that has bounds.
    pub(crate) fn bounded(
        &mut self,
        field: &'static str,
        number: Option<&protobuf::UInt32Value>,
        default: u32,
        bounds: RangeInclusive<u32>,
    ) -> Read<u32> {
        let Some(number) = number.map(|n| n.value) else { return Ok(default) };
        if bounds.contains(&number) {
            return Ok(number);
        }
        Err(self.refuse_at(field, format!("{number} is outside {}..={}", bounds.start(), bounds.end())))
    }

    /// Reads a port, 1–65535.
    pub(crate) fn port(&mut self, field: &'static str, number: u32) -> Read<u16> {
        match u16::try_from(number) {
            Ok(port) if port != 0 => Ok(port),
            _ => Err(self.refuse_at(field, format!("{number} is not a port"))),
        }
    }

    /// Reads a duration that may be absent, in whole milliseconds as Envoy counts.
    pub(crate) fn duration(
        &mut self,
        field: &'static str,
        value: Option<&protobuf::Duration>,
    ) -> Read<Option<Duration>> {
        self.maybe(field, value, |r, d| {
            let protobuf::Duration { seconds, nanos } = d;
            match (u64::try_from(*seconds), u32::try_from(*nanos)) {
                (Ok(s), Ok(n)) if *seconds <= MAX_SECONDS && n < 1_000_000_000 => {
                    Ok(Duration::from_secs(s) + Duration::from_millis(u64::from(n / 1_000_000)))
                }
                _ => Err(r.refuse(format!("{seconds} s and {nanos} ns is not a valid duration"))),
            }
        })
    }

    /// Reads a time limit where zero means none: `None` is no limit.
    pub(crate) fn limit(
        &mut self,
        field: &'static str,
        value: Option<&protobuf::Duration>,
        default: Option<Duration>,
    ) -> Read<Option<Duration>> {
        Ok(self.duration(field, value)?.or(default).filter(|d| !d.is_zero()))
    }

    /// Reads a duration that must be above zero when it is there.
    pub(crate) fn positive(
        &mut self,
        field: &'static str,
        value: Option<&protobuf::Duration>,
        default: Duration,
    ) -> Read<Duration> {
        match self.duration(field, value)? {
            Some(d) if d.is_zero() => Err(self.refuse_at(field, "must be at least 1 ms")),
            Some(d) => Ok(d),
            None => Ok(default),
        }
    }

    /// Reads the message within an `Any`, which must be a `M`.
    pub(crate) fn unpack<M: Message + Default, T>(
        &mut self,
        any: &protobuf::Any,
        read: impl FnOnce(&mut Self, &M) -> Read<T>,
    ) -> Read<T> {
        if self.any_depth >= MAX_ANY_DEPTH {
            return Err(self.refuse(format!("more than {MAX_ANY_DEPTH} messages within one another")));
        }
        let message = M::decode(any.value.as_slice())
            .map_err(|error| self.refuse(format!("{} does not decode: {error}", type_name(any))))?;
        self.any_depth += 1;
        let value = read(self, &message);
        self.any_depth -= 1;
        value
    }
}

/// The configuration that an `Any` stands for: a `TypedStruct` whose type is known becomes that type.
/// One of an unknown type stays as it is, and is named by its inner type.
pub(crate) fn expanded<'p>(r: &mut Reader<'_>, any: &'p protobuf::Any) -> Read<Cow<'p, protobuf::Any>> {
    match weft_proto::text::expand_typed_struct(any) {
        Ok(None) => Ok(Cow::Borrowed(any)),
        Ok(Some(message)) => Ok(Cow::Owned(message)),
        Err(TypedStructError::UnknownType(type_url)) => {
            Ok(Cow::Owned(protobuf::Any { type_url, value: Vec::new() }))
        }
        Err(error) => Err(r.refuse(error.to_string())),
    }
}

/// The message name within the type URL of an `Any`.
pub(crate) fn type_name(any: &protobuf::Any) -> &str {
    any.type_url.rsplit('/').next().unwrap_or_default()
}

/// Whether an `Any` holds a message of that type.
pub(crate) fn holds<M: ProtoName>(any: &protobuf::Any) -> bool {
    type_name(any) == M::full_name()
}

/// The value of an optional boolean.
pub(crate) fn bool_or(value: Option<&protobuf::BoolValue>, default: bool) -> bool {
    value.map_or(default, |v| v.value)
}

/// The value of an optional number.
pub(crate) fn u32_or(value: Option<&protobuf::UInt32Value>, default: u32) -> u32 {
    value.map_or(default, |v| v.value)
}

/// The value of an optional number.
pub(crate) fn u64_or(value: Option<&protobuf::UInt64Value>, default: u64) -> u64 {
    value.map_or(default, |v| v.value)
}
