//! What is counted of resources that come, by Envoy's names.

use std::rc::Rc;
use std::sync::Arc;

use weft_proto::type_url;
use weft_telemetry::stats::names::Scope;
use weft_telemetry::stats::{Registry, Shard};
use weft_xds::client::Delivery;

/// Counts deliveries and the connection.
#[derive(Clone, Debug)]
pub(super) struct Counts {
    registry: Arc<Registry>,
    shard: Rc<Shard>,
}

impl Counts {
    pub(super) fn new(registry: &Arc<Registry>) -> Self {
        let counts = Self { registry: registry.clone(), shard: Rc::new(registry.shard()) };
        counts.connected(false);
        counts
    }

    /// A delivery was accepted, or parts of it were refused.
    pub(super) fn delivered(&self, delivery: &Delivery, refused: bool) {
        let root = Scope::root(&self.registry);
        let scope = match &*delivery.type_url {
            type_url::CLUSTER => root.part("cluster_manager").part("cds"),
            type_url::LISTENER => root.part("listener_manager").part("lds"),
            type_url::CLUSTER_LOAD_ASSIGNMENT => root.part("eds"),
            type_url::ROUTE_CONFIGURATION => root.part("rds"),
            _ => root.part("sds"),
        };
        self.shard.inc(scope.counter("update_attempt"));
        self.shard.inc(scope.counter(if refused { "update_rejected" } else { "update_success" }));
    }

    /// How many are in force, and how many wait.
    pub(super) fn sizes(&self, clusters: [usize; 2], listeners: [usize; 2]) {
        let root = Scope::root(&self.registry);
        let (of_clusters, of_listeners) = (root.part("cluster_manager"), root.part("listener_manager"));
        for (scope, name, count) in [
            (&of_clusters, "active_clusters", clusters[0]),
            (&of_clusters, "warming_clusters", clusters[1]),
            (&of_listeners, "total_listeners_active", listeners[0]),
            (&of_listeners, "total_listeners_warming", listeners[1]),
        ] {
            self.registry.set_gauge(scope.gauge(name), count as u64);
        }
    }

    /// There is a connection, or none.
    pub(super) fn connected(&self, up: bool) {
        let scope = Scope::root(&self.registry).part("control_plane");
        self.registry.set_gauge(scope.gauge("connected_state"), u64::from(up));
    }
}
