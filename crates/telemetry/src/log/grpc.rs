//! gRPC status in logs.

use crate::log::record::LogRecord;

/// Names of the codes 0 to 16 as Envoy's `CAMEL_STRING`.
const CAMEL: [&str; 17] = [
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
];

/// How a status is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GrpcForm {
    /// `NotFound`
    Camel,
    /// `NOT_FOUND`
    Snake,
    /// `5`
    Number,
}

/// The name of a code; `None` for codes without one.
#[must_use]
pub fn name(code: u32, form: GrpcForm) -> Option<&'static str> {
    let names = match form {
        GrpcForm::Camel => &CAMEL,
        GrpcForm::Snake => &weft_types::grpc::NAMES,
        GrpcForm::Number => return None,
    };
    names.get(code as usize).copied()
}

/// Whether the request's content type is gRPC's.
#[must_use]
pub fn is_request(record: &LogRecord<'_>) -> bool {
    let content_type = record.request.and_then(|head| head.headers.get("content-type")).unwrap_or_default();
    weft_types::grpc::is_content_type(content_type)
}

/// The status: from the trailers, else from the head, else what the HTTP status stands for.
#[must_use]
pub fn status(record: &LogRecord<'_>) -> Option<u32> {
    let said = |value: Option<&str>| value.and_then(|value| value.trim().parse().ok());
    said(record.trailers.and_then(|trailers| trailers.get_str("grpc-status")))
        .or_else(|| said(record.response.and_then(|head| head.headers.get_str("grpc-status"))))
        .or_else(|| record.status.map(of_http))
}

/// The gRPC status for a response that has none (gRPC's HTTP mapping).
#[must_use]
pub fn of_http(status: u16) -> u32 {
    match status {
        400 => 13,
        401 => 16,
        403 => 7,
        404 => 12,
        429 | 502..=504 => 14,
        _ => 2,
    }
}
