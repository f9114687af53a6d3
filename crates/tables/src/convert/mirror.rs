//! Copies of requests.

use weft_types::FractionalPercent;

use super::reader::{Read, Reader};
use super::unset::{ignore_set, refuse_set};
use super::{headers, share, target};
use crate::pb::envoy::config::route::v3::route_action::RequestMirrorPolicy;
use crate::route::Mirror;

/// Reads a mirror policy.
pub(crate) fn read(r: &mut Reader<'_>, proto: &RequestMirrorPolicy) -> Read<Mirror> {
    let RequestMirrorPolicy {
        cluster,
        cluster_header,
        runtime_fraction,
        trace_sampled,
        disable_shadow_host_suffix_append,
        request_headers_mutations,
        host_rewrite_literal,
    } = proto;
    ignore_set!(r, "copies are not traced", trace_sampled);
    refuse_set!(r, "not implemented", request_headers_mutations, host_rewrite_literal);
    let header = match (cluster.is_empty(), cluster_header.is_empty()) {
        (false, true) => {
            target::known_cluster(r, "cluster", cluster)?;
            None
        }
        (true, false) => Some(headers::field_name(r, "cluster_header", cluster_header)?),
        _ => return Err(r.refuse("exactly one of cluster and cluster_header is required")),
    };
    Ok(Mirror {
        cluster: cluster.as_str().into(),
        header,
        fraction: r
            .maybe("runtime_fraction", runtime_fraction.as_ref(), |r, fraction| {
                share::runtime_fraction(r, fraction, FractionalPercent::ALWAYS)
            })?
            .unwrap_or(FractionalPercent::ALWAYS),
        keep_host: *disable_shadow_host_suffix_append,
    })
}
