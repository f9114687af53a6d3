//! Header changes of routes (VS-18).

use std::borrow::Cow;

use weft_match::joined::is_joined;
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

/// The levels of a decision in the order in which they apply. The weighted cluster always comes first;
/// then route, host, configuration, so that the least specific has the last word, or the other way
/// round with `most_specific_header_mutations_wins`.
fn levels<'a>(config: &'a RouteConfig, choice: &'a RouteChoice) -> impl Iterator<Item = &'a HeaderRules> {
    let mut levels = [&choice.route.headers, &choice.host.headers, &config.headers];
    if config.most_specific_headers_win {
        levels.reverse();
    }
    choice.weighted_cluster().map(|w| &w.headers).into_iter().chain(levels)
}

/// Whether any level changes the request.
#[must_use]
pub fn changes_request(config: &RouteConfig, choice: &RouteChoice) -> bool {
    levels(config, choice).any(|rules| !rules.request.is_empty() || !rules.request_remove.is_empty())
}

/// Whether any level changes the response.
#[must_use]
pub fn changes_response(config: &RouteConfig, choice: &RouteChoice) -> bool {
    levels(config, choice).any(|rules| !rules.response.is_empty() || !rules.response_remove.is_empty())
}

/// Applies the request changes of all levels. `values` formats a value from the request so far.
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
        let formatted = rules.request.iter().map(|m| (m, values(head, &m.value))).collect();
        apply_level(&mut head.headers, formatted);
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
        let formatted = rules.response.iter().map(|m| (m, values(head, &m.value))).collect();
        apply_level(&mut head.headers, formatted);
    }
}

/// One level at once, as Envoy does it: conditions and values are those from before the level, then
/// what overwrites comes before what adds.
fn apply_level(headers: &mut Headers, formatted: Vec<(&HeaderMutation, Vec<u8>)>) {
    let wanted: Vec<_> =
        formatted.into_iter().filter(|(mutation, value)| applies(headers, mutation, value)).collect();
    let overwrites = |m: &HeaderMutation| {
        matches!(m.action, AppendAction::OverwriteOrAdd | AppendAction::OverwriteIfExists)
    };
    for (mutation, value) in wanted.iter().filter(|(m, _)| overwrites(m)) {
        headers.set(&*mutation.name, value);
    }
    for (mutation, value) in wanted.iter().filter(|(m, _)| !overwrites(m)) {
        append(headers, &mutation.name, value);
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
    if !applies(headers, mutation, value) {
        return;
    }
    match mutation.action {
        AppendAction::Append | AppendAction::AddIfAbsent => append(headers, &mutation.name, value),
        AppendAction::OverwriteOrAdd | AppendAction::OverwriteIfExists => headers.set(&*mutation.name, value),
    }
}

/// Whether a change has a value and its condition holds.
fn applies(headers: &Headers, mutation: &HeaderMutation, value: &[u8]) -> bool {
    (mutation.keep_empty || !value.is_empty())
        && match mutation.action {
            AppendAction::Append | AppendAction::OverwriteOrAdd => true,
            AppendAction::AddIfAbsent => !headers.contains(&*mutation.name),
            AppendAction::OverwriteIfExists => headers.contains(&*mutation.name),
        }
}

/// Adds a field beside what is there; names that stand for one value are joined by a comma.
fn append(headers: &mut Headers, name: &str, value: &[u8]) {
    let old = if is_joined(name) { headers.get_joined(name.as_bytes()) } else { None };
    match old {
        Some(old) if !old.is_empty() => {
            let joined = [&*old, b",", value].concat();
            headers.set(name, joined);
        }
        Some(_) => headers.set(name, value),
        None => headers.append(name, value),
    }
}

#[cfg(test)]
mod tests;
