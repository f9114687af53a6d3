//! Changes of headers (VS-18).

use weft_api::istio::http_route::{HeaderOperations, Headers};
use weft_proto::envoy::config::core::v3::header_value_option::HeaderAppendAction;
use weft_proto::envoy::config::core::v3::{HeaderValue, HeaderValueOption};

/// Changes in Envoy's lists.
#[derive(Debug, Default)]
pub(super) struct Changes {
    pub(super) request_add: Vec<HeaderValueOption>,
    pub(super) request_remove: Vec<String>,
    pub(super) response_add: Vec<HeaderValueOption>,
    pub(super) response_remove: Vec<String>,
    /// `Host` is not a header like others: it is rewritten.
    pub(super) host: Option<String>,
}

impl Changes {
    /// Adds the changes of a rule or destination.
    pub(super) fn add(&mut self, headers: Option<&Headers>) {
        let Some(Headers { request, response }) = headers else { return };
        if let Some(operations) = request {
            let host = operations.set.iter().find(|(name, _)| is_host(name)).map(|(_, value)| value.clone());
            self.host = host.or_else(|| self.host.take());
            self.request_add.extend(values(operations));
            self.request_remove.extend(removals(operations));
        }
        if let Some(operations) = response {
            self.response_add.extend(values(operations));
            self.response_remove.extend(removals(operations));
        }
    }
}

fn is_host(name: &str) -> bool {
    name == ":authority" || name.eq_ignore_ascii_case("host")
}

fn changeable(name: &str) -> bool {
    !name.starts_with(':') && !is_host(name)
}

fn values(operations: &HeaderOperations) -> Vec<HeaderValueOption> {
    let one = |(name, value): (&String, &String), action: HeaderAppendAction| HeaderValueOption {
        header: Some(HeaderValue { key: name.clone(), value: value.clone(), ..Default::default() }),
        append_action: action.into(),
        ..Default::default()
    };
    let set = operations.set.iter().filter(|(name, _)| changeable(name));
    let add = operations.add.iter().filter(|(name, _)| changeable(name));
    set.map(|entry| one(entry, HeaderAppendAction::OverwriteIfExistsOrAdd))
        .chain(add.map(|entry| one(entry, HeaderAppendAction::AppendIfExistsOrAdd)))
        .collect()
}

fn removals(operations: &HeaderOperations) -> impl Iterator<Item = String> {
    operations.remove.iter().filter(|name| changeable(name)).cloned()
}
