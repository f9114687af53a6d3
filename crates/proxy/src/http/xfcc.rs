//! `x-forwarded-client-cert` on the way in (SD-15).

use weft_tables::hcm::{Xfcc, XfccMode};
use weft_tls::PeerFacts;
use weft_types::RequestHead;

const NAME: &str = "x-forwarded-client-cert";

/// Keeps, removes or extends the header by the connection's certificate.
pub(crate) fn apply(head: &mut RequestHead, config: Xfcc, peer: Option<&PeerFacts>) {
    let mutual = peer.is_some_and(PeerFacts::presented);
    if config.mode == XfccMode::Sanitize || (!mutual && config.mode != XfccMode::AlwaysForwardOnly) {
        head.headers.remove(NAME);
        return;
    }
    let (XfccMode::AppendForward | XfccMode::SanitizeSet, Some(peer)) = (config.mode, peer) else { return };
    let Some(element) = weft_tls::xfcc::element(peer, &config) else { return };
    let value = match head.headers.get_str(NAME) {
        Some(before) if config.mode == XfccMode::AppendForward => format!("{before},{element}"),
        _ => element,
    };
    head.headers.set(NAME, value);
}
