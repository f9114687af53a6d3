//! Header changes.

use super::reader::{Read, Reader};
use crate::pb::envoy::config::core::v3::{HeaderValue, HeaderValueOption, header_value_option};
use crate::route::{AppendAction, HeaderMutation, HeaderRules, Template, TemplatePart};
use header_value_option::HeaderAppendAction;

/// Longest header name, bytes (Envoy's limit on configured header names).
const MAX_NAME_BYTES: usize = 16 * 1024;

/// The lists of changes that routes, hosts and weighted clusters all have.
pub(crate) struct Lists<'p> {
    pub(crate) request_headers_to_add: &'p [HeaderValueOption],
    pub(crate) request_headers_to_remove: &'p [String],
    pub(crate) response_headers_to_add: &'p [HeaderValueOption],
    pub(crate) response_headers_to_remove: &'p [String],
}

/// Reads the four lists.
pub(crate) fn rules(r: &mut Reader<'_>, lists: &Lists<'_>) -> Read<HeaderRules> {
    let add = |r: &mut Reader<'_>, option: &HeaderValueOption| mutation(r, option);
    let request = r.each("request_headers_to_add", lists.request_headers_to_add, add);
    let remove = |r: &mut Reader<'_>, name: &String| removal(r, name);
    let request_remove = r.each("request_headers_to_remove", lists.request_headers_to_remove, remove);
    let response = r.each("response_headers_to_add", lists.response_headers_to_add, add);
    let response_remove = r.each("response_headers_to_remove", lists.response_headers_to_remove, remove);
    Ok(HeaderRules {
        request: request?,
        request_remove: request_remove?,
        response: response?,
        response_remove: response_remove?,
    })
}

/// Reads one addition.
pub(crate) fn mutation(r: &mut Reader<'_>, proto: &HeaderValueOption) -> Read<HeaderMutation> {
    let HeaderValueOption { header, append, append_action, keep_empty_value } = proto;
    let action = match r.choice("append_action", *append_action)? {
        HeaderAppendAction::AppendIfExistsOrAdd => AppendAction::Append,
        HeaderAppendAction::AddIfAbsent => AppendAction::AddIfAbsent,
        HeaderAppendAction::OverwriteIfExistsOrAdd => AppendAction::OverwriteOrAdd,
        HeaderAppendAction::OverwriteIfExists => AppendAction::OverwriteIfExists,
    };
    let action = match append {
        Some(_) if *append_action != 0 => {
            return Err(r.refuse_at("append", "not together with append_action"));
        }
        Some(flag) if !flag.value => AppendAction::OverwriteOrAdd,
        _ => action,
    };
    let (name, value) = r.need("header", header.as_ref(), |r, header| field(r, header))?;
    Ok(HeaderMutation { name, value, action, keep_empty: *keep_empty_value })
}

fn field(r: &mut Reader<'_>, proto: &HeaderValue) -> Read<(Box<str>, Template)> {
    let HeaderValue { key, value, raw_value } = proto;
    let name = field_name(r, "key", key)?;
    if name.starts_with(':') || &*name == "host" {
        return Err(r.refuse_at("key", "pseudo-header fields and host cannot be changed so"));
    }
    let text = match (value.is_empty(), raw_value.as_slice()) {
        (_, []) => value.as_str(),
        (true, raw) => std::str::from_utf8(raw)
            .map_err(|_| r.refuse_at("raw_value", "values that are not text are not implemented"))?,
        (false, _) => return Err(r.refuse_at("raw_value", "not together with value")),
    };
    check_value(r, "value", text)?;
    let template = Template::parse(text).map_err(|error| r.refuse_at("value", error.to_string()))?;
    Ok((name, template))
}

/// What filters can put into a value: they see heads, not the connection.
const FILTER_OPERATORS: &[&str] = &["PROTOCOL", "REQ", "RESP", "RESPONSE_CODE"];

/// Refuses a template with operators that a filter cannot fill in.
pub(crate) fn check_filter_template(r: &mut Reader<'_>, template: &Template) -> Read<()> {
    for part in &template.0 {
        if let TemplatePart::Operator { name, .. } = part
            && !FILTER_OPERATORS.contains(&&**name)
        {
            return Err(r.refuse_with_hint(
                format!("the operator %{name}% is not implemented in filters"),
                "request_headers_to_add of routes has all operators",
            ));
        }
    }
    Ok(())
}

/// Reads the name of a field to remove on a route.
pub(crate) fn removal(r: &mut Reader<'_>, name: &str) -> Read<Box<str>> {
    let lower = name.to_ascii_lowercase();
    if lower.is_empty() {
        return Err(r.refuse("a header name must not be empty"));
    }
    if lower.starts_with(':') || lower == "host" {
        return Err(r.refuse("pseudo-header fields and host cannot be removed"));
    }
    Ok(lower.into())
}

/// Reads a field name; the result is in lower case.
pub(crate) fn field_name(r: &mut Reader<'_>, at: &'static str, name: &str) -> Read<Box<str>> {
    if name.is_empty() {
        return Err(r.refuse(format!("{at} must not be empty")));
    }
    checked_name(name).map_err(|reason| r.refuse_at(at, reason))
}

/// Refuses bytes that no field value may hold.
pub(crate) fn check_value(r: &mut Reader<'_>, at: &'static str, value: &str) -> Read<()> {
    if value.bytes().any(|b| matches!(b, b'\0' | b'\r' | b'\n')) {
        return Err(r.refuse_at(at, "NUL, CR and LF cannot stand in a header value"));
    }
    Ok(())
}

fn checked_name(name: &str) -> Result<Box<str>, String> {
    let token = name.strip_prefix(':').unwrap_or(name);
    if token.is_empty() || name.len() > MAX_NAME_BYTES || !token.bytes().all(weft_types::head::is_token_byte)
    {
        return Err(format!("{name:?} is not a header name"));
    }
    Ok(name.to_ascii_lowercase().into())
}
