//! Whose turn it is: clusters, then endpoints of new clusters, then listeners, then routes; clusters go
//! away last, when nothing can name them any more.
//!
//! Source: design invariant 5; Istio and Envoy call it make before break.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use weft_proto::resource::Named;
use weft_proto::type_url;

use super::channel::Channel;
use super::told::{Answer, Told};

/// What a type is to the order. The order of the variants is the order of sending.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Role {
    Cluster,
    Endpoint,
    Listener,
    Route,
    /// Secrets, extensions: asked for by name.
    Named,
    /// Anything else: free of the order, all of it by default.
    Other,
}

impl Role {
    pub(super) fn of(type_url: &str) -> Self {
        match type_url {
            type_url::CLUSTER => Self::Cluster,
            type_url::CLUSTER_LOAD_ASSIGNMENT => Self::Endpoint,
            type_url::LISTENER => Self::Listener,
            type_url::ROUTE_CONFIGURATION => Self::Route,
            type_url::SECRET | type_url::EXTENSION_CONFIG | type_url::SCOPED_ROUTE_CONFIGURATION => {
                Self::Named
            }
            _ => Self::Other,
        }
    }

    /// Whether a subscription without names means all.
    pub(super) fn is_listed_whole(self) -> bool {
        matches!(self, Self::Cluster | Self::Listener | Self::Other)
    }
}

/// Whether something may be sent now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Gate {
    Open,
    /// Not before the client has answered.
    Wait,
    /// Not before the client has asked for these; it may never do so.
    Unasked(Role, Vec<Arc<str>>),
}

/// Names for which no request came in time, and since when others are waited for.
#[derive(Debug, Default)]
pub(super) struct Patience {
    given_up: BTreeMap<Role, BTreeSet<Arc<str>>>,
    since: BTreeMap<Role, Duration>,
    blocked: BTreeSet<Role>,
}

impl Patience {
    /// Begins a round of looks at gates.
    pub(super) fn begin(&mut self) {
        self.blocked.clear();
    }

    /// Notes what is waited for; whether that has lasted long enough.
    pub(super) fn is_over(
        &mut self,
        role: Role,
        names: Vec<Arc<str>>,
        now: Duration,
        patience: Duration,
    ) -> bool {
        let since = *self.since.entry(role).or_insert(now);
        if now < since.saturating_add(patience) {
            self.blocked.insert(role);
            return false;
        }
        self.given_up.entry(role).or_default().extend(names);
        true
    }

    /// Ends a round: who is not waited for any more gets his full time the next time.
    pub(super) fn end(&mut self) {
        let blocked = &self.blocked;
        self.since.retain(|role, _| blocked.contains(role));
    }

    pub(super) fn next(&self, patience: Duration) -> Option<Duration> {
        self.since.values().min().map(|since| since.saturating_add(patience))
    }

    /// Forgets names that are not there any more.
    pub(super) fn prune(&mut self, has: impl Fn(Role, &str) -> bool) {
        for (role, names) in &mut self.given_up {
            names.retain(|name| name.is_empty() || has(*role, name));
        }
    }

    fn has_given_up(&self, role: Role, name: &str) -> bool {
        self.given_up.get(&role).is_some_and(|names| names.contains(name))
    }
}

/// What a stream has of each role, and what it shall have.
pub(super) struct View<'s> {
    pub(super) channel: &'s dyn Fn(Role) -> Option<&'s Channel>,
    pub(super) target: &'s dyn Fn(Role) -> &'s Named,
    pub(super) patience: &'s Patience,
}

impl View<'_> {
    /// Whether new and changed resources may go.
    pub(super) fn additions(&self, role: Role) -> Gate {
        match role {
            Role::Cluster | Role::Endpoint | Role::Named | Role::Other => Gate::Open,
            Role::Listener => self.clusters_ready(),
            Role::Route => match self.clusters_ready() {
                Gate::Open => self.listeners_known(),
                gate => gate,
            },
        }
    }

    /// Whether the client may be told that resources are gone.
    pub(super) fn removals(&self, role: Role) -> Gate {
        match role {
            Role::Cluster => match self.all_accepted(Role::Listener) {
                Gate::Open => self.all_accepted(Role::Route),
                gate => gate,
            },
            Role::Endpoint => self.clusters_gone(),
            Role::Route if (self.channel)(Role::Listener).is_some() => self.listeners_known(),
            Role::Listener | Role::Route | Role::Named | Role::Other => Gate::Open,
        }
    }

    fn unasked(&self, role: Role, names: Vec<Arc<str>>) -> Gate {
        let names: Vec<_> =
            names.into_iter().filter(|name| !self.patience.has_given_up(role, name)).collect();
        if names.is_empty() { Gate::Open } else { Gate::Unasked(role, names) }
    }

    /// All clusters are with the client, and endpoints of those that have some.
    fn clusters_ready(&self) -> Gate {
        let Some(clusters) = (self.channel)(Role::Cluster) else {
            return self.unasked(Role::Cluster, vec!["".into()]);
        };
        let wanted = (self.target)(Role::Cluster);
        if !clusters.is_settled(wanted) {
            return Gate::Wait;
        }
        let endpoints = (self.channel)(Role::Endpoint);
        let shapes = endpoints.map(|endpoints| (clusters.shape, endpoints.shape));
        if endpoints.is_some_and(|endpoints| endpoints.warm.get() == shapes) {
            return Gate::Open;
        }
        let assignments = (self.target)(Role::Endpoint);
        let mut unasked = Vec::new();
        for name in wanted.keys().filter(|name| clusters.wants(name) && assignments.contains_key(*name)) {
            match endpoints {
                Some(endpoints) if endpoints.wants(name) => {
                    if !is_stalled(endpoints)
                        && !endpoints.told.get(name).is_some_and(|told| told.taken && told.version.is_some())
                    {
                        return Gate::Wait;
                    }
                }
                _ => unasked.push(name.clone()),
            }
        }
        if let Some(endpoints) = endpoints.filter(|endpoints| unasked.is_empty() && !is_stalled(endpoints)) {
            endpoints.warm.set(shapes);
        }
        self.unasked(Role::Endpoint, unasked)
    }

    /// The client has all listeners.
    fn listeners_known(&self) -> Gate {
        match (self.channel)(Role::Listener) {
            None => self.unasked(Role::Listener, vec!["".into()]),
            Some(listeners) if listeners.is_settled((self.target)(Role::Listener)) => Gate::Open,
            Some(_) => Gate::Wait,
        }
    }

    /// The client uses the resources of the target and no others. One that it refused keeps an older one in
    /// force, which may name anything.
    fn all_accepted(&self, role: Role) -> Gate {
        let Some(channel) = (self.channel)(role) else {
            return self.unasked(role, vec!["".into()]);
        };
        let target = (self.target)(role);
        if channel.flight.is_some() || channel.answer_due {
            return Gate::Wait;
        }
        let lingers = |(name, told): (&Arc<str>, &Told)| {
            role == Role::Listener
                && !target.contains_key(name)
                && (told.version.is_some() || told.answer != Answer::Accepted)
        };
        if channel.told.iter().any(lingers) {
            return Gate::Wait;
        }
        let mut unasked = Vec::new();
        for (name, resource) in target {
            let told = channel.told.get(name);
            if !channel.wants(name) {
                unasked.push(name.clone());
            } else if !told.is_some_and(|told| {
                told.version.as_ref() == Some(&resource.version) && told.answer == Answer::Accepted
            }) {
                return Gate::Wait;
            }
        }
        self.unasked(role, unasked)
    }

    /// Clusters that are gone are gone for the client too.
    fn clusters_gone(&self) -> Gate {
        let Some(clusters) = (self.channel)(Role::Cluster) else { return Gate::Open };
        let target = (self.target)(Role::Cluster);
        let lingers = |(name, told): (&Arc<str>, &Told)| told.version.is_some() && !target.contains_key(name);
        if clusters.flight.is_some() || clusters.told.iter().any(lingers) { Gate::Wait } else { Gate::Open }
    }
}

fn is_stalled(channel: &Channel) -> bool {
    channel.flight.as_ref().is_some_and(|flight| flight.stalled)
}
