//! All tables of one generation of configuration.

use std::collections::HashMap;
use std::sync::Arc;

use weft_types::Name;

use crate::cluster::Cluster;
use crate::listener::Listener;
use crate::route::RouteConfig;
use crate::tls::Secret;

/// Everything that a proxy runs by, immutable; the proxy swaps one generation for the next as one
/// pointer. Parts that did not change are shared between generations.
#[derive(Clone, Debug, Default)]
pub struct Tables {
    /// Counts up with each accepted change.
    pub generation: u64,
    /// Listeners by name.
    pub listeners: HashMap<Name, Arc<Listener>>,
    /// Route configurations that RDS delivers, by name (inline ones lie in their HTTP manager).
    pub routes: HashMap<Name, Arc<RouteConfig>>,
    /// Clusters by name.
    pub clusters: HashMap<Name, Arc<Cluster>>,
    /// Secrets by name.
    pub secrets: HashMap<Name, Arc<Secret>>,
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
    /// Where the admin page listens; `None`: nowhere.
    pub admin: Option<crate::address::SocketAddress>,
}
