//! Methods that are served.

use weft_types::Method;

/// Methods beside those that [`Method`] names which Envoy 1.40 serves over HTTP/1.x; it refuses all
/// others with 400 unless custom methods are allowed, and so do we.
const SERVED: [&str; 26] = [
    "ACL",
    "BIND",
    "CHECKOUT",
    "COPY",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MOVE",
    "MSEARCH",
    "NOTIFY",
    "PROPFIND",
    "PROPPATCH",
    "PURGE",
    "QUERY",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SOURCE",
    "SUBSCRIBE",
    "UNBIND",
    "UNLINK",
    "UNLOCK",
    "UNSUBSCRIBE",
];

/// Reads the method of a request line; `None` when it is not served. `custom`: any token is.
pub(super) fn parse(token: &[u8], custom: bool) -> Option<Method> {
    match Method::parse(token)? {
        Method::Other(name) if !custom && SERVED.binary_search(&&*name).is_err() => None,
        method => Some(method),
    }
}

/// Whether a request of this method without a body says nothing about length. For others
/// `content-length: 0` tells the server that nothing comes (RFC 9110 section 8.6; the choice of
/// methods is Envoy's).
pub(super) fn is_bodiless(method: &Method) -> bool {
    matches!(method, Method::Get | Method::Head | Method::Delete | Method::Trace | Method::Connect)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn served_methods_are_sorted_for_the_search() {
        assert!(SERVED.is_sorted());
        assert_eq!(parse(b"UNSUBSCRIBE", false), Some(Method::Other("UNSUBSCRIBE".into())));
        assert_eq!(parse(b"get", false), None);
        assert_eq!(parse(b"PRI", false), None);
        assert_eq!(parse(b"BREW", true), Some(Method::Other("BREW".into())));
        assert_eq!(parse(b"G@T", true), None);
    }
}
