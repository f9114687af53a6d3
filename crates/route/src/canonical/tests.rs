use proptest::prelude::*;

use super::*;
use crate::testing::manager;

fn path_of(path: &str, manager: &HttpManager) -> Result<String, Refusal> {
    let mut head = RequestHead::get("x.test", path);
    canonicalize(&mut head, manager, Some(80)).map(|_| head.path.to_string())
}

fn authority_of(authority: &str, manager: &HttpManager) -> String {
    let mut head = RequestHead::get(authority, "/");
    canonicalize(&mut head, manager, Some(8080)).unwrap();
    head.authority.to_string()
}

#[test]
fn paths_stay_as_they_are_by_default() {
    let plain = manager("");
    for path in ["/a/../b//c", "/a%2Fb", "/a%00", "/a\\b", "/?x#".trim_end_matches('#')] {
        assert_eq!(path_of(path, &plain).unwrap(), path);
    }
}

#[test]
fn paths_that_are_none_are_refused() {
    let plain = manager("");
    for (path, status, word) in [
        ("", 404, "missing_path_rejected"),
        ("*", 404, "absolute_path_rejected"),
        ("?q", 404, "absolute_path_rejected"),
        ("/a#b", 400, "path_normalization_failed"),
        ("/a?b#c", 400, "path_normalization_failed"),
    ] {
        let refusal = path_of(path, &plain).unwrap_err();
        assert_eq!((refusal.status, refusal.word, refusal.close), (status, word, status == 400), "{path}");
    }
}

#[test]
fn queries_are_left_alone() {
    let all = manager(
        "normalize_path: true, merge_slashes: true, path_with_escaped_slashes_action: UNESCAPE_AND_FORWARD",
    );
    assert_eq!(path_of("/a//b/../c?x/../y//%2f", &all).unwrap(), "/a/c?x/../y//%2f");
    assert_eq!(path_of("/a%2f..%2fb?c", &all).unwrap(), "/b?c");
}

#[test]
fn escaped_slashes_are_kept_refused_redirected_or_forwarded() {
    let with = |action| manager(&format!("normalize_path: true, path_with_escaped_slashes_action: {action}"));
    assert_eq!(path_of("/a%2Fb", &with("KEEP_UNCHANGED")).unwrap(), "/a%2Fb");
    assert_eq!(path_of("/a%5Cb", &with("REJECT_REQUEST")).unwrap_err().status, 400);
    assert_eq!(path_of("/a?%2f", &with("REJECT_REQUEST")).unwrap(), "/a?%2f");
    assert_eq!(path_of("/a/%5C../b", &with("UNESCAPE_AND_FORWARD")).unwrap(), "/a/b");
    let redirect = with("UNESCAPE_AND_REDIRECT");
    let refusal = path_of("/a%2F..%2fb?c%2fd", &redirect).unwrap_err();
    assert_eq!((refusal.status, refusal.location.as_deref(), refusal.close), (307, Some("/b?c%2fd"), false));
    assert_eq!(path_of("/a/../b", &redirect).unwrap(), "/b");
    let mut grpc = RequestHead::get("x.test", "/a%2Fb");
    grpc.headers.append("content-type", "application/grpc");
    assert_eq!(canonicalize(&mut grpc, &redirect, None).unwrap_err().status, 400);
}

#[test]
fn hosts_are_needed() {
    let mut head = RequestHead::get("", "/");
    let refusal = canonicalize(&mut head, &manager(""), None).unwrap_err();
    assert_eq!((refusal.status, refusal.word), (400, "missing_host_header"));
}

#[test]
fn queries_need_a_content_type() {
    let mut head = RequestHead::get("a", "/");
    head.method = Method::Other("QUERY".into());
    let refused = canonicalize(&mut head, &manager(""), None).unwrap_err();
    assert_eq!((refused.status, refused.word), (400, "query_missing_content_type"));
    head.headers.set("content-type", "application/sql");
    assert!(canonicalize(&mut head, &manager(""), None).is_ok());
}

#[test]
fn http10_is_served_where_told_so() {
    let old = || RequestHead { version: Version::Http10, ..RequestHead::get("", "/") };
    let refusal = canonicalize(&mut old(), &manager(""), None).unwrap_err();
    assert_eq!((refusal.status, refusal.word, refusal.body), (426, "low_version", "Upgrade Required"));
    let mut head = old();
    let accepting =
        manager("http_protocol_options: {accept_http_10: true, default_host_for_http_10: def.test}");
    canonicalize(&mut head, &accepting, None).unwrap();
    assert_eq!(&*head.authority, "def.test");
}

#[test]
fn ports_and_dots_are_stripped_as_in_envoy() {
    let any = manager("strip_any_host_port: true");
    let matching = manager("strip_matching_host_port: true");
    let dot = manager("strip_trailing_host_dot: true");
    for (given, by_any, by_matching, by_dot) in [
        ("x.test", "x.test", "x.test", "x.test"),
        ("x.test:8080", "x.test", "x.test", "x.test:8080"),
        ("x.test:08080", "x.test", "x.test", "x.test:08080"),
        ("x.test:80", "x.test", "x.test:80", "x.test:80"),
        ("x.test:99999", "x.test", "x.test:99999", "x.test:99999"),
        ("x.test:", "x.test:", "x.test:", "x.test:"),
        ("x.test:abc", "x.test:abc", "x.test:abc", "x.test:abc"),
        ("[::1]:8080", "[::1]", "[::1]", "[::1]:8080"),
        ("[::1]", "[::1]", "[::1]", "[::1]"),
        ("x.test.", "x.test.", "x.test.", "x.test"),
        ("x.test.:8080", "x.test.", "x.test.", "x.test:8080"),
        ("x.test..", "x.test..", "x.test..", "x.test."),
    ] {
        assert_eq!(authority_of(given, &any), by_any, "any: {given}");
        assert_eq!(authority_of(given, &matching), by_matching, "matching: {given}");
        assert_eq!(authority_of(given, &dot), by_dot, "dot: {given}");
    }
}

#[test]
fn a_connect_gives_its_port_to_whoever_restores_it() {
    let mut head =
        RequestHead { method: Method::Connect, path: "".into(), ..RequestHead::get("x.test:443", "/") };
    let left = canonicalize(&mut head, &manager("strip_any_host_port: true"), None).unwrap();
    assert_eq!((&*head.authority, left.connect_port), ("x.test", Some(443)));
    crate::rewrite::restore_port(&mut head, left.connect_port);
    assert_eq!(&*head.authority, "x.test:443");
}

#[test]
fn an_extended_connect_becomes_an_upgrade() {
    let mut head = RequestHead {
        method: Method::Connect,
        protocol: Some("websocket".into()),
        version: Version::Http2,
        ..RequestHead::get("x.test", "/a/../chat")
    };
    canonicalize(&mut head, &manager("normalize_path: true"), None).unwrap();
    assert_eq!((&head.method, &*head.path, &head.protocol), (&Method::Get, "/chat", &None));
    assert!(crate::forwarded::is_upgrade(&head.headers));
}

#[test]
fn names_with_underscores_pass_go_or_are_refused() {
    let head = || {
        let mut head = RequestHead::get("x.test", "/");
        head.headers.append("x_y", "1");
        head.headers.append("x-y", "2");
        head
    };
    let names = |action| {
        let mut head = head();
        let options = format!("common_http_protocol_options: {{headers_with_underscores_action: {action}}}");
        canonicalize(&mut head, &manager(&options), None).map(|_| head.headers.len())
    };
    assert_eq!(names("ALLOW"), Ok(2));
    assert_eq!(names("DROP_HEADER"), Ok(1));
    let refusal = names("REJECT_REQUEST").unwrap_err();
    assert_eq!((refusal.status, refusal.word), (400, "http1.unexpected_underscore"));
    assert_eq!(refusal.flag, Some(ResponseFlag::DownstreamProtocolError));
}

#[test]
fn nominated_fields_go() {
    let left = |connection: &str| {
        let mut head = RequestHead::get("x.test", "/");
        head.headers =
            [("connection", connection), ("x-a", "1"), ("x-forwarded-for", "1.1.1.1"), ("te", "trailers")]
                .into_iter()
                .collect();
        canonicalize(&mut head, &manager(""), None).map(|_| {
            (
                head.headers.contains("x-a"),
                head.headers.contains("x-forwarded-for"),
                head.headers.contains("te"),
            )
        })
    };
    for connection in ["x-a", "X-A", "close, x-a", "x-a,", "upgrade ,x-a"] {
        assert_eq!(left(connection), Ok((false, true, true)), "{connection}");
    }
    for connection in
        ["close", "keep-alive", "te", "connection", "x-b", "content-length", "a,b,c,d,e,f,g,h,i"]
    {
        assert_eq!(left(connection), Ok((true, true, true)), "{connection}");
    }
    for connection in
        ["x-forwarded-for", "close, X-Forwarded-Proto", "x-forwarded-host", ":path", "a,b,c,d,e,f,g,h,i,j"]
    {
        assert_eq!(left(connection).unwrap_err().word, "http1.connection_header_rejected", "{connection}");
    }
    assert_eq!(left("host").unwrap_err().word, "missing_host_header");
}

proptest! {
    /// The canonical form is its own canonical form.
    #[test]
    fn canonicalizing_twice_changes_nothing(
        path in r"/([a.;?/\\%]|%2[eEfF5]|%5c){0,12}",
        authority in r"[a-c]{1,3}\.?(:[0-9]{0,4})?",
        normalize_path: bool,
        merge_slashes: bool,
        unescape: bool,
        strip: bool,
    ) {
        let slashes = if unescape { "UNESCAPE_AND_FORWARD" } else { "KEEP_UNCHANGED" };
        let manager = manager(&format!(
            "normalize_path: {normalize_path}, merge_slashes: {merge_slashes}, strip_trailing_host_dot: {strip}, \
             strip_any_host_port: {strip}, path_with_escaped_slashes_action: {slashes}"
        ));
        let mut once = RequestHead::get(&authority, &path);
        // Unescaping alone is no normal form: what it uncovers only normalization resolves.
        if canonicalize(&mut once, &manager, None).is_ok() && (normalize_path || !unescape) {
            let mut twice = once.clone();
            prop_assert!(canonicalize(&mut twice, &manager, None).is_ok());
            prop_assert_eq!(twice, once);
        }
    }
}
