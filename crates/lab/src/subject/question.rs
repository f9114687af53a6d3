//! A call of the table as a question to the simulator.

use super::simulator::Model;
use crate::address;
use crate::table::{Call, Http};
use std::net::SocketAddr;
use std::sync::Arc;
use weft_tables::chain::{FilterChain, Terminal};
use weft_tables::hcm::HttpManager;
use weft_tables::listener::{Listener, ListenerFilter};
use weft_types::{Headers, Method, RequestHead, Version};

/// The question that a call puts, or why a simulation cannot be asked.
pub(super) fn question(
    model: &Model<'_>,
    index: usize,
    call: &Call,
) -> Result<weft_simulate::Call, &'static str> {
    if call.on == "admin" {
        return Err("a call to the admin page");
    }
    if call.raw.is_some() || call.exchange.is_some() {
        return Err("about bytes on the wire");
    }
    if call.tunnel.is_some() {
        return Err("about a tunnel");
    }
    if call.abandon.is_some() || call.body_never || call.body_delay > 0 {
        return Err("about a client that waits or leaves");
    }
    if call.http == Http::V10 || call.headers.iter().any(|(name, _)| name.starts_with(':')) {
        return Err("about the codec");
    }
    let connect = call.method == "CONNECT";
    if !connect && !call.path.starts_with('/') && call.path != "*" {
        return Err("about the codec");
    }
    let Some(listener) = model.tables.listeners.get(call.on.as_str()) else {
        return Err("a listener by another name");
    };
    let tls = call.tls.as_ref();
    let wants_certificate =
        |chain: &Arc<FilterChain>| chain.tls.as_ref().is_some_and(|tls| tls.require_client_certificate);
    if tls.is_some_and(|tls| tls.cert.is_some() || chains(listener).any(wants_certificate)) {
        return Err("the handshake judges client certificates");
    }
    if listener.filters.iter().any(|filter| matches!(filter, ListenerFilter::ProxyProtocol { .. })) {
        return Err("about the PROXY header");
    }
    if managers(listener).any(|manager| !manager.router.strict_check_headers.is_empty()) {
        return Err("strict checks of headers are not simulated");
    }
    let Some(method) = Method::parse(call.method.as_bytes()) else { return Err("about the codec") };
    let Some(port) = model.facts.listeners.get(&call.on) else { return Err("a listener by another name") };
    let mut headers = fields(call);
    let length = call.body_bytes().len();
    if length > 0 && !call.chunked && !headers.contains("content-length") {
        headers.append("content-length", length.to_string());
    }
    let version = if call.http == Http::V2 { Version::Http2 } else { Version::Http11 };
    let head = RequestHead {
        method,
        scheme: if call.tls.is_some() { "https" } else { "http" }.into(),
        authority: if connect { call.path.as_str() } else { call.authority.as_str() }.into(),
        path: if connect { "" } else { call.path.as_str() }.into(),
        version,
        headers,
        ..RequestHead::get("", "/")
    };
    let plain = if version == Version::Http2 { "h2c" } else { "http/1.1" };
    Ok(weft_simulate::Call {
        destination: Some(SocketAddr::new(address::host(), *port)),
        source: Some(SocketAddr::new(address::row(index), 50_000)),
        tls: tls.is_some(),
        server_name: tls.map(|tls| tls.sni.clone()).filter(|name| !name.is_empty()),
        protocols: tls.map_or_else(|| vec![plain.to_owned()], |tls| tls.alpn.clone()),
        has_body: length > 0 || call.chunked || !call.trailers.is_empty(),
        ..weft_simulate::Call::http(&call.on, head)
    })
}

/// The fields of a call in the form that a codec hands on: cookies of HTTP/2 are one field
/// (RFC 9113 section 8.2.3).
fn fields(call: &Call) -> Headers {
    let mut headers: Headers = call.headers.iter().map(|(name, value)| (name, value)).collect();
    let cookies: Vec<&[u8]> = headers.get_all(b"cookie").collect();
    if call.http == Http::V2 && cookies.len() > 1 {
        let joined = cookies.join(&b"; "[..]);
        headers.set("cookie", joined);
    }
    headers
}

fn chains(listener: &Listener) -> impl Iterator<Item = &Arc<FilterChain>> {
    listener.chains.chains.iter().map(|(_, chain)| chain).chain(&listener.chains.default)
}

/// The connection managers of a listener.
pub(super) fn managers(listener: &Listener) -> impl Iterator<Item = &HttpManager> {
    chains(listener).filter_map(|chain| match &chain.terminal {
        Terminal::Http(manager) => Some(&**manager),
        _ => None,
    })
}
