//! Bootstraps.

use std::collections::HashSet;
use std::sync::Arc;

use weft_types::Name;

use super::address::{self, Names};
use super::divided::{Divided, DividedResources, Source};
use super::entry::{self, Context, Conversion, KnownNames};
use super::reader::{Read, Reader, holds};
use super::source::DataSource;
use super::unset::{ignore_set, refuse_set};
use super::{discovery, discovery_server, metadata};
use crate::finding::{Finding, ResourceKind};
use crate::pb::envoy::config::bootstrap::v3::{self as proto, bootstrap as parts};
use crate::pb::envoy::config::cluster::v3::Cluster;
use crate::pb::envoy::config::core::v3::Node;
use crate::pb::envoy::config::listener::v3::Listener;
use crate::pb::envoy::extensions::regex_engines::v3::GoogleRe2;
use crate::pb::envoy::extensions::transport_sockets::tls::v3::Secret;
use crate::tables::{Bootstrap, Tables};

/// Why what serves only counters, traces and dumps has no effect.
const OBSERVED: &str = "it changes what can be observed, in a form that is not kept here";

/// Converts a bootstrap. A resource that is refused is left out, and harms no other (invariant 3);
/// its findings say why.
#[must_use]
pub fn bootstrap(proto: &proto::Bootstrap, files: &dyn DataSource) -> (Tables, Vec<Finding>) {
    let no_resources = parts::StaticResources::default();
    let parts::StaticResources { listeners, clusters, secrets } =
        proto.static_resources.as_ref().unwrap_or(&no_resources);
    let resources = Resources {
        listeners: Source::Messages(listeners),
        clusters: Source::Messages(clusters),
        secrets: Source::Messages(secrets),
    };
    // Messages need no decoding, which alone can fail.
    convert(proto, &resources, files).unwrap_or_default()
}

/// As [`bootstrap`], from its bytes: static resources are decoded one at a time, so that they are never
/// in memory as messages all at once. Also gives the bootstrap without them.
///
/// # Errors
/// The bytes are no bootstrap.
pub fn bootstrap_bytes(
    wire: Vec<u8>,
    files: &dyn DataSource,
) -> Result<(Tables, Vec<Finding>, proto::Bootstrap), prost::DecodeError> {
    let Divided { rest, resources } = Divided::of(wire)?;
    let DividedResources { listeners, clusters, secrets } = resources;
    let resources = Resources {
        listeners: Source::Bytes(&listeners),
        clusters: Source::Bytes(&clusters),
        secrets: Source::Bytes(&secrets),
    };
    let (tables, findings) = convert(&rest, &resources, files)?;
    Ok((tables, findings, rest))
}

/// What a bootstrap brings with it.
struct Resources<'a> {
    listeners: Source<'a, Listener>,
    clusters: Source<'a, Cluster>,
    secrets: Source<'a, Secret>,
}

fn convert(
    proto: &proto::Bootstrap,
    resources: &Resources<'_>,
    files: &dyn DataSource,
) -> Result<(Tables, Vec<Finding>), prost::DecodeError> {
    let Resources { listeners, clusters, secrets } = resources;
    let mut known_clusters = HashSet::new();
    clusters.each_name(|name| _ = known_clusters.insert(name.into()), |c| &c.name)?;
    let mut known_secrets = HashSet::new();
    secrets.each_name(|name| _ = known_secrets.insert(name.into()), |s| &s.name)?;
    let (known_clusters, known_secrets) = (KnownNames::Only(known_clusters), KnownNames::Only(known_secrets));
    let context = Context { files, clusters: &known_clusters, secrets: &known_secrets };

    let mut gathered = Gathered { findings: Vec::new(), context };
    let own = gathered.own(proto);
    let mut tables = Tables { generation: 1, bootstrap: Arc::new(own), ..Tables::default() };
    secrets.each(|_, proto| {
        if let Some(secret) = gathered.take(entry::secret(proto, &context)) {
            let name = Name::from(proto.name.as_str());
            if gathered.unique(ResourceKind::Secret, &name, tables.secrets.contains_key(&name)) {
                Arc::make_mut(&mut tables.secrets).insert(name, Arc::new(secret));
            }
        }
    })?;
    clusters.each(|_, proto| {
        if let Some(cluster) = gathered.take(entry::cluster(proto, &context)) {
            let name = cluster.name.clone();
            if gathered.unique(ResourceKind::Cluster, &name, tables.clusters.contains_key(&name)) {
                Arc::make_mut(&mut tables.clusters).insert(name, Arc::new(cluster));
            }
        }
    })?;
    listeners.each(|index, proto| {
        if let Some(mut listener) = gathered.take(entry::listener(proto, &context)) {
            if listener.name.is_empty() {
                // Envoy makes up a UUID; a name by place stays the same from start to start.
                listener.name = format!("listener-{index}").into();
            }
            let name = listener.name.clone();
            if gathered.unique(ResourceKind::Listener, &name, tables.listeners.contains_key(&name)) {
                Arc::make_mut(&mut tables.listeners).insert(name, Arc::new(listener));
            }
        }
    })?;
    Ok((tables, gathered.findings))
}

/// Collects what the resources have to say.
struct Gathered<'a> {
    findings: Vec<Finding>,
    context: Context<'a>,
}

impl Gathered<'_> {
    fn take<T>(&mut self, conversion: Conversion<T>) -> Option<T> {
        match conversion {
            Ok((value, findings)) => {
                self.findings.extend(findings);
                Some(value)
            }
            Err(findings) => {
                self.findings.extend(findings);
                None
            }
        }
    }

    /// Refuses the second resource of a name; the first one stays.
    fn unique(&mut self, kind: ResourceKind, name: &Name, taken: bool) -> bool {
        if taken {
            let mut reader = Reader::new(&self.context, kind, name);
            reader.refuse("there is another resource of this name; the first one stays");
            self.findings.extend(reader.into_findings());
        }
        !taken
    }

    fn own(&mut self, proto: &proto::Bootstrap) -> Bootstrap {
        let mut reader = Reader::new(&self.context, ResourceKind::Bootstrap, "");
        let own = read_own(&mut reader, proto);
        self.findings.extend(reader.into_findings());
        own
    }
}

/// Reads all but the static resources. Nothing here keeps the resources from being served.
fn read_own(r: &mut Reader<'_>, proto: &proto::Bootstrap) -> Bootstrap {
    let proto::Bootstrap {
        node,
        node_context_params,
        static_resources: _,
        dynamic_resources,
        cluster_manager,
        hds_config,
        flags_path,
        stats_sinks,
        deferred_stat_options,
        stats_config,
        stats_flush_interval,
        watchdog,
        watchdogs,
        tracing,
        layered_runtime,
        admin,
        overload_manager,
        enable_dispatcher_stats,
        header_prefix,
        stats_server_version_override,
        use_tcp_for_dns_lookups,
        dns_resolution_config,
        typed_dns_resolver_config,
        bootstrap_extensions,
        fatal_actions,
        config_sources,
        default_config_source,
        default_socket_interface,
        certificate_provider_instances,
        inline_headers,
        perf_tracing_file_path,
        default_regex_engine,
        xds_delegate_extension,
        xds_config_tracker_extension,
        listener_manager,
        application_log_config,
        grpc_async_client_manager_config,
        memory_allocator_manager,
        enable_worker_cpu_affinity,
        stats_flush,
        stats_eviction,
    } = proto;
    ignore_set!(
        r,
        OBSERVED,
        stats_sinks,
        deferred_stat_options,
        stats_config,
        stats_flush_interval,
        tracing,
        enable_dispatcher_stats,
        stats_server_version_override,
        perf_tracing_file_path,
        application_log_config,
        stats_flush,
        stats_eviction,
        xds_config_tracker_extension,
    );
    ignore_set!(
        r,
        "it belongs to the inner workings of Envoy",
        node_context_params,
        flags_path,
        watchdog,
        watchdogs,
        bootstrap_extensions,
        fatal_actions,
        inline_headers,
        grpc_async_client_manager_config,
        memory_allocator_manager,
        enable_worker_cpu_affinity,
        listener_manager,
        use_tcp_for_dns_lookups,
    );
    ignore_set!(r, "there is no runtime: the values of the configuration hold", layered_runtime);
    refuse_set!(
        r,
        "not implemented",
        hds_config,
        overload_manager,
        header_prefix,
        dns_resolution_config,
        config_sources,
        default_config_source,
        default_socket_interface,
        certificate_provider_instances,
        xds_delegate_extension,
    );
    // A refusal is recorded where it arises; the rest of the bootstrap is read all the same.
    let _ = r.maybe("typed_dns_resolver_config", typed_dns_resolver_config.as_ref(), discovery::resolver);
    if let Some(engine) = default_regex_engine
        && !engine.typed_config.as_ref().is_some_and(holds::<GoogleRe2>)
    {
        r.refuse_at("default_regex_engine", "expressions have the syntax of RE2");
    }
    if let Some(manager) = cluster_manager {
        r.within("cluster_manager", |r| read_cluster_manager(r, manager));
    }
    let node = node.as_ref().map(identity).unwrap_or_default();
    Bootstrap {
        admin: r.maybe("admin", admin.as_ref(), read_admin).ok().flatten().flatten(),
        discovery: r
            .maybe("dynamic_resources", dynamic_resources.as_ref(), discovery_server::read)
            .ok()
            .flatten()
            .flatten(),
        ..node
    }
}

/// What a node says of itself, as a bootstrap without the rest.
fn identity(proto: &Node) -> Bootstrap {
    let Node {
        id,
        cluster,
        metadata,
        // What else a node says of itself is for the control plane.
        dynamic_parameters: _,
        locality: _,
        user_agent_name: _,
        extensions: _,
        client_features: _,
        listening_addresses: _,
        user_agent_version_type: _,
    } = proto;
    Bootstrap {
        node_id: id.clone(),
        node_cluster: cluster.clone(),
        node_metadata: metadata.as_ref().map(metadata::structure).unwrap_or_default(),
        admin: None,
        discovery: None,
    }
}

fn read_cluster_manager(r: &mut Reader<'_>, proto: &proto::ClusterManager) {
    let proto::ClusterManager {
        local_cluster_name,
        outlier_detection,
        upstream_bind_config,
        load_stats_config,
        enable_deferred_cluster_creation,
    } = proto;
    refuse_set!(r, "zone-aware routing is not implemented: all zones get traffic", local_cluster_name);
    ignore_set!(r, OBSERVED, outlier_detection, load_stats_config);
    ignore_set!(r, "it changes no outcome", enable_deferred_cluster_creation);
    refuse_set!(r, "set it in each cluster", upstream_bind_config);
}

fn read_admin(r: &mut Reader<'_>, proto: &proto::Admin) -> Read<Option<crate::address::SocketAddress>> {
    let proto::Admin {
        access_log,
        access_log_path,
        profile_path,
        address,
        socket_options,
        ignore_global_conn_limit,
        allow_paths,
    } = proto;
    ignore_set!(r, OBSERVED, access_log, access_log_path, profile_path);
    ignore_set!(r, "there is no such limit", ignore_global_conn_limit);
    refuse_set!(r, "not implemented", socket_options, allow_paths);
    r.maybe("address", address.as_ref(), |r, p| address::read(r, p, Names::Forbidden))
}
