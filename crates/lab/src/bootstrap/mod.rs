//! From the bootstrap that a world writes to the file that both proxies read: first the `$macros`
//! that save typing, then the `{{placeholders}}` that only a run knows.

mod expand;
mod place;

pub use expand::expand;
pub use place::{Places, fill};

/// Fields of the access log that every `$http` and `$tcp` writes, with Envoy's operators. A row
/// expects them by these names.
pub const LOG_FIELDS: [(&str, &str); 22] = [
    ("client", "%DOWNSTREAM_DIRECT_REMOTE_ADDRESS_WITHOUT_PORT%"),
    ("code", "%RESPONSE_CODE%"),
    ("flags", "%RESPONSE_FLAGS%"),
    ("details", "%RESPONSE_CODE_DETAILS%"),
    ("termination", "%CONNECTION_TERMINATION_DETAILS%"),
    ("cluster", "%UPSTREAM_CLUSTER%"),
    ("upstream", "%UPSTREAM_HOST%"),
    ("route", "%ROUTE_NAME%"),
    ("failure", "%UPSTREAM_TRANSPORT_FAILURE_REASON%"),
    ("attempts", "%UPSTREAM_REQUEST_ATTEMPT_COUNT%"),
    ("method", "%REQ(:METHOD)%"),
    ("path", "%REQ(X-ENVOY-ORIGINAL-PATH?:PATH)%"),
    ("authority", "%REQ(:AUTHORITY)%"),
    ("protocol", "%PROTOCOL%"),
    ("rx", "%BYTES_RECEIVED%"),
    ("tx", "%BYTES_SENT%"),
    ("sni", "%REQUESTED_SERVER_NAME%"),
    ("peer", "%DOWNSTREAM_PEER_URI_SAN%"),
    ("chain", "%FILTER_CHAIN_NAME%"),
    ("grpc", "%GRPC_STATUS%"),
    ("trailer", "%TRAILER(X-TRAILER)%"),
    ("served_by", "%RESP(X-BACKEND)%"),
];
