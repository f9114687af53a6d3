//! Entries of `set_filter_state`.

use super::reader::{Read, Reader};
use super::unset::ignore_set;
use crate::filter::FilterStateEntry;
use crate::istio::{LOCAL_PRINCIPAL, PEER_PRINCIPAL};
use crate::pb::envoy::config::core::v3::{SubstitutionFormatString, substitution_format_string::Format};
use crate::pb::envoy::extensions::filters::common::set_filter_state::v3::{
    FilterStateValue, filter_state_value as value,
};
use crate::route::Template;

/// The object factories that are known; Envoy refuses others too. Objects of these are plain text
/// here, and mean what their readers make of them.
const FACTORIES: &[&str] = &[
    "envoy.string",
    "envoy.hashable_string",
    "istio.hashable_string",
    PEER_PRINCIPAL,
    LOCAL_PRINCIPAL,
    "envoy.network.application_protocols",
    "envoy.network.upstream_server_name",
    "envoy.network.upstream_subject_alt_names",
    "envoy.tcp_proxy.cluster",
    "envoy.upstream.dynamic_host",
    "envoy.upstream.dynamic_port",
    "envoy.network.transport_socket.original_dst_address",
    "envoy.filters.listener.original_dst.local_ip",
    "envoy.filters.listener.original_dst.remote_ip",
];

/// The entries on which a connection to an endpoint depends, shared or not, as in Envoy.
const READ_UPSTREAM: &[&str] = &[
    "envoy.network.application_protocols",
    "envoy.network.upstream_server_name",
    "envoy.network.upstream_subject_alt_names",
];

/// Reads one entry.
pub(crate) fn entry(r: &mut Reader<'_>, proto: &FilterStateValue) -> Read<FilterStateEntry> {
    let FilterStateValue { factory_key, read_only, shared_with_upstream, skip_if_empty, key, value } = proto;
    ignore_set!(r, "no later filter writes the same entry", read_only);
    let key = match key {
        Some(value::Key::ObjectKey(key)) => r.text("object_key", key)?,
        None => return Err(r.refuse("object_key is required")),
    };
    // Envoy: without a factory of its own name, the key must be one.
    let factory = if factory_key.is_empty() { key } else { factory_key.as_str() };
    if !FACTORIES.contains(&factory) {
        let field = if factory_key.is_empty() { "object_key" } else { "factory_key" };
        return Err(r.refuse_at(field, format!("{factory:?} has no object factory")));
    }
    let shared: value::SharedWithUpstream = r.choice("shared_with_upstream", *shared_with_upstream)?;
    if shared != value::SharedWithUpstream::None && !READ_UPSTREAM.contains(&key) {
        r.ignore_at("shared_with_upstream", "nothing toward endpoints reads this entry");
    }
    let text = match value {
        Some(value::Value::FormatString(format)) => r.within("format_string", |r| {
            let template = text(r, format)?;
            super::headers::check_filter_template(r, &template)?;
            Ok(template)
        })?,
        None => return Err(r.refuse("format_string is required")),
    };
    Ok(FilterStateEntry { key: key.into(), value: text, skip_if_empty: *skip_if_empty })
}

fn text(r: &mut Reader<'_>, proto: &SubstitutionFormatString) -> Read<Template> {
    let SubstitutionFormatString { omit_empty_values, content_type, formatters, json_format_options, format } =
        proto;
    ignore_set!(r, "a missing value is empty", omit_empty_values);
    ignore_set!(r, "an entry is text", content_type, json_format_options);
    ignore_set!(r, "the built-in operators are the only ones", formatters);
    let parse = |r: &mut Reader<'_>, field, text: &str| {
        Template::parse(text).map_err(|error| r.refuse_at(field, error.to_string()))
    };
    match format {
        Some(Format::TextFormat(text)) => parse(r, "text_format", text),
        Some(Format::TextFormatSource(data)) => {
            let text = r.within("text_format_source", |r| super::source::text(r, data))?;
            parse(r, "text_format_source", &text)
        }
        Some(Format::JsonFormat(_)) => Err(r.refuse_at("json_format", "an entry is text")),
        None => Err(r.refuse("a format is required")),
    }
}
