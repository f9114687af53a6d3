//! Who is signed in: a name without a password, kept in a cookie.

use std::borrow::Cow;

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// Longest name, in bytes.
const MAX_NAME_BYTES: usize = 64;

/// A signed-in user's name: 1 to 64 bytes, no control characters; anything else, markup included, may occur.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct User {
    name: String,
    header: HeaderValue,
}

impl User {
    /// Takes a name without surrounding white space, or nothing if it is none.
    pub(crate) fn new(name: &str) -> Option<Self> {
        let name = name.trim();
        if name.is_empty() || name.len() > MAX_NAME_BYTES || name.contains(char::is_control) {
            return None;
        }
        let header = HeaderValue::from_bytes(name.as_bytes()).ok()?;
        Some(Self { name: name.to_owned(), header })
    }

    /// The field `username` of a form.
    pub(crate) fn from_form(body: &[u8]) -> Option<Self> {
        Self::new(&field(body, "username")?)
    }

    /// The user of the session cookie, if there is a good one.
    pub(crate) fn from_cookies(headers: &HeaderMap) -> Option<Self> {
        let cookies = headers.get_all(COOKIE).iter().flat_map(|value| value.as_bytes().split(|&b| b == b';'));
        let mut sessions = cookies.filter_map(|cookie| field(cookie.trim_ascii(), "session"));
        Self::new(&sessions.next()?)
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Value for the header `end-user`.
    pub(crate) fn header(&self) -> HeaderValue {
        self.header.clone()
    }

    /// `Set-Cookie` value that signs this user in until the browser ends.
    pub(crate) fn cookie(&self) -> String {
        let name: String = form_urlencoded::byte_serialize(self.name.as_bytes()).collect();
        format!("session={name}; Path=/; HttpOnly; SameSite=Lax")
    }

    /// `Set-Cookie` value that signs anyone out.
    pub(crate) fn no_cookie() -> &'static str {
        "session=; Path=/; HttpOnly; SameSite=Lax; Max-Age=0"
    }
}

fn field<'a>(pairs: &'a [u8], name: &str) -> Option<Cow<'a, str>> {
    form_urlencoded::parse(pairs).find(|(key, _)| key == name).map(|(_, value)| value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_survives_its_cookie() {
        for name in ["jason", "Jäson & Söhne; <b>", "a=b%20c+d"] {
            let user = User::new(name).unwrap();
            let cookie = user.cookie();
            let pair = format!("other=1; {}", cookie.split(';').next().unwrap());
            let headers = HeaderMap::from_iter([(COOKIE, HeaderValue::try_from(pair).unwrap())]);
            assert_eq!(User::from_cookies(&headers), Some(user));
        }
    }

    #[test]
    fn names_that_would_break_a_header_are_none() {
        for name in ["", "  ", "a\r\nb: c", "a\0", &"x".repeat(65)] {
            assert_eq!(User::new(name), None, "{name:?}");
        }
    }
}
