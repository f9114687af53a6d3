//! What is wanted of one type, and what is here.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Delivery, Protocol, Request, delta, sotw};

/// Which resources of a type are wanted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Interest {
    /// Whatever the server has for this node.
    Wildcard,
    /// These.
    Names(BTreeSet<Arc<str>>),
}

impl Interest {
    /// Whether a resource of that name is wanted.
    #[must_use]
    pub fn includes(&self, name: &str) -> bool {
        match self {
            Self::Wildcard => true,
            Self::Names(names) => names.contains(name),
        }
    }

    fn is_empty(&self) -> bool {
        matches!(self, Self::Names(names) if names.is_empty())
    }
}

/// The state of one type's subscription.
#[derive(Debug)]
pub(super) struct Subscription {
    pub(super) type_url: Arc<str>,
    pub(super) interest: Interest,
    /// What this stream was told; `None`: nothing yet.
    pub(super) told: Option<Interest>,
    /// Versions of what is here.
    pub(super) versions: BTreeMap<Arc<str>, Arc<str>>,
    /// State of the world: version and nonce to name in requests.
    pub(super) accepted: String,
    pub(super) nonce: String,
}

impl Subscription {
    pub(super) fn new(type_url: &str) -> Self {
        Self {
            type_url: type_url.into(),
            interest: Interest::Names(BTreeSet::new()),
            told: None,
            versions: BTreeMap::new(),
            accepted: String::new(),
            nonce: String::new(),
        }
    }

    /// Changes the interest; what is not wanted any more is forgotten.
    pub(super) fn want(&mut self, interest: Interest) {
        self.versions.retain(|name, _| interest.includes(name));
        self.interest = interest;
    }

    /// A request that tells the server of the interest, if it does not know.
    pub(super) fn update(&mut self, protocol: Protocol) -> Option<Request> {
        if self.told.as_ref() == Some(&self.interest) || (self.told.is_none() && self.interest.is_empty()) {
            return None;
        }
        let request = match protocol {
            Protocol::Delta => delta::update(self),
            Protocol::StateOfTheWorld => sotw::update(self),
        };
        self.told = Some(self.interest.clone());
        Some(request)
    }

    /// Notes what a delivery brought, but for what was refused: that keeps the version it had.
    pub(super) fn accept(&mut self, delivery: &Delivery, refused: impl Fn(&str) -> bool) {
        for resource in &delivery.changed {
            if !refused(&resource.name) && self.interest.includes(&resource.name) {
                self.versions.insert(resource.name.clone(), resource.version.clone());
            }
        }
        for name in &delivery.removed {
            self.versions.remove(name);
        }
    }

    pub(super) fn closed(&mut self) {
        self.told = None;
        self.nonce.clear();
    }

    /// Keeps the names alone: versions of one form of the protocol mean nothing to the other.
    pub(super) fn forget_versions(&mut self) {
        self.accepted.clear();
        self.versions.values_mut().for_each(|version| *version = "".into());
    }
}
