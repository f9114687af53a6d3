//! Mutual TLS 1.3 handshakes on one thread, each on a new connection with one request, which the proxy
//! answers itself.

use super::summary;
use crate::bench::load::Said;
use crate::bench::program::address;
use anyhow::{Context, Result, bail};
use rustls::client::Resumption;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, HandshakeKind, RootCertStore};
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

/// Handshakes at once.
const LANES: usize = 8;
const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: server.shop.svc.cluster.local\r\n\r\n";
/// The answers of all proxies end with this.
const END: &[u8] = b"\r\n\r\nok";
/// Of ten handshakes that should be resumed, this many must be.
const RESUMED_OF_TEN: usize = 9;

/// Shakes hands until the time is over.
pub(super) fn run(port: u16, seconds: u64, resumed: bool, dir: &Path) -> Result<Said> {
    let connector = TlsConnector::from(Arc::new(config(dir, resumed)?));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let local = tokio::task::LocalSet::new();
    local.block_on(&runtime, async {
        // The first are full in any case, and each leaves a ticket.
        for _ in 0..LANES {
            one(&connector, port).await?;
        }
        let begun = Instant::now();
        let until = begun + Duration::from_secs(seconds);
        let lanes: Vec<_> =
            (0..LANES).map(|_| tokio::task::spawn_local(lane(connector.clone(), port, until))).collect();
        let (mut micros, mut kept) = (Vec::new(), 0);
        for lane in lanes {
            let (took, resumed) = lane.await??;
            micros.extend(took);
            kept += resumed;
        }
        if resumed && kept * 10 < micros.len() * RESUMED_OF_TEN {
            bail!("only {kept} of {} handshakes were resumed", micros.len());
        }
        Ok(summary(micros, begun.elapsed().as_secs_f64()))
    })
}

/// So many, one after another.
pub(super) fn count(port: u16, count: u64, resumed: bool, dir: &Path) -> Result<()> {
    let connector = TlsConnector::from(Arc::new(config(dir, resumed)?));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        for n in 0..count {
            let kind = one(&connector, port).await?;
            if n > 0 && (kind == HandshakeKind::Resumed) != resumed {
                bail!("a handshake was {kind:?}");
            }
        }
        Ok(())
    })
}

async fn lane(connector: TlsConnector, port: u16, until: Instant) -> Result<(Vec<f64>, usize)> {
    let (mut micros, mut resumed) = (Vec::new(), 0);
    while Instant::now() < until {
        let begun = Instant::now();
        resumed += usize::from(one(&connector, port).await? == HandshakeKind::Resumed);
        micros.push(begun.elapsed().as_secs_f64() * 1e6);
    }
    Ok((micros, resumed))
}

/// One connection; whether its session was a known one.
async fn one(connector: &TlsConnector, port: u16) -> Result<HandshakeKind> {
    let stream = TcpStream::connect(address(port)).await?;
    stream.set_nodelay(true)?;
    let name = ServerName::try_from("server.shop.svc.cluster.local")?;
    let mut stream = connector.connect(name, stream).await?;
    stream.write_all(REQUEST).await?;
    let mut answer = Vec::with_capacity(1024);
    // Tickets came before it.
    while !answer.ends_with(END) {
        if stream.read_buf(&mut answer).await? == 0 {
            bail!("closed after {:?}", String::from_utf8_lossy(&answer));
        }
    }
    if !answer.starts_with(b"HTTP/1.1 200") {
        bail!("answered: {}", String::from_utf8_lossy(&answer));
    }
    stream.get_mut().1.send_close_notify();
    let _ = stream.flush().await;
    stream.get_ref().1.handshake_kind().context("no handshake took place")
}

fn config(dir: &Path, resumed: bool) -> Result<ClientConfig> {
    let file = |name: &str| dir.join(name);
    let mut roots = RootCertStore::empty();
    for root in CertificateDer::pem_file_iter(file("roots.pem"))? {
        roots.add(root?)?;
    }
    let chain = CertificateDer::pem_file_iter(file("client.pem"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(file("client.key"))?;
    // The same key exchange with all: between two Envoys it would be a slower one.
    let provider =
        CryptoProvider { kx_groups: vec![aws_lc_rs::kx_group::X25519], ..aws_lc_rs::default_provider() };
    let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_root_certificates(roots)
        .with_client_auth_cert(chain, key)?;
    if !resumed {
        config.resumption = Resumption::disabled();
    }
    Ok(config)
}
