//! All connected proxies: what they share is made once, and after a change only what it concerns is made anew.
//!
//! ```text
//! Snapshot ─ changed_since ─┬─ endpoints of services ─► kins that see them: those clusters alone ─┐
//!                           ├─ workloads ─────────────► the proxies beside them: their own part ──┼─► sets
//!                           └─ anything else ─────────► all kins, with clusters that are known ───┘
//!  proxy ─► Kin (namespace, ground, telling labels) ─► Group: shared set ─┬─ together ─► the proxy's set
//!                                          own set: inbound, or gateway ──┘
//! ```
//!
//! # Invariants
//! - A proxy has what [`crate::compile`] makes of the last snapshot for it, byte for byte (`tests/fleet.rs`).
//! - For a change of endpoints, neither objects nor resources of services that it does not concern are looked at.
//! - What cannot be made (a panic) leaves the last good version in force, for the proxies that it concerns alone.

mod clusters;
mod converge;
mod group;
mod kin;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use weft_api::Diagnostic;
use weft_model::{Changes, Snapshot};
use weft_proto::resource::ResourceSet;
use weft_types::Name;

use crate::proxy::{Proxy, Role};
use crate::view::View;
use crate::{cluster, gateway, inbound, outbound, route, security};
use clusters::Clusters;
use converge::{converge, together};
use group::Group;
use kin::Kin;

/// What turns have cost since the beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Work {
    /// Resources that were made: rendered and packed.
    pub built: u64,
    /// Proxies whose set was looked at.
    pub proxies: u64,
}

/// A proxy for which nothing can be made: the compiler failed, which is a fault of ours.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no configuration can be made for this node")]
pub struct CannotCompile;

/// All connected proxies, and what they have.
#[derive(Debug)]
pub struct Fleet {
    snapshot: Arc<Snapshot>,
    groups: HashMap<Kin, Group>,
    members: BTreeMap<u64, Member>,
    /// By namespace and name of the pod.
    by_pod: HashMap<(Name, Name), BTreeSet<u64>>,
    by_address: HashMap<IpAddr, BTreeSet<u64>>,
    clusters: Clusters,
    built: u64,
    looked_at: u64,
}

/// A proxy, and what it has.
#[derive(Debug)]
struct Member {
    proxy: Arc<Proxy>,
    kin: Kin,
    /// What the set was made of.
    shared: ResourceSet,
    own: ResourceSet,
    set: Arc<ResourceSet>,
}

impl Fleet {
    /// No proxy yet.
    #[must_use]
    pub fn new(snapshot: Arc<Snapshot>) -> Self {
        Self {
            snapshot,
            groups: HashMap::new(),
            members: BTreeMap::new(),
            by_pod: HashMap::new(),
            by_address: HashMap::new(),
            clusters: Clusters::default(),
            built: 0,
            looked_at: 0,
        }
    }

    /// The mesh that proxies have.
    #[must_use]
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// What turns have cost since the beginning.
    #[must_use]
    pub fn work(&self) -> Work {
        Work { built: self.built + self.clusters.built, proxies: self.looked_at }
    }

    /// How many kinds of proxies there are that share what they have.
    #[must_use]
    pub fn kins(&self) -> usize {
        self.groups.len()
    }

    /// What a proxy has.
    #[must_use]
    pub fn set(&self, id: u64) -> Option<&Arc<ResourceSet>> {
        self.members.get(&id).map(|member| &member.set)
    }

    /// Adds a proxy under a number of its own.
    ///
    /// # Errors
    /// Nothing can be made for it; it is not there then.
    pub fn add(&mut self, id: u64, proxy: &Arc<Proxy>) -> Result<Arc<ResourceSet>, CannotCompile> {
        self.remove(id);
        let made = catch_unwind(AssertUnwindSafe(|| {
            let kin = Kin::of(&self.snapshot, proxy);
            self.look_for(&kin, proxy);
            let group = self.groups.get(&kin)?;
            let own = own(&self.snapshot, proxy, group, &mut self.built);
            let shared = group.shared.clone();
            let set = Arc::new(together(&shared, &own, None, self.snapshot.generation));
            Some(Member { proxy: proxy.clone(), kin, shared, own, set })
        }));
        self.looked_at += 1;
        let member = made.ok().flatten().ok_or(CannotCompile)?;
        let set = member.set.clone();
        self.by_pod.entry((proxy.namespace.clone(), proxy.name.clone())).or_default().insert(id);
        if let Some(address) = proxy.address() {
            self.by_address.entry(address).or_default().insert(id);
        }
        self.members.insert(id, member);
        Ok(set)
    }

    /// Forgets a proxy. What it shared with others that are gone too is forgotten at the next turn.
    pub fn remove(&mut self, id: u64) {
        let Some(Member { proxy, .. }) = self.members.remove(&id) else { return };
        let key = (proxy.namespace.clone(), proxy.name.clone());
        if let Some(ids) = self.by_pod.get_mut(&key) {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_pod.remove(&key);
            }
        }
        if let Some(address) = proxy.address()
            && let Some(ids) = self.by_address.get_mut(&address)
        {
            ids.remove(&id);
            if ids.is_empty() {
                self.by_address.remove(&address);
            }
        }
    }

    /// Takes a newer mesh, and tells the proxies that have another set for it: all of them, or those whom a change
    /// of endpoints concerns.
    pub fn turn(&mut self, snapshot: Arc<Snapshot>, mut tell: impl FnMut(u64, &Arc<ResourceSet>)) {
        let before = std::mem::replace(&mut self.snapshot, snapshot);
        self.clusters.turn(&before, &self.snapshot);
        match self.snapshot.changed_since(&before) {
            Some(changes) => self.turn_a_little(&changes, &mut tell),
            None => self.turn_whole(&mut tell),
        }
    }

    fn turn_a_little(&mut self, changes: &Changes, tell: &mut impl FnMut(u64, &Arc<ResourceSet>)) {
        let mut concerned: BTreeSet<u64> = BTreeSet::new();
        // What is beside a proxy may place it elsewhere, and makes its own part.
        for pod in &changes.workloads {
            concerned.extend(self.by_pod.get(pod).into_iter().flatten());
        }
        for address in &changes.addresses {
            concerned.extend(self.by_address.get(address).into_iter().flatten());
        }
        let (mut touched, mut anew) = (Vec::new(), BTreeSet::new());
        let examples = self.examples();
        // What nobody has is not kept up to date.
        self.groups.retain(|kin, _| examples.contains_key(kin));
        for (kin, group) in &mut self.groups {
            let Some((any, members)) = examples.get(kin) else { continue };
            let seen: Vec<_> = changes.services.iter().filter(|service| group.sees(service)).collect();
            if seen.is_empty() {
                continue;
            }
            let by_pods = seen.iter().any(|service| outbound::listens_for_pods(service));
            let (snapshot, clusters) = (&self.snapshot, &mut self.clusters);
            let made = catch_unwind(AssertUnwindSafe(|| {
                let mut made = group.clone();
                if by_pods {
                    return Group::new(kin, snapshot, any, clusters, Some(group));
                }
                for service in &seen {
                    made.replace(kin, snapshot, any, service, clusters);
                }
                made
            }));
            // What cannot be made leaves the last one in force.
            let Ok(made) = made else { continue };
            *group = made;
            match by_pods {
                true => anew.extend(members.iter().copied()),
                false => touched.extend(members.iter().copied()),
            }
        }
        anew.extend(concerned);
        touched.retain(|id| !anew.contains(id));
        for id in touched {
            self.join(id, tell);
        }
        for id in anew {
            self.remake(id, tell);
        }
    }

    fn turn_whole(&mut self, tell: &mut impl FnMut(u64, &Arc<ResourceSet>)) {
        let mut kins: HashMap<Kin, Arc<Proxy>> = HashMap::new();
        for member in self.members.values_mut() {
            member.kin = Kin::of(&self.snapshot, &member.proxy);
            kins.entry(member.kin.clone()).or_insert_with(|| member.proxy.clone());
        }
        self.groups.retain(|kin, _| kins.contains_key(kin));
        let mut stay = BTreeSet::new();
        for (kin, any) in &kins {
            let (snapshot, clusters, before) = (&self.snapshot, &mut self.clusters, self.groups.get(kin));
            let make = || Group::new(kin, snapshot, any, clusters, before);
            match catch_unwind(AssertUnwindSafe(make)) {
                Ok(group) => _ = self.groups.insert(kin.clone(), group),
                Err(_) => {
                    stay.extend(self.members.iter().filter(|(_, one)| one.kin == *kin).map(|(id, _)| *id));
                }
            }
        }
        let ids: Vec<u64> = self.members.keys().copied().filter(|id| !stay.contains(id)).collect();
        for id in ids {
            self.remake(id, tell);
        }
        self.clusters.sweep();
    }

    /// One proxy of each kin, and the numbers of all.
    fn examples(&self) -> HashMap<Kin, (Arc<Proxy>, Vec<u64>)> {
        let mut examples: HashMap<Kin, (Arc<Proxy>, Vec<u64>)> = HashMap::new();
        for (id, member) in &self.members {
            match examples.get_mut(&member.kin) {
                Some((_, ids)) => ids.push(*id),
                None => {
                    examples.insert(member.kin.clone(), (member.proxy.clone(), vec![*id]));
                }
            }
        }
        examples
    }

    /// Makes sure that the group of a kin is there.
    fn look_for(&mut self, kin: &Kin, any: &Proxy) {
        if !self.groups.contains_key(kin) {
            let group = Group::new(kin, &self.snapshot, any, &mut self.clusters, None);
            self.groups.insert(kin.clone(), group);
        }
    }

    /// Gives a proxy what its kin has by now.
    fn join(&mut self, id: u64, tell: &mut impl FnMut(u64, &Arc<ResourceSet>)) {
        let Some(member) = self.members.get_mut(&id) else { return };
        let Some(group) = self.groups.get(&member.kin) else { return };
        self.looked_at += 1;
        let before = Some((&*member.set, &member.shared, &member.own));
        let set = together(&group.shared, &member.own, before, self.snapshot.generation);
        member.shared = group.shared.clone();
        member.set = Arc::new(set);
        tell(id, &member.set);
    }

    /// Makes a proxy's own part anew, and gives it what its kin has.
    fn remake(&mut self, id: u64, tell: &mut impl FnMut(u64, &Arc<ResourceSet>)) {
        let Some(proxy) = self.members.get(&id).map(|member| member.proxy.clone()) else { return };
        self.looked_at += 1;
        let made = catch_unwind(AssertUnwindSafe(|| {
            let kin = Kin::of(&self.snapshot, &proxy);
            self.look_for(&kin, &proxy);
            let group = self.groups.get(&kin)?;
            let own = own(&self.snapshot, &proxy, group, &mut self.built);
            Some((kin, group.shared.clone(), own))
        }));
        let Some((kin, shared, mut own)) = made.ok().flatten() else { return };
        let Some(member) = self.members.get_mut(&id) else { return };
        converge(&mut own, &member.own);
        let before = Some((&*member.set, &member.shared, &member.own));
        let set = Arc::new(together(&shared, &own, before, self.snapshot.generation));
        (member.kin, member.shared, member.own, member.set) = (kin, shared, own, set);
        tell(id, &member.set);
    }

    /// What is said of objects for each kin, and for each proxy by itself. The same may be said for several.
    pub fn diagnose(&self, mut say: impl FnMut(Speaker, Vec<Diagnostic>)) {
        let mut asked: HashMap<&Kin, ()> = HashMap::new();
        for (id, member) in &self.members {
            let Some(group) = self.groups.get(&member.kin) else { continue };
            let proxy = &*member.proxy;
            let said = catch_unwind(AssertUnwindSafe(|| {
                let first = asked.insert(&member.kin, ()).is_none();
                let of_kin = first.then(|| {
                    let view = View::with(&self.snapshot, proxy, group.seen.clone());
                    let mut said = cluster::diagnose(&view);
                    if proxy.role == Role::Sidecar {
                        said.extend(route::diagnose(&view));
                    }
                    said
                });
                let mut own = security::diagnose(&self.snapshot, proxy);
                if proxy.role == Role::Router {
                    own.extend(gateway::diagnose(&self.snapshot, proxy));
                }
                (of_kin, own)
            }));
            let Ok((of_kin, own)) = said else { continue };
            if let Some(of_kin) = of_kin {
                say(Speaker::Kin(*id), of_kin);
            }
            say(Speaker::Proxy(*id), own);
        }
    }
}

/// For whom something is said.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Speaker {
    /// For all proxies of a kin; the number is of one of them.
    Kin(u64),
    /// For a proxy.
    Proxy(u64),
}

/// What is of one proxy alone: listeners that tell of it, calls to its workload, what it opens as a gateway.
fn own(snapshot: &Snapshot, proxy: &Proxy, group: &Group, built: &mut u64) -> ResourceSet {
    let view = View::with(snapshot, proxy, group.seen.clone());
    let mut set = ResourceSet::default();
    match proxy.role {
        Role::Sidecar => {
            outbound::personal(&view, &group.rest, &mut set);
            inbound::resources(&view, &mut set);
        }
        Role::Router => crate::of_gateway(&view, &mut set),
    }
    *built += set.by_type.values().map(|named| named.len() as u64).sum::<u64>();
    set
}
