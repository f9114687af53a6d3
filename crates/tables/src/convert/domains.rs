//! The index from domain to virtual host.

use std::collections::HashSet;

use super::reader::{Read, Reader};
use crate::pb::envoy::config::route::v3::VirtualHost;
use crate::route::DomainIndex;

/// Builds the index. A domain that is there twice is refused, as Envoy does: which host would get
/// the request depended on nothing but order.
pub(crate) fn index(r: &mut Reader<'_>, hosts: &[VirtualHost]) -> Read<DomainIndex> {
    let mut index = DomainIndex::default();
    let mut seen = HashSet::new();
    let mut refused = None;
    for (host, virtual_host) in hosts.iter().enumerate() {
        for (at, domain) in virtual_host.domains.iter().enumerate() {
            let lower: Box<str> = domain.to_ascii_lowercase().into();
            if !seen.insert(lower.clone()) {
                refused = Some(r.item("virtual_hosts", host, |r| {
                    r.item("domains", at, |r| r.refuse(format!("domain {lower:?} is there twice")))
                }));
            } else if &*lower == "*" {
                index.any = Some(host);
            } else if let Some(suffix) = lower.strip_prefix('*') {
                index.suffixes.insert(suffix.into(), host);
            } else if let Some(prefix) = lower.strip_suffix('*') {
                index.prefixes.insert(prefix.into(), host);
            } else {
                index.exact.insert(lower, host);
            }
        }
    }
    refused.map_or(Ok(index), Err)
}
