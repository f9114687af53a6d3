//! Sockets of backends: TLS acceptors, ports that refuse and ports that never answer.

use crate::address;
use crate::certs::{Certs, name_of};
use crate::outcome::Handshake;
use crate::table::BackendTls;
use crate::wire::Wire;
use anyhow::Result;
use rustls::server::WebPkiClientVerifier;
use socket2::{Domain, SockAddr, Socket, Type};
use std::net::SocketAddr;
use std::sync::Arc;
use tokio_rustls::TlsAcceptor;

fn bound() -> Result<(Socket, SocketAddr)> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.bind(&SockAddr::from(SocketAddr::new(address::host(), 0)))?;
    let local = socket.local_addr()?.as_socket().ok_or_else(|| anyhow::anyhow!("no local address"))?;
    Ok((socket, local))
}

/// A port that is bound but not listened on: connections are refused, and nobody else can take it.
pub(crate) fn hold(held: &mut Vec<Socket>) -> Result<u16> {
    let (socket, local) = bound()?;
    held.push(socket);
    Ok(local.port())
}

/// A port whose accept queue is full: the kernel drops further SYNs, so connecting never ends.
pub(crate) fn blackhole(held: &mut Vec<Socket>) -> Result<u16> {
    let (socket, local) = bound()?;
    socket.listen(0)?;
    held.push(socket);
    for _ in 0..3 {
        let filler = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        filler.set_nonblocking(true)?;
        let _ = filler.connect(&SockAddr::from(local));
        held.push(filler);
    }
    Ok(local.port())
}

/// The TLS side of a backend.
pub(crate) fn acceptor(tls: &BackendTls, certs: &Certs) -> Result<TlsAcceptor> {
    let (chain, key) = certs.identity(&tls.cert)?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = rustls::ServerConfig::builder_with_provider(provider.clone())
        .with_safe_default_protocol_versions()?;
    let builder = match &tls.client_ca {
        None => builder.with_no_client_auth(),
        Some(root) => {
            let roots = Arc::new(certs.roots(root)?);
            builder.with_client_cert_verifier(
                WebPkiClientVerifier::builder_with_provider(roots, provider).build()?,
            )
        }
    };
    let mut config = builder.with_single_cert(chain, key)?;
    config.alpn_protocols = tls.alpn.iter().map(|name| name.clone().into_bytes()).collect();
    Ok(TlsAcceptor::from(Arc::new(config)))
}

/// What a connection's handshake agreed on.
pub(crate) fn handshake(wire: &Wire) -> Option<Handshake> {
    wire.version().map(|version| Handshake {
        version: Some(version),
        alpn: wire.alpn(),
        sni: wire.sni(),
        peer: wire.peer().and_then(|cert| name_of(&cert)),
    })
}
