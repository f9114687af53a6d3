//! Fields that `connection` names as its own (RFC 9110 section 7.6.1).

use weft_types::Headers;

use super::Refusal;

/// Names in a `connection` field from which on Envoy refuses the request.
const MAX_NOMINATED: usize = 10;

/// Removes the fields that `connection` names: they are for this hop only.
///
/// # Errors
/// It names a field by which the request's origin is told, a pseudo-header, or too many fields.
pub(super) fn remove_nominated(headers: &mut Headers) -> Result<(), Refusal> {
    let Some(list) = headers.get_joined(b"connection").map(|list| list.to_ascii_lowercase()) else {
        return Ok(());
    };
    let refused = || Refusal::protocol_error(400, "http1.connection_header_rejected", "Bad Request");
    let tokens = || list.split(|b| *b == b',').map(<[u8]>::trim_ascii).filter(|token| !token.is_empty());
    if tokens().count() >= MAX_NOMINATED {
        return Err(refused());
    }
    for token in tokens() {
        match token {
            // Options of the connection itself.
            b"close" | b"keep-alive" | b"upgrade" | b"http2-settings" | b"connection" => {}
            // Their removal would hide where the request comes from.
            b"x-forwarded-for" | b"x-forwarded-host" | b"x-forwarded-proto" => return Err(refused()),
            b"host" => return Err(Refusal::new(400, "missing_host_header")),
            // Framing belongs to the codec, which has removed or checked it by now; `te` is cleaned
            // with the other hop-by-hop fields.
            b"content-length" | b"transfer-encoding" | b"te" => {}
            _ if token.starts_with(b":") => return Err(refused()),
            _ => {
                headers.remove(token);
            }
        }
    }
    Ok(())
}
