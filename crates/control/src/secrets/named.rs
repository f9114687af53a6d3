//! Which Secrets the resources of a proxy name.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use prost::Message as _;
use weft_proto::envoy::config::cluster::v3::Cluster;
use weft_proto::envoy::config::core::v3::TransportSocket;
use weft_proto::envoy::config::core::v3::transport_socket::ConfigType;
use weft_proto::envoy::config::listener::v3::Listener;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::common_tls_context::ValidationContextType;
use weft_proto::envoy::extensions::transport_sockets::tls::v3::{
    CommonTlsContext, DownstreamTlsContext, UpstreamTlsContext,
};
use weft_proto::resource::{Named, Resource, ResourceSet};

/// How names of the cluster's Secrets begin.
const PREFIX: &str = "kubernetes://";
/// How names end that are for authorities alone.
pub(super) const AUTHORITIES: &str = "-cacert";

/// Namespace and name of a Secret; the gateway's own namespace where the name tells none.
pub(super) fn place<'a>(name: &'a str, own: &'a str) -> (&'a str, &'a str) {
    let name = name.strip_prefix(PREFIX).unwrap_or(name);
    name.split_once('/').unwrap_or((own, name))
}

/// Whether a resource's name is that of a `credentialName`.
pub(super) fn is(resource: &str, credential: &str) -> bool {
    resource == credential || resource.strip_prefix(PREFIX) == Some(credential)
}

/// What was found, kept while the resources are the same.
#[derive(Debug, Default)]
pub(super) struct Names {
    maps: HashMap<Arc<str>, (Named, BTreeSet<String>)>,
}

impl Names {
    /// All of a set.
    pub(super) fn of(&mut self, set: &ResourceSet) -> BTreeSet<String> {
        let mut all = BTreeSet::new();
        for (type_url, named) in &set.by_type {
            let find: fn(&Resource) -> BTreeSet<String> = match &**type_url {
                url if url.ends_with(".Listener") => of_listener,
                url if url.ends_with(".Cluster") => of_cluster,
                _ => continue,
            };
            let known = self.maps.get(type_url).filter(|(before, _)| before.ptr_eq(named));
            let found = match known {
                Some((_, found)) => found.clone(),
                None => named
                    .values()
                    .filter(|resource| {
                        memchr::memmem::find(&resource.body.value, PREFIX.as_bytes()).is_some()
                    })
                    .flat_map(|resource| find(resource))
                    .collect(),
            };
            all.extend(found.iter().cloned());
            self.maps.insert(type_url.clone(), (named.clone(), found));
        }
        all
    }
}

fn of_listener(resource: &Resource) -> BTreeSet<String> {
    // Made by our own compiler: it can be read.
    let listener = Listener::decode(&*resource.body.value).unwrap_or_default();
    let chains = listener.filter_chains.iter().chain(&listener.default_filter_chain);
    chains.filter_map(|chain| chain.transport_socket.as_ref()).flat_map(of_socket).collect()
}

fn of_cluster(resource: &Resource) -> BTreeSet<String> {
    let cluster = Cluster::decode(&*resource.body.value).unwrap_or_default();
    let matched = cluster.transport_socket_matches.iter().filter_map(|one| one.transport_socket.as_ref());
    cluster.transport_socket.iter().chain(matched).flat_map(of_socket).collect()
}

fn of_socket(socket: &TransportSocket) -> Vec<String> {
    let Some(ConfigType::TypedConfig(config)) = &socket.config_type else { return Vec::new() };
    let common = if config.type_url.ends_with(".DownstreamTlsContext") {
        DownstreamTlsContext::decode(&*config.value).ok().and_then(|context| context.common_tls_context)
    } else if config.type_url.ends_with(".UpstreamTlsContext") {
        UpstreamTlsContext::decode(&*config.value).ok().and_then(|context| context.common_tls_context)
    } else {
        None
    };
    common.map(of_context).unwrap_or_default()
}

fn of_context(context: CommonTlsContext) -> Vec<String> {
    let validation = match context.validation_context_type {
        Some(ValidationContextType::ValidationContextSdsSecretConfig(config)) => Some(config),
        Some(ValidationContextType::CombinedValidationContext(combined)) => {
            combined.validation_context_sds_secret_config
        }
        _ => None,
    };
    let configs = context.tls_certificate_sds_secret_configs.into_iter().chain(validation);
    configs.map(|config| config.name).filter(|name| name.starts_with(PREFIX)).collect()
}
