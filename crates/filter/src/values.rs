//! Command operators as far as filters can answer them from the heads at hand.

use std::borrow::Cow;

use weft_route::headers::OperatorValues;
use weft_types::{RequestHead, ResponseHead};

/// Values from a request alone.
#[derive(Debug)]
pub(crate) struct RequestValues<'a>(pub(crate) &'a RequestHead);

impl OperatorValues for RequestValues<'_> {
    fn value(&self, name: &str, argument: &str) -> Option<Cow<'_, [u8]>> {
        match name {
            "REQ" => first_of(argument, |field| self.0.field(field)),
            "PROTOCOL" => Some(Cow::Borrowed(self.0.version.as_str().as_bytes())),
            _ => None,
        }
    }
}

/// Values from a request and its response.
#[derive(Debug)]
pub(crate) struct ResponseValues<'a> {
    pub(crate) request: Option<&'a RequestHead>,
    pub(crate) response: &'a ResponseHead,
}

impl OperatorValues for ResponseValues<'_> {
    fn value(&self, name: &str, argument: &str) -> Option<Cow<'_, [u8]>> {
        match name {
            "RESP" => first_of(argument, |field| self.response.headers.get_joined(field.as_bytes())),
            "RESPONSE_CODE" => Some(Cow::Owned(self.response.status.to_string().into_bytes())),
            "REQ" => self.request.and_then(|r| first_of(argument, |field| r.field(field))),
            _ => None,
        }
    }
}

/// `A?B`: the value of `A`, else of `B`.
fn first_of<'a>(argument: &str, field: impl Fn(&str) -> Option<Cow<'a, [u8]>>) -> Option<Cow<'a, [u8]>> {
    argument.split('?').find_map(|name| field(&name.to_ascii_lowercase()))
}
