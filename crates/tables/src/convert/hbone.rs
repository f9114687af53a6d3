//! HBONE between our own proxies (AM-06).

use std::sync::Arc;

use weft_proto::hbone::{MAX_STREAMS, PORT, Terminate, Upstream};

use super::reader::{Read, Reader};
use super::transport;
use crate::chain::HboneTerminal;
use crate::cluster::{Hbone, Transport, TransportLayer};
use crate::tls::ClientTls;

/// Most streams that may be allowed on one connection: their windows must fit the connection's.
const STREAMS_MAX: u32 = 1000;

/// Reads the transport socket of endpoints.
pub(crate) fn upstream(r: &mut Reader<'_>, proto: &Upstream) -> Read<Transport> {
    let Upstream { transport_socket, port, max_streams } = proto;
    let inner = r.need("transport_socket", transport_socket.as_ref(), transport::upstream)?;
    let [TransportLayer::Tls(direct)] = inner.layers.as_slice() else {
        return Err(r.refuse_at("transport_socket", "HBONE needs TLS, and nothing beneath it"));
    };
    let mut tls = ClientTls::clone(direct);
    tls.common.alpn = vec!["h2".into()];
    tls.sni = "".into();
    tls.auto_host_sni = false;
    let port = if *port == 0 { PORT } else { r.port("port", *port)? };
    let max_streams = streams(r, *max_streams)?;
    let hbone = Hbone { tls: Arc::new(tls), direct: direct.clone(), port, max_streams };
    Ok(Transport { layers: vec![TransportLayer::Hbone(Arc::new(hbone))] })
}

/// Reads the filter that ends HBONE.
pub(crate) fn terminal(r: &mut Reader<'_>, proto: &Terminate) -> Read<Arc<HboneTerminal>> {
    let Terminate { stat_prefix, listener, max_streams } = proto;
    Ok(Arc::new(HboneTerminal {
        stat_prefix: r.text("stat_prefix", stat_prefix)?.into(),
        listener: Some(listener.as_str()).filter(|name| !name.is_empty()).map(Into::into),
        max_streams: streams(r, *max_streams)?,
    }))
}

fn streams(r: &mut Reader<'_>, number: u32) -> Read<u32> {
    match number {
        0 => Ok(MAX_STREAMS),
        1..=STREAMS_MAX => Ok(number),
        _ => Err(r.refuse_at("max_streams", format!("{number} is above {STREAMS_MAX}"))),
    }
}
