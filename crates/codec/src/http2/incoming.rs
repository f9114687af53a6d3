//! Decoded fields to heads and trailers (RFC 9113 section 8).

use weft_types::{Headers, Method, RequestHead, ResponseHead, Version};

use super::error_code::word;
use super::field_rules as rules;
use crate::Limits;

/// What a header block stands for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Section {
    Request,
    Response,
    Trailers,
    /// Nobody wants it: decoded only to keep HPACK in step.
    Discard,
}

/// Why a section can't be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unusable {
    /// It is well-formed, but above a limit or of a kind that we refuse; Envoy's word for which.
    Refused(&'static str),
    /// A field of it breaks the rule named.
    Field(&'static str),
    /// As a whole it breaks the rule named.
    Section(&'static str),
}

impl Unusable {
    /// Envoy's detail word.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Refused(word) => word,
            Self::Field(_) => word::FIELD,
            Self::Section(_) => word::MESSAGING,
        }
    }
}

/// Pseudo-header fields as they came.
#[derive(Debug, Default)]
struct Pseudo {
    method: Option<Method>,
    scheme: Option<Box<str>>,
    authority: Option<Box<str>>,
    path: Option<Box<str>>,
    protocol: Option<Box<str>>,
    status: Option<u16>,
}

/// What the receiver of a request needs to know beyond its fields.
#[derive(Clone, Copy, Debug)]
pub(super) struct RequestRules<'a> {
    /// The scheme that the transport implies, for requests that name none (CONNECT).
    pub(super) scheme: &'a str,
    /// Whether extended CONNECT is taken (RFC 8441).
    pub(super) extended_connect: bool,
    /// Whether CONNECT is taken.
    pub(super) connect: bool,
}

/// Collects the fields of one section, checking each; after the first fault it stores nothing more.
#[derive(Debug)]
pub(super) struct Incoming {
    section: Section,
    fault: Option<Unusable>,
    pseudo: Pseudo,
    /// A `host` field, which stands in for a missing `:authority`.
    host: Option<Box<str>>,
    /// Crumbs of `cookie`, joined (section 8.2.3).
    cookie: Vec<u8>,
    headers: Headers,
    content_length: Option<u64>,
    ordinary_seen: bool,
    bytes_left: usize,
    fields_left: usize,
    reject_underscores: bool,
}

impl Incoming {
    pub(super) fn new(section: Section, limits: &Limits) -> Self {
        let headers = match section {
            Section::Discard => Headers::new(),
            Section::Request | Section::Response | Section::Trailers => Headers::with_capacity(16, 512),
        };
        Self {
            section,
            fault: None,
            pseudo: Pseudo::default(),
            host: None,
            cookie: Vec::new(),
            headers,
            content_length: None,
            ordinary_seen: false,
            bytes_left: limits.max_head_bytes,
            fields_left: limits.max_head_fields,
            reject_underscores: limits.reject_underscores && section != Section::Response,
        }
    }

    /// Takes the next field.
    pub(super) fn field(&mut self, name: &[u8], value: &[u8]) {
        if self.fault.is_none() && self.section != Section::Discard {
            self.fault = self.try_field(name, value).err();
        }
    }

    fn try_field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Unusable> {
        let bytes_left = self.bytes_left.checked_sub(name.len() + value.len());
        self.bytes_left = bytes_left.ok_or(Unusable::Refused(word::HEAD_TOO_LARGE))?;
        let fields_left = self.fields_left.checked_sub(1);
        self.fields_left = fields_left.ok_or(Unusable::Refused(word::TOO_MANY_HEADERS))?;
        if let Some(pseudo) = name.strip_prefix(b":") {
            return self.pseudo_field(pseudo, value);
        }
        self.ordinary_seen = true;
        self.ordinary_field(name, value)
    }

    fn pseudo_field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Unusable> {
        if self.ordinary_seen {
            return Err(Unusable::Field("pseudo-header field after an ordinary field"));
        }
        let pseudo = &mut self.pseudo;
        let (known, repeated) = match (self.section, name) {
            (Section::Request, b"method") => {
                (rules::is_method(value), pseudo.method.replace(method(value)?).is_some())
            }
            (Section::Request, b"scheme") => {
                (rules::is_scheme(value), pseudo.scheme.replace(text(value)?).is_some())
            }
            (Section::Request, b"authority") => {
                (rules::is_authority(value), pseudo.authority.replace(text(value)?).is_some())
            }
            (Section::Request, b"path") => {
                (rules::is_target(value), pseudo.path.replace(text(value)?).is_some())
            }
            (Section::Request, b"protocol") => {
                (rules::is_method(value), pseudo.protocol.replace(text(value)?).is_some())
            }
            (Section::Response, b"status") => (true, pseudo.status.replace(status(value)?).is_some()),
            _ => return Err(Unusable::Field("pseudo-header field that has no place here")),
        };
        if !known {
            return Err(Unusable::Field("invalid value of a pseudo-header field"));
        }
        if repeated {
            return Err(Unusable::Field("repeated pseudo-header field"));
        }
        Ok(())
    }

    fn ordinary_field(&mut self, name: &[u8], value: &[u8]) -> Result<(), Unusable> {
        if !rules::is_name(name) {
            return Err(Unusable::Field("invalid field name"));
        }
        if self.reject_underscores && name.contains(&b'_') {
            return Err(Unusable::Refused(word::UNDERSCORE));
        }
        if !rules::is_value(value) {
            return Err(Unusable::Field("invalid field value"));
        }
        let value = rules::trim(value);
        match name {
            b"cookie" => {
                if !self.cookie.is_empty() {
                    self.cookie.extend_from_slice(b"; ");
                }
                self.cookie.extend_from_slice(value);
                return Ok(());
            }
            b"host" if self.section == Section::Request => return self.host_field(value),
            b"content-length" if self.section != Section::Trailers => {
                let length = rules::content_length(value);
                let length = length.ok_or(Unusable::Field("invalid content-length"))?;
                if self.content_length.replace(length).is_some() {
                    return Err(Unusable::Field("repeated content-length"));
                }
            }
            b"te" if !value.eq_ignore_ascii_case(b"trailers") => {
                return Err(Unusable::Field("te other than trailers"));
            }
            _ if rules::is_connection_specific(name) => {
                return Err(Unusable::Field("connection-specific field"));
            }
            _ => {}
        }
        self.headers.append_checked(name, value);
        Ok(())
    }

    /// `:authority` wins over `host`, which is dropped; so nothing behind us sees two answers.
    fn host_field(&mut self, value: &[u8]) -> Result<(), Unusable> {
        if self.pseudo.authority.is_some() {
            return Ok(());
        }
        if !rules::is_authority(value) {
            return Err(Unusable::Field("invalid host"));
        }
        match self.host.replace(text(value)?) {
            Some(_) => Err(Unusable::Field("repeated host")),
            None => Ok(()),
        }
    }

    fn finish_fields(&mut self) -> Result<Headers, Unusable> {
        if let Some(fault) = self.fault {
            return Err(fault);
        }
        if !self.cookie.is_empty() {
            self.headers.append_checked(b"cookie", &self.cookie);
        }
        Ok(std::mem::take(&mut self.headers))
    }

    /// The request and its declared length.
    pub(super) fn into_request(
        mut self,
        rules: RequestRules<'_>,
    ) -> Result<(RequestHead, Option<u64>), Unusable> {
        let headers = self.finish_fields()?;
        let pseudo = self.pseudo;
        let method = pseudo.method.ok_or(Unusable::Section("no :method"))?;
        let authority = pseudo.authority.or(self.host).ok_or(Unusable::Section("no :authority"))?;
        let connect = method == Method::Connect;
        if connect && !rules.connect {
            return Err(Unusable::Section("CONNECT is not allowed"));
        }
        if pseudo.protocol.is_some() && !(connect && rules.extended_connect) {
            return Err(Unusable::Field(":protocol without extended CONNECT"));
        }
        let (scheme, path) = if connect && pseudo.protocol.is_none() {
            if pseudo.scheme.is_some() || pseudo.path.is_some() {
                return Err(Unusable::Section(":scheme or :path with CONNECT"));
            }
            (rules.scheme.into(), Box::default())
        } else {
            let scheme = pseudo.scheme.ok_or(Unusable::Section("no :scheme"))?;
            let path = pseudo.path.ok_or(Unusable::Section("no :path"))?;
            let options_of_all = &*path == "*" && method == Method::Options;
            if !path.starts_with('/') && !options_of_all {
                return Err(Unusable::Section(":path is no path"));
            }
            (scheme, path)
        };
        let content_length = if connect { None } else { self.content_length };
        let protocol = pseudo.protocol;
        let version = Version::Http2;
        Ok((RequestHead { method, scheme, authority, path, protocol, version, headers }, content_length))
    }

    /// The response and its declared length.
    pub(super) fn into_response(mut self) -> Result<(ResponseHead, Option<u64>), Unusable> {
        let headers = self.finish_fields()?;
        let status = self.pseudo.status.ok_or(Unusable::Section("no :status"))?;
        if status == 101 {
            return Err(Unusable::Section("status 101"));
        }
        let head = ResponseHead { status, version: Version::Http2, reason: Box::default(), headers };
        Ok((head, self.content_length))
    }

    pub(super) fn into_trailers(mut self) -> Result<Headers, Unusable> {
        self.finish_fields()
    }
}

fn text(value: &[u8]) -> Result<Box<str>, Unusable> {
    let text = std::str::from_utf8(value).map_err(|_| Unusable::Field("not UTF-8"))?;
    Ok(text.into())
}

fn method(value: &[u8]) -> Result<Method, Unusable> {
    Method::parse(value).ok_or(Unusable::Field("invalid :method"))
}

fn status(value: &[u8]) -> Result<u16, Unusable> {
    match value {
        [hundreds @ b'1'..=b'9', tens @ b'0'..=b'9', ones @ b'0'..=b'9'] => {
            let digit = |d: &u8| u16::from(d - b'0');
            Ok(digit(hundreds) * 100 + digit(tens) * 10 + digit(ones))
        }
        _ => Err(Unusable::Field("invalid :status")),
    }
}
