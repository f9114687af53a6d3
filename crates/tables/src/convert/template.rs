//! Texts with Envoy's command operators: `%REQ(X?Y):Z%`, and `%%` for a percent sign.

use thiserror::Error;

use crate::route::{Template, TemplatePart};

/// What an operator takes: an argument in parentheses, and a length limit (`:n`).
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Nothing.
    None,
    /// An argument or none.
    Optional,
    /// An argument or none, and a limit.
    OptionalLimited,
    /// An argument.
    Needed,
    /// An argument, and a limit.
    NeededLimited,
}

/// Why a text is not a template.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TemplateError {
    /// A percent sign starts no operator.
    #[error("byte {0}: a percent sign that starts no operator; write %% for the sign itself")]
    Syntax(usize),
    /// An operator that Envoy does not have, or that is not implemented here.
    #[error("unknown operator %{0}%")]
    Unknown(String),
    /// An operator that needs an argument stands without one.
    #[error("operator %{0}% needs an argument in parentheses")]
    NoArgument(&'static str),
    /// An operator that takes no argument has one.
    #[error("operator %{0}% takes no argument")]
    Argument(&'static str),
    /// A header operator names more than one alternative.
    #[error("%{0}%: more than one alternative")]
    Alternatives(&'static str),
    /// An operator that takes no length limit has one.
    #[error("operator %{0}% takes no length limit")]
    Limit(&'static str),
    /// Longer than the limit of Envoy's header values.
    #[error("longer than {MAX_TEMPLATE_BYTES} bytes")]
    TooLong,
}

/// Longest template, bytes (Envoy's limit on configured header values).
pub const MAX_TEMPLATE_BYTES: usize = 16 * 1024;

/// The operators that are understood, sorted by name, with what they take. Which form each one has was
/// asked of Envoy 1.40 (`--mode validate`), which refuses others too.
const OPERATORS: &[(&str, Form)] = {
    use Form::{Needed, NeededLimited, None, Optional, OptionalLimited};
    &[
        ("ACCESS_LOG_TYPE", None),
        ("BYTES_RECEIVED", None),
        ("BYTES_SENT", None),
        ("CLUSTER_METADATA", Needed),
        ("COMMON_DURATION", Needed),
        ("CONNECTION_ID", None),
        ("CONNECTION_TERMINATION_DETAILS", None),
        ("CUSTOM_FLAGS", None),
        ("DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", None),
        ("DOWNSTREAM_DECOMPRESSED_HEADER_BYTES_SENT", None),
        ("DOWNSTREAM_DETECTED_CLOSE_TYPE", None),
        ("DOWNSTREAM_DIRECT_LOCAL_ADDRESS", None),
        ("DOWNSTREAM_DIRECT_LOCAL_ADDRESS_WITHOUT_PORT", Optional),
        ("DOWNSTREAM_DIRECT_LOCAL_PORT", None),
        ("DOWNSTREAM_DIRECT_REMOTE_ADDRESS", None),
        ("DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT", Optional),
        ("DOWNSTREAM_DIRECT_REMOTE_PORT", None),
        ("DOWNSTREAM_HANDSHAKE_DURATION", None),
        ("DOWNSTREAM_HEADER_BYTES_RECEIVED", None),
        ("DOWNSTREAM_HEADER_BYTES_SENT", None),
        ("DOWNSTREAM_LOCAL_ADDRESS", None),
        ("DOWNSTREAM_LOCAL_ADDRESS_ENDPOINT_ID", None),
        ("DOWNSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Optional),
        ("DOWNSTREAM_LOCAL_CLOSE_REASON", None),
        ("DOWNSTREAM_LOCAL_DNS_SAN", None),
        ("DOWNSTREAM_LOCAL_EMAIL_SAN", None),
        ("DOWNSTREAM_LOCAL_IP_SAN", None),
        ("DOWNSTREAM_LOCAL_OTHERNAME_SAN", None),
        ("DOWNSTREAM_LOCAL_PORT", None),
        ("DOWNSTREAM_LOCAL_SUBJECT", None),
        ("DOWNSTREAM_LOCAL_URI_SAN", None),
        ("DOWNSTREAM_PEER_CERT", None),
        ("DOWNSTREAM_PEER_CERT_V_END", Optional),
        ("DOWNSTREAM_PEER_CERT_V_START", Optional),
        ("DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_1", None),
        ("DOWNSTREAM_PEER_CHAIN_FINGERPRINTS_256", None),
        ("DOWNSTREAM_PEER_CHAIN_SERIALS", None),
        ("DOWNSTREAM_PEER_DNS_SAN", None),
        ("DOWNSTREAM_PEER_EMAIL_SAN", None),
        ("DOWNSTREAM_PEER_FINGERPRINT_1", None),
        ("DOWNSTREAM_PEER_FINGERPRINT_256", None),
        ("DOWNSTREAM_PEER_IP_SAN", None),
        ("DOWNSTREAM_PEER_ISSUER", None),
        ("DOWNSTREAM_PEER_OTHERNAME_SAN", None),
        ("DOWNSTREAM_PEER_SERIAL", None),
        ("DOWNSTREAM_PEER_SUBJECT", None),
        ("DOWNSTREAM_PEER_URI_SAN", None),
        ("DOWNSTREAM_REMOTE_ADDRESS", None),
        ("DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Optional),
        ("DOWNSTREAM_REMOTE_PORT", None),
        ("DOWNSTREAM_TLS_CIPHER", None),
        ("DOWNSTREAM_TLS_SESSION_ID", None),
        ("DOWNSTREAM_TLS_VERSION", None),
        ("DOWNSTREAM_TRANSPORT_FAILURE_REASON", None),
        ("DOWNSTREAM_WIRE_BYTES_RECEIVED", None),
        ("DOWNSTREAM_WIRE_BYTES_SENT", None),
        ("DURATION", None),
        ("DYNAMIC_METADATA", NeededLimited),
        ("EMIT_TIME", Optional),
        ("ENVIRONMENT", NeededLimited),
        ("FILTER_CHAIN_NAME", None),
        ("FILTER_STATE", NeededLimited),
        ("GRPC_STATUS", Optional),
        ("GRPC_STATUS_NUMBER", None),
        ("HOSTNAME", None),
        ("LOCAL_REPLY_BODY", None),
        ("METADATA", NeededLimited),
        ("PATH", OptionalLimited),
        ("PROTOCOL", None),
        ("QUERY_PARAM", NeededLimited),
        ("QUERY_PARAMS", OptionalLimited),
        ("REQ", NeededLimited),
        ("REQUESTED_SERVER_NAME", Optional),
        ("REQUEST_DURATION", None),
        ("REQUEST_HEADER", NeededLimited),
        ("REQUEST_HEADERS_BYTES", None),
        ("REQUEST_TX_DURATION", None),
        ("RESP", NeededLimited),
        ("RESPONSE_CODE", None),
        ("RESPONSE_CODE_DETAILS", Optional),
        ("RESPONSE_DURATION", None),
        ("RESPONSE_FLAGS", None),
        ("RESPONSE_FLAGS_LONG", None),
        ("RESPONSE_HEADER", NeededLimited),
        ("RESPONSE_HEADERS_BYTES", None),
        ("RESPONSE_TRAILERS_BYTES", None),
        ("RESPONSE_TX_DURATION", None),
        ("ROUNDTRIP_DURATION", None),
        ("ROUTE_NAME", None),
        ("SPAN_ID", None),
        ("START_TIME", Optional),
        ("START_TIME_LOCAL", Optional),
        ("STREAM_ID", None),
        ("TLS_JA3_FINGERPRINT", None),
        ("TLS_JA4_FINGERPRINT", None),
        ("TRACE_ID", None),
        ("TRAILER", NeededLimited),
        ("UNIQUE_ID", None),
        ("UPSTREAM_CLUSTER", None),
        ("UPSTREAM_CLUSTER_RAW", None),
        ("UPSTREAM_CONNECTION_ID", None),
        ("UPSTREAM_CONNECTION_POOL_READY_DURATION", None),
        ("UPSTREAM_DECOMPRESSED_HEADER_BYTES_RECEIVED", None),
        ("UPSTREAM_DECOMPRESSED_HEADER_BYTES_SENT", None),
        ("UPSTREAM_DETECTED_CLOSE_TYPE", None),
        ("UPSTREAM_FILTER_STATE", NeededLimited),
        ("UPSTREAM_HEADER_BYTES_RECEIVED", None),
        ("UPSTREAM_HEADER_BYTES_SENT", None),
        ("UPSTREAM_HOST", None),
        ("UPSTREAM_HOSTS_ATTEMPTED", None),
        ("UPSTREAM_HOSTS_ATTEMPTED_WITHOUT_PORT", None),
        ("UPSTREAM_HOST_NAME", None),
        ("UPSTREAM_HOST_NAMES_ATTEMPTED", None),
        ("UPSTREAM_HOST_NAME_WITHOUT_PORT", None),
        ("UPSTREAM_LOCAL_ADDRESS", None),
        ("UPSTREAM_LOCAL_ADDRESS_WITHOUT_PORT", Optional),
        ("UPSTREAM_LOCAL_CLOSE_REASON", None),
        ("UPSTREAM_LOCAL_DNS_SAN", None),
        ("UPSTREAM_LOCAL_PORT", None),
        ("UPSTREAM_LOCAL_URI_SAN", None),
        ("UPSTREAM_METADATA", Needed),
        ("UPSTREAM_PEER_CERT", None),
        ("UPSTREAM_PEER_CERT_V_END", Optional),
        ("UPSTREAM_PEER_CERT_V_START", Optional),
        ("UPSTREAM_PEER_DNS_SAN", None),
        ("UPSTREAM_PEER_IP_SAN", None),
        ("UPSTREAM_PEER_ISSUER", None),
        ("UPSTREAM_PEER_SUBJECT", None),
        ("UPSTREAM_PEER_URI_SAN", None),
        ("UPSTREAM_PROTOCOL", None),
        ("UPSTREAM_REMOTE_ADDRESS", None),
        ("UPSTREAM_REMOTE_ADDRESS_WITHOUT_PORT", Optional),
        ("UPSTREAM_REMOTE_PORT", None),
        ("UPSTREAM_REQUEST_ATTEMPT_COUNT", None),
        ("UPSTREAM_TLS_CIPHER", None),
        ("UPSTREAM_TLS_SESSION_ID", None),
        ("UPSTREAM_TLS_VERSION", None),
        ("UPSTREAM_TRANSPORT_FAILURE_REASON", None),
        ("UPSTREAM_WIRE_BYTES_RECEIVED", None),
        ("UPSTREAM_WIRE_BYTES_SENT", None),
        ("VIRTUAL_CLUSTER_NAME", None),
    ]
};

impl Template {
    /// Parses a text with command operators.
    ///
    /// # Errors
    /// A percent sign that starts no operator, an operator that is not known, an argument that is
    /// missing or has no place, or a text longer than [`MAX_TEMPLATE_BYTES`].
    pub fn parse(text: &str) -> Result<Self, TemplateError> {
        if text.len() > MAX_TEMPLATE_BYTES {
            return Err(TemplateError::TooLong);
        }
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('%') {
            let (before, operator) = rest.split_at(at);
            literal.push_str(before);
            if let Some(after) = operator.strip_prefix("%%") {
                literal.push('%');
                rest = after;
                continue;
            }
            let position = text.len() - operator.len();
            let (part, after) = parse_operator(operator.get(1..).unwrap_or_default(), position)?;
            if !literal.is_empty() {
                parts.push(TemplatePart::Text(std::mem::take(&mut literal).into()));
            }
            parts.push(part);
            rest = after;
        }
        literal.push_str(rest);
        if !literal.is_empty() {
            parts.push(TemplatePart::Text(literal.into()));
        }
        Ok(Self(parts))
    }

    /// The text, if there is no operator in it.
    #[must_use]
    pub fn as_literal(&self) -> Option<&str> {
        match self.0.as_slice() {
            [] => Some(""),
            [TemplatePart::Text(text)] => Some(text),
            _ => None,
        }
    }
}

/// Parses one operator behind its percent sign, and returns what comes after it.
fn parse_operator(text: &str, position: usize) -> Result<(TemplatePart, &str), TemplateError> {
    let syntax = || TemplateError::Syntax(position);
    let end = text
        .find(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'))
        .ok_or_else(syntax)?;
    let (name, mut rest) = text.split_at(end);
    if name.is_empty() {
        return Err(syntax());
    }
    let mut argument = None;
    if let Some(inner) = rest.strip_prefix('(') {
        let (text, after) = inner.split_once(')').ok_or_else(syntax)?;
        argument = Some(text);
        rest = after;
    }
    let mut limit = None;
    if let Some(digits) = rest.strip_prefix(':') {
        let end = digits.find(|c: char| !c.is_ascii_digit()).ok_or_else(syntax)?;
        let (number, after) = digits.split_at(end);
        limit = Some(number.parse().map_err(|_| syntax())?);
        rest = after;
    }
    let rest = rest.strip_prefix('%').ok_or_else(syntax)?;
    let known = OPERATORS
        .binary_search_by(|(known, _)| (*known).cmp(name))
        .ok()
        .and_then(|at| OPERATORS.get(at))
        .ok_or_else(|| TemplateError::Unknown(name.to_owned()))?;
    match (known.1, argument.unwrap_or_default()) {
        (Form::Needed | Form::NeededLimited, "") => return Err(TemplateError::NoArgument(known.0)),
        (Form::None, text) if !text.is_empty() => return Err(TemplateError::Argument(known.0)),
        _ => {}
    }
    if matches!(name, "REQ" | "RESP" | "TRAILER") && argument.unwrap_or_default().matches('?').count() > 1 {
        return Err(TemplateError::Alternatives(known.0));
    }
    if limit.is_some() && !matches!(known.1, Form::NeededLimited | Form::OptionalLimited) {
        return Err(TemplateError::Limit(known.0));
    }
    let part =
        TemplatePart::Operator { name: name.into(), argument: argument.unwrap_or_default().into(), limit };
    Ok((part, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(name: &str, argument: &str, limit: Option<usize>) -> TemplatePart {
        TemplatePart::Operator { name: name.into(), argument: argument.into(), limit }
    }

    #[test]
    fn operators_are_sorted_for_the_search() {
        assert!(OPERATORS.is_sorted_by(|a, b| a.0 < b.0));
    }

    #[test]
    fn parses_operators_arguments_limits_and_percent_signs() {
        assert_eq!(
            Template::parse("a%%b %REQ(X-A?:PATH):12%%PROTOCOL%.").unwrap().0,
            [
                TemplatePart::Text("a%b ".into()),
                operator("REQ", "X-A?:PATH", Some(12)),
                operator("PROTOCOL", "", None),
                TemplatePart::Text(".".into()),
            ]
        );
        assert_eq!(
            Template::parse("%START_TIME(%Y-%m-%dT%H:%M:%S.%3fZ)%").unwrap().0,
            [operator("START_TIME", "%Y-%m-%dT%H:%M:%S.%3fZ", None)]
        );
        assert_eq!(Template::parse("plain").unwrap().as_literal(), Some("plain"));
        assert_eq!(Template::parse("").unwrap().as_literal(), Some(""));
    }

    #[test]
    fn refuses_what_it_does_not_understand() {
        assert_eq!(Template::parse("50% off"), Err(TemplateError::Syntax(2)));
        assert_eq!(Template::parse("%REQ(a"), Err(TemplateError::Syntax(0)));
        assert_eq!(Template::parse("x%REQ(a):x%"), Err(TemplateError::Syntax(1)));
        assert_eq!(Template::parse("%NO_SUCH%"), Err(TemplateError::Unknown("NO_SUCH".into())));
        assert_eq!(Template::parse("%REQ()%"), Err(TemplateError::NoArgument("REQ")));
        assert_eq!(Template::parse("%PROTOCOL(x)%"), Err(TemplateError::Argument("PROTOCOL")));
        assert_eq!(Template::parse("%REQ(a?b?c)%"), Err(TemplateError::Alternatives("REQ")));
        assert_eq!(Template::parse("%PROTOCOL:5%"), Err(TemplateError::Limit("PROTOCOL")));
        assert_eq!(Template::parse(&"x".repeat(MAX_TEMPLATE_BYTES + 1)), Err(TemplateError::TooLong));
    }
}
