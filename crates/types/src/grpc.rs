//! gRPC statuses: their names, and the HTTP statuses that stand for them.

/// Names of the codes 0 to 16, as gRPC's specification writes them.
pub const NAMES: [&str; 17] = [
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
];

/// The code of a name.
#[must_use]
pub fn code(name: &str) -> Option<u32> {
    NAMES.iter().zip(0..).find(|(known, _)| **known == name).map(|(_, code)| code)
}

/// Whether a content type is gRPC's: `application/grpc`, alone or with `+` or `;` behind it.
#[must_use]
pub fn is_content_type(value: &[u8]) -> bool {
    value
        .strip_prefix(b"application/grpc")
        .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';')))
}

/// The HTTP status that stands for a gRPC status (Envoy's mapping).
#[must_use]
pub fn http_status(code: u32) -> u16 {
    match code {
        0 => 200,
        1 => 499,
        3 | 9 | 11 => 400,
        4 => 504,
        5 => 404,
        6 | 10 => 409,
        7 => 403,
        8 => 429,
        12 => 501,
        14 => 503,
        16 => 401,
        _ => 500,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_places_in_the_list() {
        assert_eq!([code("OK"), code("NOT_FOUND"), code("UNAUTHENTICATED")], [Some(0), Some(5), Some(16)]);
        assert_eq!(code("NotFound"), None);
        assert_eq!([http_status(0), http_status(14), http_status(99)], [200, 503, 500]);
    }
}
