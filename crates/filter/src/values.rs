//! Command operators as far as filters can answer them from the heads at hand.

use std::borrow::Cow;

use weft_match::joined::is_joined;
use weft_route::headers::OperatorValues;
use weft_types::{Headers, RequestHead, ResponseHead};

/// Values from a request alone.
#[derive(Debug)]
pub struct RequestValues<'a>(pub &'a RequestHead);

impl OperatorValues for RequestValues<'_> {
    fn value(&self, name: &str, argument: &str) -> Option<Cow<'_, [u8]>> {
        match name {
            "REQ" => first_of(argument, |name| request_field(self.0, name)),
            "PROTOCOL" => Some(Cow::Borrowed(self.0.version.as_str().as_bytes())),
            _ => None,
        }
    }
}

/// Values from a request and its response.
#[derive(Debug)]
pub struct ResponseValues<'a> {
    /// The request, if it is at hand.
    pub request: Option<&'a RequestHead>,
    /// The response.
    pub response: &'a ResponseHead,
}

impl OperatorValues for ResponseValues<'_> {
    fn value(&self, name: &str, argument: &str) -> Option<Cow<'_, [u8]>> {
        match name {
            "RESP" => first_of(argument, |name| field(&self.response.headers, name)),
            "RESPONSE_CODE" => Some(Cow::Owned(self.response.status.to_string().into_bytes())),
            "REQ" => self.request.and_then(|r| first_of(argument, |name| request_field(r, name))),
            "PROTOCOL" => self.request.map(|r| Cow::Borrowed(r.version.as_str().as_bytes())),
            _ => None,
        }
    }
}

/// The first field of that name, or all as one where they count as one.
fn field<'a>(fields: &'a Headers, name: &str) -> Option<Cow<'a, [u8]>> {
    if is_joined(name) { fields.get_joined(name.as_bytes()) } else { fields.get(name).map(Cow::Borrowed) }
}

fn request_field<'a>(head: &'a RequestHead, name: &str) -> Option<Cow<'a, [u8]>> {
    if name.starts_with(':') || name == "host" { head.field(name) } else { field(&head.headers, name) }
}

/// `A?B`: the value of `A`, else of `B`.
fn first_of<'a>(argument: &str, field: impl Fn(&str) -> Option<Cow<'a, [u8]>>) -> Option<Cow<'a, [u8]>> {
    argument.split('?').find_map(|name| field(&name.to_ascii_lowercase()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_looked_up_as_in_envoy() {
        let mut head = RequestHead::get("h.test", "/p?q");
        head.headers =
            [("X-M", "1"), ("x-m", "2"), ("x-e", ""), ("accept", "a"), ("accept", "b")].into_iter().collect();
        let value = |name: &str, argument: &str| {
            RequestValues(&head).value(name, argument).map(|v| String::from_utf8_lossy(&v).into_owned())
        };
        for (argument, want) in [
            ("X-M", Some("1")),
            ("x-no?x-m", Some("1")),
            ("x-e?x-m", Some("")),
            ("accept", Some("a,b")),
            (":path", Some("/p?q")),
            ("host", Some("h.test")),
            (":method", Some("GET")),
            ("x-no", None),
        ] {
            assert_eq!(value("REQ", argument).as_deref(), want, "{argument}");
        }
        assert_eq!(value("PROTOCOL", "").as_deref(), Some("HTTP/1.1"));
        assert_eq!(value("ROUTE_NAME", ""), None);
    }

    #[test]
    fn responses_know_their_request() {
        let request = RequestHead::get("h.test", "/");
        let mut response = ResponseHead::new(404);
        response.headers.append("x-a", "1");
        let values = ResponseValues { request: Some(&request), response: &response };
        let text = |name: &str, argument: &str| {
            values.value(name, argument).map(|v| String::from_utf8_lossy(&v).into_owned())
        };
        assert_eq!(text("RESP", "X-A").as_deref(), Some("1"));
        assert_eq!(text("RESPONSE_CODE", "").as_deref(), Some("404"));
        assert_eq!(text("REQ", ":authority").as_deref(), Some("h.test"));
        let alone = ResponseValues { request: None, response: &response };
        assert!(alone.value("REQ", ":authority").is_none());
    }
}
