//! Headers.

use std::collections::BTreeMap;

use weft_types::head::is_token_byte;

use crate::decode::shorten;
use crate::diagnostic::Code;
use crate::istio::http_route::{HeaderOperations, Headers};
use crate::report::Report;

/// Checks a header's name. Pseudo headers may be set where `pseudo` says so.
pub(super) fn name(r: &mut Report, name: &str, pseudo: bool) {
    let bare = if pseudo { name.strip_prefix(':').unwrap_or(name) } else { name };
    if bare.is_empty() || !bare.bytes().all(is_token_byte) {
        r.error(Code::Header, format!("{:?} is not a header's name", shorten(name)));
    }
}

/// Checks a list of names.
pub(super) fn names(r: &mut Report, field: &'static str, names: &[String]) {
    r.each(field, names, |r, text| {
        if text != "*" {
            name(r, text, false);
        }
    });
}

/// Checks changes of headers.
pub(super) fn operations(r: &mut Report, headers: Option<&Headers>) {
    r.maybe("headers", headers, |r, headers| {
        r.maybe("request", headers.request.as_ref(), one_way);
        r.maybe("response", headers.response.as_ref(), one_way);
    });
}

fn one_way(r: &mut Report, operations: &HeaderOperations) {
    let HeaderOperations { set, add, remove } = operations;
    r.within("set", |r| values(r, set));
    r.within("add", |r| values(r, add));
    r.each("remove", remove, |r, text| {
        name(r, text, false);
        if text.eq_ignore_ascii_case("host") {
            r.error(Code::Header, "the host cannot be removed");
        }
    });
}

fn values(r: &mut Report, headers: &BTreeMap<String, String>) {
    for (key, value) in headers {
        r.key(key, |r| {
            name(r, key, true);
            if value.bytes().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
                r.error(Code::Header, "a header's value cannot hold a line break");
            }
        });
    }
}
