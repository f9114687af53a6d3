use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use proptest::prelude::*;
use weft_tables::address::SocketAddress;
use weft_tables::cluster::MetadataValue;
use weft_types::{Detail, Headers, RequestHead, ResponseFlag, ResponseHead, Version};

use super::super::record::{CertificateFacts, DownstreamFacts, TimePoint, Times, TlsFacts, UpstreamFacts};
use super::*;
use crate::log::{CompiledTemplate, format_template};

/// The text access log of Istio's MeshConfig default (TM-09).
const ISTIO_FORMAT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% %CONNECTION_TERMINATION_DETAILS% \
    \"%UPSTREAM_TRANSPORT_FAILURE_REASON%\" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
    %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
    \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\" %UPSTREAM_CLUSTER_RAW% \
    %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% \
    %REQUESTED_SERVER_NAME% %ROUTE_NAME%\n";

struct Story {
    request: RequestHead,
    response: ResponseHead,
    trailers: Headers,
    detail: Detail,
    host: SocketAddress,
    uris: Vec<Box<str>>,
    metadata: BTreeMap<Box<str>, MetadataValue>,
    state: BTreeMap<Box<str>, Box<str>>,
}

impl Story {
    fn new() -> Self {
        let mut request = RequestHead::get("shop.example:8080", "/a?x=1&y=2");
        request.headers =
            [("user-agent", "curl/8"), ("x-request-id", "id-1"), ("x-q", "a\"b\\c")].into_iter().collect();
        let mut response = ResponseHead::new(200);
        response.headers.append("x-envoy-upstream-service-time", "3");
        let fields =
            [("n".into(), MetadataValue::Number(4.0)), ("s".into(), MetadataValue::String("t".into()))];
        Self {
            request,
            response,
            trailers: Headers::new(),
            detail: Detail::word("via upstream"),
            host: SocketAddress::Ip(([10, 0, 0, 9], 80).into()),
            uris: vec!["spiffe://td/ns/a/sa/b".into(), "u2".into()],
            metadata: [("f".into(), MetadataValue::Struct(fields.into_iter().collect()))]
                .into_iter()
                .collect(),
            state: [("k".into(), "v\"".into())].into_iter().collect(),
        }
    }

    fn record(&self) -> LogRecord<'_> {
        let mut times = Times::default();
        times.set(TimePoint::DownstreamRxEnd, Duration::from_millis(1));
        times.set(TimePoint::UpstreamRxStart, Duration::from_micros(3_500));
        times.set(TimePoint::DownstreamTxEnd, Duration::from_millis(5));
        LogRecord {
            start: Some(SystemTime::UNIX_EPOCH + Duration::from_millis(1_795_421_787_415)),
            duration: Some(Duration::from_micros(5_900)),
            times,
            request: Some(&self.request),
            response: Some(&self.response),
            trailers: Some(&self.trailers),
            protocol: Some(Version::Http11),
            status: Some(200),
            detail: Some(&self.detail),
            bytes_sent: 523,
            route_name: "rt",
            downstream: DownstreamFacts {
                remote: Some(([127, 0, 0, 1], 5000).into()),
                local: Some(([127, 0, 0, 2], 8080).into()),
                server_name: "shop.exa mple",
                tls: Some(TlsFacts {
                    version: "TLSv1.3",
                    peer: CertificateFacts { uris: &self.uris, ..CertificateFacts::default() },
                    ..TlsFacts::default()
                }),
                ..DownstreamFacts::default()
            },
            upstream: UpstreamFacts {
                cluster: "outbound|80||shop",
                host: Some(&self.host),
                attempts: 1,
                failure: "TLS error: no",
                ..UpstreamFacts::default()
            },
            dynamic_metadata: Some(&self.metadata),
            filter_state: Some(&self.state),
            ..LogRecord::default()
        }
    }

    fn line(&self, format: &str) -> String {
        String::from_utf8(LineFormat::parse(format).unwrap().line(&self.record())).unwrap()
    }
}

#[test]
fn writes_the_default_format_of_envoy_and_of_istio() {
    let story = Story::new();
    assert_eq!(
        story.line(DEFAULT_FORMAT),
        "[2026-11-23T08:16:27.415Z] \"GET /a?x=1&y=2 HTTP/1.1\" 200 - 0 523 5 3 \"-\" \"curl/8\" \"id-1\" \
         \"shop.example:8080\" \"10.0.0.9:80\"\n"
    );
    assert_eq!(
        story.line(ISTIO_FORMAT),
        "[2026-11-23T08:16:27.415Z] \"GET /a?x=1&y=2 HTTP/1.1\" 200 - via_upstream - \"TLS_error:_no\" 0 523 \
         5 3 \"-\" \"curl/8\" \"id-1\" \"shop.example:8080\" \"10.0.0.9:80\" outbound|80||shop - \
         127.0.0.2:8080 127.0.0.1:5000 shop.exa_mple rt\n"
    );
}

#[test]
fn operators_give_what_envoy_gives() {
    let story = Story::new();
    for (format, expect) in [
        ("%REQ(:AUTHORITY):4% %REQ(NOPE?USER-AGENT)% %REQ(NOPE)%", "shop curl/8 -"),
        ("100%%", "100%"),
        ("%REQUEST_DURATION% %RESPONSE_DURATION% %RESPONSE_TX_DURATION% %REQUEST_TX_DURATION%", "1 3 1 -"),
        ("%COMMON_DURATION(DS_RX_BEG:US_RX_BEG:us)% %COMMON_DURATION(US_RX_BEG:DS_RX_END)%", "3500 -"),
        ("%DOWNSTREAM_REMOTE_ADDRESS_WITHOUT_PORT% %DOWNSTREAM_LOCAL_PORT%", "127.0.0.1 8080"),
        ("%DOWNSTREAM_PEER_URI_SAN% %DOWNSTREAM_TLS_VERSION%", "spiffe://td/ns/a/sa/b,u2 TLSv1.3"),
        ("%DOWNSTREAM_PEER_SUBJECT% %UPSTREAM_TLS_VERSION%", "- -"),
        ("%PATH(NQ)% %PATH(WQ:ORIG)% %QUERY_PARAM(x)% %QUERY_PARAM(z)%", "/a - 1 -"),
        (
            "%DYNAMIC_METADATA(f:s)% %DYNAMIC_METADATA(f:n)% %DYNAMIC_METADATA(f)%",
            "t 4 {\"n\":4,\"s\":\"t\"}",
        ),
        ("%DYNAMIC_METADATA(f:x)% %DYNAMIC_METADATA(g)%", "- -"),
        ("%FILTER_STATE(k:PLAIN)% %FILTER_STATE(k)% %FILTER_STATE(j)%", "v\" \"v\\\"\" -"),
        ("%REQUESTED_SERVER_NAME(HOST_FIRST)%", "shop.example:8080"),
        ("%RESPONSE_CODE_DETAILS(ALLOW_WHITESPACES)%", "via upstream"),
        ("%UPSTREAM_HOST_NAME% %UPSTREAM_HOST_NAME_WITHOUT_PORT%", "10.0.0.9:80 10.0.0.9"),
        ("%GRPC_STATUS% %TRAILER(x)% %RESP(:STATUS)% %CUSTOM_FLAGS%.", "- - 200 ."),
        ("%UPSTREAM_REQUEST_ATTEMPT_COUNT% %CONNECTION_ID%", "1 0"),
    ] {
        assert_eq!(story.line(format), expect, "{format}");
    }
    let nothing = LineFormat::parse("%RESPONSE_CODE% %PROTOCOL% %START_TIME% %DURATION%").unwrap();
    assert_eq!(nothing.line(&LogRecord::default()), b"0 - - -");
}

#[test]
fn grpc_status_comes_from_trailers_head_or_http_status() {
    let mut story = Story::new();
    story.request.headers.append("content-type", "application/grpc+proto");
    assert_eq!(story.line("%GRPC_STATUS%"), "Unknown");
    story.response.headers.append("grpc-status", "5");
    assert_eq!(story.line("%GRPC_STATUS(SNAKE_STRING)% %GRPC_STATUS_NUMBER%"), "NOT_FOUND 5");
    story.trailers.append("grpc-status", "99");
    assert_eq!(story.line("%GRPC_STATUS% %GRPC_STATUS(NUMBER)%"), "99 99");
}

#[test]
fn flags_have_short_and_long_names() {
    let mut record = LogRecord::default();
    record.flags.insert(ResponseFlag::NoRouteFound);
    record.flags.insert(ResponseFlag::DelayInjected);
    let format = LineFormat::parse("%RESPONSE_FLAGS% %RESPONSE_FLAGS_LONG%").unwrap();
    assert_eq!(format.line(&record), b"NR,DI NoRouteFound,DelayInjected");
}

#[test]
fn json_keeps_types_and_has_null_for_what_is_missing() {
    let text = |text: &str| JsonField::Format(text.into());
    let format = LineFormat::new(&LogFormat::Json(vec![
        ("status".into(), text("%RESPONSE_CODE%")),
        ("dur".into(), text("%DURATION% ms")),
        ("nope".into(), text("%REQ(NOPE)%")),
        ("mix".into(), text("a%REQ(NOPE)%b")),
        ("port".into(), text("%DOWNSTREAM_LOCAL_PORT%")),
        ("q".into(), text("é%REQ(X-Q)%")),
        ("cut".into(), text("%BYTES_SENT%")),
        ("md".into(), text("%DYNAMIC_METADATA(f)%")),
        ("o".into(), JsonField::Object(vec![("b".into(), text("%PROTOCOL%"))])),
        ("l".into(), JsonField::List(vec![text("%RESPONSE_FLAGS%"), JsonField::Literal("5".into())])),
        ("e".into(), text("")),
    ]))
    .unwrap();
    let line = String::from_utf8(format.line(&Story::new().record())).unwrap();
    assert_eq!(
        line,
        "{\"status\":200,\"dur\":\"5 ms\",\"nope\":null,\"mix\":\"a-b\",\"port\":8080,\
         \"q\":\"éa\\\"b\\\\c\",\"cut\":523,\"md\":{\"n\":4,\"s\":\"t\"},\"o\":{\"b\":\"HTTP/1.1\"},\
         \"l\":[\"-\",5],\"e\":\"\"}\n"
    );
}

#[test]
fn bad_formats_are_refused_with_their_place() {
    let error = |text: &str| LineFormat::parse(text).unwrap_err().to_string();
    assert!(error("ab %X").contains("byte 3"));
    assert!(error("%NO_SUCH%").contains("NO_SUCH"));
    assert_eq!(
        error("%GRPC_STATUS(LOUD)%"),
        "operator %GRPC_STATUS(LOUD)%: wants CAMEL_STRING, SNAKE_STRING or NUMBER"
    );
    assert!(error("%COMMON_DURATION(A:B)%").contains("\"A\""));
    assert!(error("%START_TIME(%n)%").contains("line break"));
}

#[test]
fn header_values_leave_out_what_is_missing() {
    let story = Story::new();
    let template = Template::parse("a%REQ(NOPE)%b %UPSTREAM_CLUSTER_RAW%").unwrap();
    assert_eq!(format_template(&template, &story.record()), b"ab outbound|80||shop");
    let mut out = Vec::new();
    let missing = CompiledTemplate::new(&Template::parse("%REQ(NOPE)%").unwrap()).unwrap();
    missing.write(&story.record(), &mut out);
    assert!(out.is_empty());
}

proptest! {
    #[test]
    fn no_format_and_no_header_panics_and_json_stays_json(
        format in "[%A-Z_():?a-z0-9 ]{0,40}",
        value in proptest::collection::vec(any::<u8>(), 0..40),
        limit in 0usize..10,
    ) {
        let mut story = Story::new();
        story.request.headers.append("x-v", &value);
        if let Ok(format) = LineFormat::parse(&format) {
            let _ = format.line(&story.record());
        }
        let fields = vec![
            ("a".into(), JsonField::Format("%REQ(X-V)%".into())),
            ("b".into(), JsonField::Format(format!("%DYNAMIC_METADATA(f):{limit}%").into())),
            ("c".into(), JsonField::Format(format!("x%REQ(X-V):{limit}%").into())),
        ];
        let line = LineFormat::new(&LogFormat::Json(fields)).unwrap().line(&story.record());
        prop_assert!(serde_json::from_slice::<serde_json::Value>(&line).is_ok());
    }
}
