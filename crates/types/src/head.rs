//! The start of a request or response, in the form that all protocols share.

use crate::Headers;

/// A request method: a token of RFC 9110 section 9. Case matters.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Method {
    /// `GET`
    Get,
    /// `HEAD`
    Head,
    /// `POST`
    Post,
    /// `PUT`
    Put,
    /// `DELETE`
    Delete,
    /// `CONNECT`
    Connect,
    /// `OPTIONS`
    Options,
    /// `TRACE`
    Trace,
    /// `PATCH`
    Patch,
    /// Any other token.
    Other(Box<str>),
}

impl Method {
    /// Reads a method token; `None` when it is empty or not a token.
    #[must_use]
    pub fn parse(token: &[u8]) -> Option<Self> {
        Some(match token {
            b"GET" => Self::Get,
            b"HEAD" => Self::Head,
            b"POST" => Self::Post,
            b"PUT" => Self::Put,
            b"DELETE" => Self::Delete,
            b"CONNECT" => Self::Connect,
            b"OPTIONS" => Self::Options,
            b"TRACE" => Self::Trace,
            b"PATCH" => Self::Patch,
            _ if !token.is_empty() && token.iter().all(|b| is_token_byte(*b)) => {
                Self::Other(std::str::from_utf8(token).ok()?.into())
            }
            _ => return None,
        })
    }

    /// The token.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Delete => "DELETE",
            Self::Connect => "CONNECT",
            Self::Options => "OPTIONS",
            Self::Trace => "TRACE",
            Self::Patch => "PATCH",
            Self::Other(token) => token,
        }
    }
}

/// Whether the byte may stand in a token (RFC 9110 section 5.6.2).
#[must_use]
pub fn is_token_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte)
}

/// The protocol version that a message came in or goes out by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Version {
    /// HTTP/1.0
    Http10,
    /// HTTP/1.1
    Http11,
    /// HTTP/2
    Http2,
    /// HTTP/3
    Http3,
}

impl Version {
    /// As the access log writes it (`%PROTOCOL%`).
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Http10 => "HTTP/1.0",
            Self::Http11 => "HTTP/1.1",
            Self::Http2 => "HTTP/2",
            Self::Http3 => "HTTP/3",
        }
    }
}

/// A request's head. Pseudo-header fields are members; `headers` holds no `:name` and no `host`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RequestHead {
    /// Method.
    pub method: Method,
    /// `http` or `https`, as the client said or as the transport implies.
    pub scheme: Box<str>,
    /// Host and optional port: the `:authority` or `Host` field; empty when there was none.
    pub authority: Box<str>,
    /// Path with query, starting with `/`; `*` for `OPTIONS *`; empty for plain CONNECT.
    pub path: Box<str>,
    /// The `:protocol` of an extended CONNECT (RFC 8441); for HTTP/1.1 the token of `Upgrade` stays
    /// in `headers`.
    pub protocol: Option<Box<str>>,
    /// Version by which it came.
    pub version: Version,
    /// All other fields.
    pub headers: Headers,
}

impl RequestHead {
    /// A `GET` of `path` at `authority` without fields, for tests and the simulator.
    #[must_use]
    pub fn get(authority: &str, path: &str) -> Self {
        Self {
            method: Method::Get,
            scheme: "http".into(),
            authority: authority.into(),
            path: path.into(),
            protocol: None,
            version: Version::Http11,
            headers: Headers::new(),
        }
    }

    /// The path without query and fragment.
    #[must_use]
    pub fn path_only(&self) -> &str {
        self.path.split(['?', '#']).next().unwrap_or_default()
    }

    /// The query without `?`, if there is one.
    #[must_use]
    pub fn query(&self) -> Option<&str> {
        self.path.split_once('?').map(|(_, q)| q.split('#').next().unwrap_or_default())
    }

    /// A field or pseudo-header (`:method`, `:path`, `:authority`, `:scheme`, `host`) by its
    /// lower-case name, repeated fields joined by commas: what header matchers look at.
    #[must_use]
    pub fn field(&self, name: &str) -> Option<std::borrow::Cow<'_, [u8]>> {
        let pseudo = match name {
            ":method" => self.method.as_str(),
            ":path" => &self.path,
            ":authority" | "host" => &self.authority,
            ":scheme" => &self.scheme,
            ":protocol" => self.protocol.as_deref()?,
            _ => return self.headers.get_joined(name.as_bytes()),
        };
        if pseudo.is_empty() { None } else { Some(std::borrow::Cow::Borrowed(pseudo.as_bytes())) }
    }
}

/// A response's head.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResponseHead {
    /// Status code, 100–999.
    pub status: u16,
    /// Version by which it came.
    pub version: Version,
    /// The reason phrase of HTTP/1.x; empty elsewhere.
    pub reason: Box<str>,
    /// Fields.
    pub headers: Headers,
}

impl ResponseHead {
    /// A response of that status without fields.
    #[must_use]
    pub fn new(status: u16) -> Self {
        Self { status, version: Version::Http11, reason: "".into(), headers: Headers::new() }
    }

    /// Whether it is an interim response (1xx other than 101).
    #[must_use]
    pub fn is_interim(&self) -> bool {
        (100..200).contains(&self.status) && self.status != 101
    }
}
