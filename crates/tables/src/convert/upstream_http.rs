//! HTTP toward endpoints.

use std::collections::HashMap;

use super::codec_options::{self, Common};
use super::headers;
use super::http_filter::{self, Position};
use super::reader::{Read, Reader, holds};
use super::unset::{ignore_set, refuse_set};
use crate::cluster::{UpstreamHttp, UpstreamVersion};
use crate::hcm::CodecOptions;
use crate::pb::envoy::config::cluster::v3::cluster::ClusterProtocolSelection;
use crate::pb::envoy::config::core::v3::{self as core};
use crate::pb::envoy::extensions::upstreams::http::v3::{self as proto, http_protocol_options as options};
use crate::pb::envoy::extensions::upstreams::tcp::v3::TcpProtocolOptions;
use crate::pb::google::protobuf::Any;
use options::{UpstreamProtocolOptions, explicit_http_config::ProtocolConfig};

/// The fields of a cluster that say how HTTP is spoken to it: the typed options, and the older
/// fields that count only without them.
pub(crate) struct Fields<'p> {
    pub(crate) typed: &'p HashMap<String, Any>,
    pub(crate) common: Option<&'p core::HttpProtocolOptions>,
    pub(crate) upstream: Option<&'p core::UpstreamHttpProtocolOptions>,
    pub(crate) http1: Option<&'p core::Http1ProtocolOptions>,
    pub(crate) http2: Option<&'p core::Http2ProtocolOptions>,
    pub(crate) protocol_selection: i32,
}

/// What was read.
pub(crate) struct Upstream {
    pub(crate) http: UpstreamHttp,
    pub(crate) common: Common,
}

/// Reads the options.
pub(crate) fn read(r: &mut Reader<'_>, fields: &Fields<'_>) -> Read<Upstream> {
    let mut names: Vec<&String> = fields.typed.keys().collect();
    names.sort_unstable();
    let mut typed = None;
    for name in names {
        let Some(any) = fields.typed.get(name) else { continue };
        r.key("typed_extension_protocol_options", name, |r| {
            if holds::<proto::HttpProtocolOptions>(any) {
                typed = Some(r.unpack(any, typed_options)?);
                Ok(())
            } else if holds::<TcpProtocolOptions>(any) {
                r.ignore("connections of TCP proxies are not pooled");
                Ok(())
            } else {
                Err(r.refuse("these protocol options are not implemented"))
            }
        })?;
    }
    match typed {
        Some(upstream) => Ok(upstream),
        None => older(r, fields),
    }
}

/// Reads the older fields of the cluster itself.
fn older(r: &mut Reader<'_>, fields: &Fields<'_>) -> Read<Upstream> {
    let mut draft = Draft::default();
    draft.shared(r, fields.common, fields.upstream)?;
    draft.http1(r, fields.http1)?;
    draft.http2(r, fields.http2)?;
    let version = match r.choice("protocol_selection", fields.protocol_selection)? {
        ClusterProtocolSelection::UseDownstreamProtocol => UpstreamVersion::Downstream,
        ClusterProtocolSelection::UseConfiguredProtocol if fields.http2.is_some() => UpstreamVersion::Http2,
        ClusterProtocolSelection::UseConfiguredProtocol => UpstreamVersion::Http1,
    };
    Ok(draft.finish(version))
}

fn typed_options(r: &mut Reader<'_>, proto: &proto::HttpProtocolOptions) -> Read<Upstream> {
    let proto::HttpProtocolOptions {
        common_http_protocol_options,
        upstream_http_protocol_options,
        http_filters,
        header_validation_config,
        outlier_detection,
        request_mirror_policies,
        hash_policy,
        retry_policy,
        upstream_protocol_options,
    } = proto;
    refuse_set!(
        r,
        "not implemented",
        header_validation_config,
        outlier_detection,
        request_mirror_policies,
        hash_policy,
        retry_policy,
    );
    let mut draft = Draft::default();
    draft.shared(r, common_http_protocol_options.as_ref(), upstream_http_protocol_options.as_ref())?;
    let version = match upstream_protocol_options {
        Some(UpstreamProtocolOptions::ExplicitHttpConfig(explicit)) => {
            r.within("explicit_http_config", |r| {
                let options::ExplicitHttpConfig { protocol_config } = explicit;
                match protocol_config {
                    Some(ProtocolConfig::HttpProtocolOptions(http1)) => {
                        draft.http1(r, Some(http1))?;
                        Ok(UpstreamVersion::Http1)
                    }
                    Some(ProtocolConfig::Http2ProtocolOptions(http2)) => {
                        draft.http2(r, Some(http2))?;
                        Ok(UpstreamVersion::Http2)
                    }
                    Some(ProtocolConfig::Http3ProtocolOptions(_)) => {
                        Err(r.refuse_at("http3_protocol_options", "HTTP/3 is not implemented"))
                    }
                    None => Err(r.refuse("a protocol is required")),
                }
            })?
        }
        Some(UpstreamProtocolOptions::UseDownstreamProtocolConfig(downstream)) => {
            r.within("use_downstream_protocol_config", |r| {
                let options::UseDownstreamHttpConfig {
                    http_protocol_options,
                    http2_protocol_options,
                    http3_protocol_options,
                } = downstream;
                ignore_set!(r, "HTTP/3 is not served", http3_protocol_options);
                draft.http1(r, http_protocol_options.as_ref())?;
                draft.http2(r, http2_protocol_options.as_ref())?;
                Ok(UpstreamVersion::Downstream)
            })?
        }
        Some(UpstreamProtocolOptions::AutoConfig(auto)) => r.within("auto_config", |r| {
            let options::AutoHttpConfig {
                http_protocol_options,
                http2_protocol_options,
                http3_protocol_options,
                alternate_protocols_cache_options,
            } = auto;
            refuse_set!(r, "HTTP/3 is not implemented", http3_protocol_options);
            ignore_set!(r, "ALPN alone decides", alternate_protocols_cache_options);
            draft.http1(r, http_protocol_options.as_ref())?;
            draft.http2(r, http2_protocol_options.as_ref())?;
            Ok(UpstreamVersion::Alpn)
        })?,
        None => return Err(r.refuse("one of the protocol options is required")),
    };
    // The codec alone is what every connection has anyway.
    if !http_filters.is_empty()
        && !http_filter::chain(r, "http_filters", http_filters, Position::Upstream)?.0.is_empty()
    {
        return Err(r.refuse_at("http_filters", "filters toward endpoints are not implemented"));
    }
    Ok(draft.finish(version))
}

/// What is gathered before the version is known.
#[derive(Default)]
struct Draft {
    options: CodecOptions,
    common: Common,
    auto_sni: bool,
    auto_san_validation: bool,
    sni_header: Option<Box<str>>,
}

impl Draft {
    fn shared(
        &mut self,
        r: &mut Reader<'_>,
        common: Option<&core::HttpProtocolOptions>,
        upstream: Option<&core::UpstreamHttpProtocolOptions>,
    ) -> Read<()> {
        if let Some(common) = r.maybe("common_http_protocol_options", common, |r, p| {
            codec_options::common(r, p, &mut self.options)
        })? {
            self.common = common;
        }
        r.maybe("upstream_http_protocol_options", upstream, |r, p| {
            let core::UpstreamHttpProtocolOptions { auto_sni, auto_san_validation, override_auto_sni_header } = p;
            self.auto_sni = *auto_sni;
            self.auto_san_validation = *auto_san_validation;
            if !override_auto_sni_header.is_empty() {
                self.sni_header =
                    Some(headers::field_name(r, "override_auto_sni_header", override_auto_sni_header)?);
            }
            Ok(())
        })?;
        Ok(())
    }

    fn http1(&mut self, r: &mut Reader<'_>, proto: Option<&core::Http1ProtocolOptions>) -> Read<()> {
        r.maybe("http_protocol_options", proto, |r, p| codec_options::http1(r, p, &mut self.options))?;
        Ok(())
    }

    fn http2(&mut self, r: &mut Reader<'_>, proto: Option<&core::Http2ProtocolOptions>) -> Read<()> {
        r.maybe("http2_protocol_options", proto, |r, p| codec_options::http2(r, p, &mut self.options))?;
        Ok(())
    }

    fn finish(self, version: UpstreamVersion) -> Upstream {
        Upstream {
            http: UpstreamHttp {
                version,
                options: self.options,
                max_stream_duration: self.common.max_stream_duration,
                auto_sni: self.auto_sni,
                auto_san_validation: self.auto_san_validation,
                override_auto_sni_header: self.sni_header,
            },
            common: self.common,
        }
    }
}
