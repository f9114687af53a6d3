//! All tables of one generation of configuration.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use weft_types::Name;

use crate::cluster::{Cluster, Endpoints, MetadataValue};
use crate::listener::Listener;
use crate::route::RouteConfig;
use crate::tls::Secret;

/// Everything that a proxy runs by, immutable; the proxy swaps one generation for the next as one
/// pointer. Parts that did not change are shared between generations, and maps of which nothing changed
/// are as well.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Counts up with each accepted change.
    pub generation: u64,
    /// Listeners by name.
    pub listeners: Arc<HashMap<Name, Arc<Listener>>>,
    /// Route configurations that RDS delivers, by name (inline ones lie in their HTTP manager).
    pub routes: Arc<HashMap<Name, Arc<RouteConfig>>>,
    /// Clusters by name.
    pub clusters: Arc<HashMap<Name, Arc<Cluster>>>,
    /// Endpoints that EDS delivers, by the name that clusters ask for them by
    /// ([`Discovery::Eds`](crate::cluster::Discovery::Eds)).
    pub endpoints: Arc<HashMap<Name, Arc<Endpoints>>>,
    /// Secrets by name.
    pub secrets: Arc<HashMap<Name, Arc<Secret>>>,
    /// Node identity and admin address of the bootstrap.
    pub bootstrap: Arc<Bootstrap>,
}

/// The parts of a bootstrap that are not resources.
#[derive(Clone, Debug, Default)]
pub struct Bootstrap {
    /// `node.id`.
    pub node_id: String,
    /// `node.cluster`.
    pub node_cluster: String,
    /// `node.metadata`: names, labels and the like by which others know this node.
    pub node_metadata: BTreeMap<Box<str>, MetadataValue>,
    /// Where the admin page listens; `None`: nowhere.
    pub admin: Option<crate::address::SocketAddress>,
    /// Which server resources come from; `None`: all are in the file.
    pub discovery: Option<DiscoveryServer>,
}

/// `dynamic_resources`: an xDS server, reached as one of the static clusters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DiscoveryServer {
    /// The cluster.
    pub cluster: Name,
    /// Changes alone are sent (`DELTA_GRPC`, `AGGREGATED_DELTA_GRPC`), not whole states.
    pub delta: bool,
    /// Clusters come from it (`cds_config`).
    pub clusters: bool,
    /// Listeners come from it (`lds_config`).
    pub listeners: bool,
    /// Metadata of the stream: `initial_metadata` of the gRPC service.
    pub metadata: Vec<(Box<str>, Box<str>)>,
}

/// Changes give the next generation and leave this one as it is; what did not change is shared.
/// The map that changes is copied shallowly: names and pointers, not resources.
impl Tables {
    /// With that listener added, or in the place of the one of its name.
    #[must_use]
    pub fn with_listener(&self, listener: Listener) -> Self {
        self.next(|t| _ = Arc::make_mut(&mut t.listeners).insert(listener.name.clone(), Arc::new(listener)))
    }

    /// With that cluster added, or in the place of the one of its name.
    #[must_use]
    pub fn with_cluster(&self, cluster: Cluster) -> Self {
        self.next(|t| _ = Arc::make_mut(&mut t.clusters).insert(cluster.name.clone(), Arc::new(cluster)))
    }

    /// With that route configuration added, or in the place of the one of its name.
    #[must_use]
    pub fn with_routes(&self, routes: RouteConfig) -> Self {
        self.next(|t| _ = Arc::make_mut(&mut t.routes).insert(routes.name.clone(), Arc::new(routes)))
    }

    /// With that secret added, or in the place of the one of its name.
    #[must_use]
    pub fn with_secret(&self, name: Name, secret: Secret) -> Self {
        self.next(|t| _ = Arc::make_mut(&mut t.secrets).insert(name, Arc::new(secret)))
    }

    /// Without the listener of that name.
    #[must_use]
    pub fn without_listener(&self, name: &str) -> Self {
        self.next(|t| _ = Arc::make_mut(&mut t.listeners).remove(name))
    }

    /// Without the cluster of that name.
    #[must_use]
    pub fn without_cluster(&self, name: &str) -> Self {
        self.next(|t| _ = Arc::make_mut(&mut t.clusters).remove(name))
    }

    /// Without the route configuration of that name.
    #[must_use]
    pub fn without_routes(&self, name: &str) -> Self {
        self.next(|t| _ = Arc::make_mut(&mut t.routes).remove(name))
    }

    /// Without the secret of that name.
    #[must_use]
    pub fn without_secret(&self, name: &str) -> Self {
        self.next(|t| _ = Arc::make_mut(&mut t.secrets).remove(name))
    }

    fn next(&self, change: impl FnOnce(&mut Self)) -> Self {
        let mut next = self.clone();
        next.generation += 1;
        change(&mut next);
        next
    }
}
