//! Refusing requests whose `x-envoy-*` fields make no sense (`strict_check_headers`).

use weft_balance::retry::is_condition;
use weft_filter::LocalReply;
use weft_types::{RequestHead, ResponseFlag};

/// The answer to a request one of whose fields is broken; `names` are those that are looked at.
pub(crate) fn check(names: &[Box<str>], head: &RequestHead) -> Option<LocalReply> {
    let (name, value) = names.iter().find_map(|name| {
        let value = head.headers.get(&**name)?;
        (!is_valid(name, value)).then_some((name, value))
    })?;
    let body = format!("invalid header '{name}' with value '{}'", String::from_utf8_lossy(value));
    let word = format!("request_headers_failed_strict_check{{{name}}}");
    let mut reply = LocalReply::new(400, "", "").flag(ResponseFlag::InvalidEnvoyRequestHeaders);
    reply.body = body.into();
    reply.detail.word = word.into();
    Some(reply)
}

fn is_valid(name: &str, value: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(value) else { return false };
    match name {
        "x-envoy-retry-on" | "x-envoy-retry-grpc-on" => text
            .split(',')
            .map(str::trim)
            .filter(|token| !token.is_empty())
            .all(|token| is_condition(token, name == "x-envoy-retry-grpc-on")),
        _ => text.trim().parse::<u64>().is_ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refuses(name: &str, value: &str) -> bool {
        let mut head = RequestHead::get("a", "/");
        head.headers.append(name, value);
        check(&[name.into()], &head).is_some()
    }

    #[test]
    fn numbers_and_conditions_are_looked_at_and_absent_fields_are_fine() {
        assert!(refuses("x-envoy-upstream-rq-timeout-ms", "1s"));
        assert!(!refuses("x-envoy-upstream-rq-timeout-ms", "1000"));
        assert!(refuses("x-envoy-retry-on", "5xx,nonsense"));
        assert!(!refuses("x-envoy-retry-on", "5xx, reset"));
        assert!(refuses("x-envoy-retry-grpc-on", "5xx"));
        assert!(check(&["x-envoy-max-retries".into()], &RequestHead::get("a", "/")).is_none());
    }
}
