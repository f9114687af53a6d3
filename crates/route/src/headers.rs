//! Header changes of routes (VS-18).

use std::borrow::Cow;

use weft_tables::route::{AppendAction, HeaderMutation, HeaderRules, RouteConfig, Template, TemplatePart};
use weft_types::{Headers, RequestHead, ResponseHead};

use crate::decide::RouteChoice;

/// Values of command operators such as `REQ(x)`; who formats log lines answers for headers too.
pub trait OperatorValues {
    /// The operator's value; `None` when there is none (an empty text then stands in).
    fn value(&self, name: &str, argument: &str) -> Option<Cow<'_, [u8]>>;
}

/// No operator has a value: for heads that are judged without a connection.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoValues;

impl OperatorValues for NoValues {
    fn value(&self, _name: &str, _argument: &str) -> Option<Cow<'_, [u8]>> {
        None
    }
}

/// Writes a template out.
#[must_use]
pub fn render(template: &Template, values: &dyn OperatorValues) -> Vec<u8> {
    let mut out = Vec::new();
    for part in &template.0 {
        match part {
            TemplatePart::Text(text) => out.extend_from_slice(text.as_bytes()),
            TemplatePart::Operator { name, argument, limit } => {
                if let Some(value) = values.value(name, argument) {
                    let end = limit.unwrap_or(usize::MAX).min(value.len());
                    out.extend_from_slice(&value[..end]);
                }
            }
        }
    }
    out
}

/// The levels of a decision in the order in which they apply: the most specific first, so that the
/// least specific has the last word, unless `most_specific_header_mutations_wins`.
fn levels<'a>(config: &'a RouteConfig, choice: &'a RouteChoice) -> Vec<&'a HeaderRules> {
    let mut levels: Vec<&HeaderRules> = choice.weighted_cluster().map(|w| &w.headers).into_iter().collect();
    levels.extend([&choice.route.headers, &choice.host.headers, &config.headers]);
    if config.most_specific_headers_win {
        levels.reverse();
    }
    levels
}

/// Applies the request changes of all levels.
pub fn apply_request(
    head: &mut RequestHead,
    config: &RouteConfig,
    choice: &RouteChoice,
    values: &dyn Fn(&RequestHead, &Template) -> Vec<u8>,
) {
    for rules in levels(config, choice) {
        for name in &rules.request_remove {
            head.headers.remove(&**name);
        }
        for mutation in &rules.request {
            let value = values(head, &mutation.value);
            mutate_request(head, mutation, &value);
        }
    }
}

/// Applies the response changes of all levels. `values` formats a value from the response so far.
pub fn apply_response(
    head: &mut ResponseHead,
    config: &RouteConfig,
    choice: &RouteChoice,
    values: &dyn Fn(&ResponseHead, &Template) -> Vec<u8>,
) {
    for rules in levels(config, choice) {
        for name in &rules.response_remove {
            head.headers.remove(&**name);
        }
        for mutation in &rules.response {
            let value = values(head, &mutation.value);
            mutate(&mut head.headers, mutation, &value);
        }
    }
}

/// One change of a request's fields; `host` and pseudo-headers change the head's members.
pub fn mutate_request(head: &mut RequestHead, mutation: &HeaderMutation, value: &[u8]) {
    let text = || String::from_utf8_lossy(value).into_owned().into_boxed_str();
    match &*mutation.name.to_ascii_lowercase() {
        ":authority" | "host" => head.authority = text(),
        ":path" => head.path = text(),
        ":scheme" => head.scheme = text(),
        ":method" => {
            if let Some(method) = weft_types::Method::parse(value) {
                head.method = method;
            }
        }
        _ => mutate(&mut head.headers, mutation, value),
    }
}

/// One change of fields.
pub fn mutate(headers: &mut Headers, mutation: &HeaderMutation, value: &[u8]) {
    if value.is_empty() && !mutation.keep_empty {
        return;
    }
    let name = &*mutation.name;
    match mutation.action {
        AppendAction::Append => headers.append(name, value),
        AppendAction::AddIfAbsent if !headers.contains(name) => headers.append(name, value),
        AppendAction::OverwriteIfExists if headers.contains(name) => headers.set(name, value),
        AppendAction::OverwriteOrAdd => headers.set(name, value),
        AppendAction::AddIfAbsent | AppendAction::OverwriteIfExists => {}
    }
}
