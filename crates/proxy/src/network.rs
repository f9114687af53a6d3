//! Network filters and small terminal filters.

use std::rc::Rc;

use bytes::Bytes;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use weft_filter::Context;
use weft_filter::network::rbac_allows;
use weft_net::Prefixed;
use weft_tables::filter::NetworkFilter;

use crate::listen::accepted::ConnFacts;
use crate::listen::listener::ListenerRuntime;
use crate::listen::serve::Io;

/// What an HTTP/2 client sends first.
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";

/// Whether a connection passes the chain's network filters.
pub(crate) fn admit(runtime: &Rc<ListenerRuntime>, filters: &[NetworkFilter], facts: &Rc<ConnFacts>) -> bool {
    let cx = Context { facts: facts.filter_facts(), ..Context::default() };
    filters.iter().all(|filter| match filter {
        NetworkFilter::Rbac(rbac) => {
            let verdict = rbac_allows(rbac, &cx);
            runtime.stats.rbac(&rbac.stat_prefix, verdict.allowed);
            verdict.allowed
        }
        NetworkFilter::ConnectionLimit { max, .. } => runtime.stats.active() <= *max,
        NetworkFilter::SniCluster | NetworkFilter::SetFilterState(_) | NetworkFilter::Open(_) => true,
    })
}

/// Whether the first bytes are HTTP/2's preface; waits for as many as it takes to tell.
pub(crate) async fn begins_http2<S: AsyncRead + Unpin>(stream: &mut Prefixed<S>) -> bool {
    loop {
        let seen = stream.prefix();
        let common = seen.len().min(PREFACE.len());
        if seen[..common] != PREFACE[..common] {
            return false;
        }
        if common == PREFACE.len() {
            return true;
        }
        match stream.fill(PREFACE.len()).await {
            Ok(n) if n > 0 => {}
            _ => return false,
        }
    }
}

/// Sends back what comes.
pub(crate) async fn echo(io: Io) {
    match io {
        Io::Plain(stream) => echo_stream(stream).await,
        Io::Tls(stream) => echo_stream(*stream).await,
    }
}

async fn echo_stream(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let mut buffer = vec![0; 16 * 1024];
    while let Ok(read @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..read]).await.is_err() {
            return;
        }
    }
    let _ = stream.shutdown().await;
}

/// Sends these bytes and closes.
pub(crate) async fn direct_response(io: Io, bytes: &Bytes) {
    match io {
        Io::Plain(mut stream) => {
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
        }
        Io::Tls(mut stream) => {
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
        }
    }
}
