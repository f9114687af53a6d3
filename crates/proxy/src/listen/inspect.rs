//! Listener filters: what the first bytes and the socket tell before a chain is chosen.

use tokio::time::timeout;
use weft_codec::detect::http::{HttpSniff, sniff};
use weft_codec::detect::tls::{TlsPeek, peek};
use weft_codec::proxy_protocol::{self, Parsed};
use weft_net::{Prefixed, Stream, original_destination};
use weft_tables::listener::{Listener, ListenerFilter};

use super::accepted::ConnFacts;

/// Most bytes that a filter may ask for.
const MAX_PEEK: usize = 64 * 1024;

/// Why a connection is closed before it has a chain.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InspectError {
    /// The peer closed, or its socket failed.
    Gone,
    /// The filters' time is over, and the listener does not go on without them.
    Timeout,
    /// The PROXY header is missing or broken.
    ProxyHeader,
    /// The first bytes exceed what is looked at.
    TooLong,
}

/// Runs the listener's filters in order.
pub(crate) async fn inspect(
    listener: &Listener,
    stream: &mut Prefixed<Stream>,
    facts: &mut ConnFacts,
) -> Result<(), InspectError> {
    let all = async {
        for filter in &listener.filters {
            if !listener.runs(filter, facts.local) {
                continue;
            }
            run(filter, listener, stream, facts).await?;
        }
        Ok(())
    };
    match listener.filters_timeout {
        None => all.await,
        Some(limit) => match timeout(limit, all).await {
            Ok(done) => done,
            Err(_) if listener.continue_on_timeout => Ok(()),
            Err(_) => Err(InspectError::Timeout),
        },
    }
}

async fn run(
    filter: &ListenerFilter,
    listener: &Listener,
    stream: &mut Prefixed<Stream>,
    facts: &mut ConnFacts,
) -> Result<(), InspectError> {
    match filter {
        ListenerFilter::OriginalDst => {
            if let Some(tcp) = stream.get_ref().tcp()
                && let Some(local) = facts.local
                && let Ok(Some(original)) = original_destination(tcp, local, listener.transparent)
            {
                facts.original = Some(original);
                facts.local = Some(original);
            }
            Ok(())
        }
        ListenerFilter::TlsInspector => tls(stream, facts).await,
        ListenerFilter::HttpInspector => http(stream, facts).await,
        ListenerFilter::ProxyProtocol { optional } => proxy_header(*optional, stream, facts).await,
    }
}

async fn tls(stream: &mut Prefixed<Stream>, facts: &mut ConnFacts) -> Result<(), InspectError> {
    loop {
        match peek(stream.prefix()) {
            TlsPeek::NeedMore => {
                if more(stream).await? == 0 {
                    return Ok(());
                }
            }
            TlsPeek::NotTls | TlsPeek::Malformed(_) => return Ok(()),
            TlsPeek::TooLarge => return Err(InspectError::TooLong),
            TlsPeek::Hello(hello) => {
                facts.transport = "tls";
                if !hello.server_name.is_empty() {
                    facts.server_name = Some(hello.server_name.to_ascii_lowercase().into());
                }
                facts.protocols = hello
                    .alpn
                    .iter()
                    .map(|p| String::from_utf8_lossy(p).into_owned().into_boxed_str())
                    .collect();
                return Ok(());
            }
        }
    }
}

async fn http(stream: &mut Prefixed<Stream>, facts: &mut ConnFacts) -> Result<(), InspectError> {
    // Encrypted: what is inside is told by ALPN.
    if facts.transport == "tls" {
        return Ok(());
    }
    loop {
        match sniff(stream.prefix()) {
            HttpSniff::NeedMore => {
                if more(stream).await? == 0 {
                    return Ok(());
                }
            }
            HttpSniff::TooLong => return Err(InspectError::TooLong),
            found => {
                facts.protocols = found.application_protocol().map(Into::into).into_iter().collect();
                return Ok(());
            }
        }
    }
}

async fn proxy_header(
    optional: bool,
    stream: &mut Prefixed<Stream>,
    facts: &mut ConnFacts,
) -> Result<(), InspectError> {
    loop {
        match proxy_protocol::parse(stream.prefix()) {
            Parsed::NeedMore => {
                if more(stream).await? == 0 {
                    return if optional { Ok(()) } else { Err(InspectError::ProxyHeader) };
                }
            }
            Parsed::Absent if optional => return Ok(()),
            Parsed::Absent | Parsed::Malformed(_) => return Err(InspectError::ProxyHeader),
            Parsed::Header { header, length } => {
                let _ = stream.consume(length);
                if let Some(addresses) = header.addresses {
                    facts.source = Some(addresses.source);
                    facts.local = Some(addresses.destination);
                    facts.original = Some(addresses.destination);
                }
                return Ok(());
            }
        }
    }
}

async fn more(stream: &mut Prefixed<Stream>) -> Result<usize, InspectError> {
    if stream.prefix().len() >= MAX_PEEK {
        return Err(InspectError::TooLong);
    }
    stream.fill(MAX_PEEK).await.map_err(|_| InspectError::Gone)
}
