//! The positions of balancers between calls.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Instant;

use weft_balance::transport::for_endpoint;
use weft_balance::{Balancer, HostHandle, HostSet, PickContext, Settings};
use weft_state::ClusterState;
use weft_tables::cluster::{Cluster, Discovery};
use weft_types::{Name, Random};

/// Balancers by cluster, made at the first call to each.
#[derive(Debug, Default)]
pub(crate) struct Clusters(HashMap<Name, Balanced>);

#[derive(Debug)]
struct Balanced {
    hosts: Arc<HostSet>,
    balancer: Balancer,
}

impl Clusters {
    /// The host that balancing chooses; `None`: there is none. All hosts that the configuration does
    /// not call unhealthy are taken as healthy, and names as resolved.
    pub(crate) fn pick(
        &mut self,
        cluster: &Cluster,
        context: &PickContext<'_>,
        dice: &mut impl Random,
    ) -> Option<HostHandle> {
        if !self.0.contains_key(&cluster.name) {
            self.0.insert(cluster.name.clone(), Balanced::new(cluster, context.now, dice)?);
        }
        let Balanced { hosts, balancer } = self.0.get_mut(&cluster.name)?;
        balancer.pick(hosts, context, dice).ok().map(|pick| pick.host)
    }
}

impl Balanced {
    fn new(cluster: &Cluster, now: Instant, dice: &mut impl Random) -> Option<Self> {
        let endpoints = match &cluster.discovery {
            Discovery::Static(endpoints) => endpoints,
            Discovery::StrictDns(dns) | Discovery::LogicalDns(dns) => &dns.endpoints,
            Discovery::OriginalDst { .. } | Discovery::Eds(_) => return None,
        };
        let state = Arc::new(ClusterState::new(cluster.name.clone()));
        let hosts = Arc::new(HostSet::new(endpoints, &state, |endpoint| {
            state.host(&endpoint.address, for_endpoint(cluster, endpoint), now)
        }));
        Some(Self { hosts, balancer: Balancer::new(Settings::from(cluster), dice) })
    }
}
