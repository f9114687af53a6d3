//! Transport sockets.

use std::sync::Arc;

use super::reader::{Read, Reader, holds, type_name};
use super::unset::{ignore_set, refuse_set};
use super::{hbone, metadata, tls};
use crate::cluster::{Transport, TransportLayer, TransportMatch};
use crate::pb::envoy::config::cluster::v3::cluster::TransportSocketMatch;
use crate::pb::envoy::config::core::v3::{
    ProxyProtocolConfig, TransportSocket, proxy_protocol_config, transport_socket,
};
use crate::pb::envoy::extensions::transport_sockets as sockets;
use crate::pb::google::protobuf::Any;
use crate::tls::ServerTls;
use sockets::internal_upstream::v3::InternalUpstreamTransport;
use sockets::proxy_protocol::v3::ProxyProtocolUpstreamTransport;
use sockets::raw_buffer::v3::RawBuffer;
use sockets::tcp_stats::v3::Config as TcpStats;
use sockets::tls::v3::{DownstreamTlsContext, UpstreamTlsContext};
use weft_proto::hbone::Upstream as Hbone;

fn typed<'p>(r: &mut Reader<'_>, proto: &'p TransportSocket) -> Read<&'p Any> {
    let TransportSocket { name, config_type } = proto;
    r.text("name", name)?;
    match config_type {
        Some(transport_socket::ConfigType::TypedConfig(any)) => Ok(any),
        None => Err(r.refuse("typed_config is required")),
    }
}

/// Reads the socket of a filter chain; `None`: plaintext.
pub(crate) fn downstream(r: &mut Reader<'_>, proto: &TransportSocket) -> Read<Option<Arc<ServerTls>>> {
    let any = typed(r, proto)?;
    r.within("typed_config", |r| {
        if holds::<DownstreamTlsContext>(any) {
            r.unpack(any, |r, p| Ok(Some(Arc::new(tls::server(r, p)?))))
        } else if holds::<RawBuffer>(any) {
            r.unpack(any, |_, RawBuffer {}| Ok(None))
        } else if holds::<TcpStats>(any) {
            r.unpack(any, |r, TcpStats { transport_socket, update_period: _ }| {
                r.ignore("TCP statistics are not taken");
                r.need("transport_socket", transport_socket.as_ref(), downstream)
            })
        } else {
            Err(r.refuse(format!("the transport socket {:?} is not implemented", type_name(any))))
        }
    })
}

/// Reads the socket of a cluster.
pub(crate) fn upstream(r: &mut Reader<'_>, proto: &TransportSocket) -> Read<Transport> {
    let any = typed(r, proto)?;
    r.within("typed_config", |r| {
        if holds::<UpstreamTlsContext>(any) {
            r.unpack(any, |r, p| {
                Ok(Transport { layers: vec![TransportLayer::Tls(Arc::new(tls::client(r, p)?))] })
            })
        } else if holds::<RawBuffer>(any) {
            r.unpack(any, |_, RawBuffer {}| Ok(Transport::default()))
        } else if holds::<ProxyProtocolUpstreamTransport>(any) {
            r.unpack(any, proxy_protocol)
        } else if holds::<Hbone>(any) {
            r.unpack(any, hbone::upstream)
        } else if holds::<InternalUpstreamTransport>(any) {
            r.unpack(any, |r, InternalUpstreamTransport { passthrough_metadata, transport_socket }| {
                ignore_set!(r, "metadata is not passed to the internal listener", passthrough_metadata);
                let inner = r.need("transport_socket", transport_socket.as_ref(), upstream)?;
                Ok(beneath(TransportLayer::Internal, inner))
            })
        } else if holds::<TcpStats>(any) {
            r.unpack(any, |r, TcpStats { transport_socket, update_period: _ }| {
                r.ignore("TCP statistics are not taken");
                r.need("transport_socket", transport_socket.as_ref(), upstream)
            })
        } else {
            Err(r.refuse(format!("the transport socket {:?} is not implemented", type_name(any))))
        }
    })
}

/// Puts a layer between the wire and what is there.
fn beneath(layer: TransportLayer, mut inner: Transport) -> Transport {
    inner.layers.insert(0, layer);
    inner
}

fn proxy_protocol(r: &mut Reader<'_>, proto: &ProxyProtocolUpstreamTransport) -> Read<Transport> {
    let ProxyProtocolUpstreamTransport {
        config,
        transport_socket,
        allow_unspecified_address,
        tlv_as_pool_key,
    } = proto;
    refuse_set!(r, "not implemented", allow_unspecified_address, tlv_as_pool_key);
    let version = r.maybe("config", config.as_ref(), |r, config| {
        let ProxyProtocolConfig { version, pass_through_tlvs, added_tlvs } = config;
        refuse_set!(r, "not implemented", pass_through_tlvs, added_tlvs);
        Ok(match r.choice("version", *version)? {
            proxy_protocol_config::Version::V1 => 1,
            proxy_protocol_config::Version::V2 => 2,
        })
    })?;
    let inner = r.need("transport_socket", transport_socket.as_ref(), upstream)?;
    Ok(beneath(TransportLayer::ProxyProtocol(version.unwrap_or(1)), inner))
}

/// Reads a socket for endpoints with certain metadata.
pub(crate) fn matched(r: &mut Reader<'_>, proto: &TransportSocketMatch) -> Read<TransportMatch> {
    let TransportSocketMatch { name, r#match, transport_socket } = proto;
    let transport = r.need("transport_socket", transport_socket.as_ref(), upstream)?;
    Ok(TransportMatch {
        name: r.text("name", name)?.into(),
        pairs: r#match.as_ref().map(metadata::structure).unwrap_or_default(),
        transport,
    })
}
