//! The causes of diagnostics. A number is never used for a second meaning.

use std::fmt;

use serde::{Serialize, Serializer};

macro_rules! codes {
    ($($(#[doc = $doc:literal])+ $name:ident = $number:literal,)*) => {
        /// The cause of a diagnostic; written `WEFT0101`.
        ///
        /// `WEFT00xx` are about documents, `WEFT01xx` about fields, `WEFT02xx` about what fields mean
        /// together, `WEFT03xx` about what objects mean together.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Code { $($(#[doc = $doc])+ $name = $number,)* }

        impl Code {
            /// Every cause, by number.
            pub const ALL: &[Self] = &[$(Self::$name),*];

            /// What the cause is, in one sentence or more.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self { $(Self::$name => concat!($($doc),+).trim_ascii(),)* }
            }
        }
    };
}

codes! {
    /// The text is not YAML.
    Syntax = 1,
    /// A limit on size, depth or number is exceeded.
    Limit = 2,
    /// The document is not an object: a map with apiVersion, kind and metadata.
    NotAnObject = 3,
    /// The file cannot be read.
    Unreadable = 4,
    /// Another document has the same kind, namespace and name, and was accepted first.
    DuplicateObject = 5,
    /// Weft does not act on this kind.
    KindNotRead = 6,
    /// There is no such kind, or not in that version.
    UnknownKind = 7,
    /// The object's name or namespace is missing or not a DNS name.
    ObjectName = 8,

    /// The kind has no such field.
    UnknownField = 101,
    /// The value has another type than the field.
    WrongType = 102,
    /// The field takes only certain words.
    UnknownWord = 103,
    /// The field must be set.
    MissingField = 104,
    /// The same key stands twice in one map.
    DuplicateKey = 105,
    /// The field is replaced by another.
    Deprecated = 106,
    /// Only one of these fields may be set.
    Exclusive = 107,
    /// The number, length or count is outside of its bounds.
    OutOfBounds = 108,
    /// The field is accepted but does nothing.
    WithoutEffect = 109,

    /// Not a host name, or not one that may stand here.
    Host = 201,
    /// Weights do not make a distribution.
    Weight = 202,
    /// A match that can never hold, or that says nothing.
    Match = 203,
    /// The regular expression does not compile.
    Regex = 204,
    /// Not a port, or a port twice.
    Port = 205,
    /// Not a duration, or too short.
    Duration = 206,
    /// A rule does nothing, or two things at once.
    Route = 207,
    /// The subset's name or labels.
    Subset = 208,
    /// TLS fields that do not go with the mode.
    Tls = 209,
    /// Not a label or a selector of labels.
    Selector = 210,
    /// Not the name of a gateway or namespace.
    Reference = 211,
    /// Not an IP address or range.
    Address = 212,
    /// Not a header name or value.
    Header = 213,
    /// Retries that contradict themselves.
    Retry = 214,
    /// A fault that cannot be injected.
    Fault = 215,
    /// Localities that do not make a distribution or failover.
    Locality = 216,
    /// Not a protocol name.
    Protocol = 217,
    /// An authorization rule that cannot be meant.
    Policy = 218,
    /// Endpoints that do not go with the resolution.
    Resolution = 219,
    /// A rule that no request reaches.
    Unreachable = 220,
    /// Load balancing settings that contradict themselves.
    LoadBalancer = 221,

    /// The host is of no service that the object's proxies see.
    UnknownHost = 301,
    /// No DestinationRule that is in force defines the subset.
    UnknownSubset = 302,
    /// There is no such Gateway.
    UnknownGateway = 303,
    /// There is no such VirtualService to delegate to, or it is not for delegation.
    UnknownDelegate = 304,
    /// Another object goes before this one.
    Conflict = 305,
    /// The service has no such port.
    UnknownPort = 306,
    /// No endpoint serves it, so that calls fail.
    NoEndpoints = 307,
    /// It works only if something outside of the mesh can be reached.
    OutsideNeeded = 308,
    /// It selects no workload.
    NothingSelected = 309,
    /// The annotation's value cannot be read.
    Annotation = 310,
    /// A Secret that it names is missing, cannot serve, or may not be read.
    Secret = 311,
}

impl fmt::Display for Code {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "WEFT{:04}", *self as u16)
    }
}

impl Serialize for Code {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}
