//! Who the client is.

use std::net::IpAddr;

use weft_tables::hcm::HttpManager;
use weft_types::{Headers, RequestHead};

use super::{Hop, append_list};

/// The client as far as the configuration trusts what is told of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Client {
    /// Its address; `None` on Unix sockets.
    pub(super) address: Option<IpAddr>,
    /// It is the only one on the way, so that its address may make the request internal.
    pub(super) alone: bool,
}

/// Finds the client, and adds the peer to `x-forwarded-for` where it is the client that counts.
pub(super) fn client(head: &mut RequestHead, manager: &HttpManager, hop: Hop<'_>) -> Client {
    let hops = manager.xff_trusted_hops as usize;
    if !manager.use_remote_address {
        let told = nth_from_right(&head.headers, hops);
        let alone = told.is_some() && hops == 0 && addresses(&head.headers) == 1;
        return Client { address: told.or(hop.remote), alone };
    }
    let alone = !head.headers.contains("x-forwarded-for");
    let told = hops.checked_sub(1).and_then(|skip| nth_from_right(&head.headers, skip));
    if !manager.skip_xff_append
        && let Some(remote) = hop.remote
    {
        // The loopback address (for Envoy it is this one) would tell the next proxy nothing.
        let shown = if remote == IpAddr::from([127, 0, 0, 1]) { hop.local.unwrap_or(remote) } else { remote };
        append_list(&mut head.headers, "x-forwarded-for", &shown.to_string());
    }
    Client { address: told.or(hop.remote), alone }
}

fn addresses(headers: &Headers) -> usize {
    headers.get_joined(b"x-forwarded-for").map_or(0, |list| list.split(|b| *b == b',').count())
}

/// The address that stands so many places left of the last one.
fn nth_from_right(headers: &Headers, skip: usize) -> Option<IpAddr> {
    let list = headers.get_joined(b"x-forwarded-for")?;
    let text = std::str::from_utf8(&list).ok()?;
    text.rsplit(',').nth(skip)?.trim().parse().ok()
}
