//! One type on one stream: what is wanted, what the client was told, what is on its way.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use weft_proto::resource::{DiffItem, Named, Resource};

use super::ask::Names;
use super::order::Role;
use super::record::TypeStatus;
use super::told::{Answer, Ledger, Told};

/// Name that stands for all.
const ALL: &str = "*";

/// A response that the client has not answered yet.
#[derive(Clone, Debug)]
pub(super) struct Flight {
    pub(super) nonce: String,
    /// What is new in it.
    pub(super) names: Vec<Arc<str>>,
    /// When it was sent.
    pub(super) at: Duration,
    /// It has been without an answer for too long for others to wait.
    pub(super) stalled: bool,
}

/// What there is to send.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) changed: Vec<Arc<Resource>>,
    /// The client holds them, and they are no longer there.
    pub(super) removed: Vec<Arc<str>>,
    /// The client asks for them, and they were never there.
    pub(super) unknown: Vec<Arc<str>>,
}

impl Plan {
    pub(super) fn is_empty(&self) -> bool {
        self.changed.is_empty() && self.removed.is_empty() && self.unknown.is_empty()
    }
}

/// What a request did to a subscription.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Subscribed {
    /// Something.
    Changed,
    /// Nothing: the same names stand in it.
    Same,
}

/// Names that are to be looked at.
#[derive(Debug)]
enum Suspects {
    /// Whatever there is.
    All,
    These(BTreeSet<Arc<str>>),
}

#[derive(Debug)]
pub(super) struct Channel {
    role: Role,
    pub(super) asked: bool,
    pub(super) wildcard: bool,
    pub(super) names: BTreeSet<Arc<str>>,
    pub(super) told: Ledger,
    /// Names of which the client may have to be told something: no others are looked at.
    suspects: Suspects,
    pub(super) flight: Option<Flight>,
    /// To be sent although the client was told.
    pub(super) again: BTreeSet<Arc<str>>,
    /// The first request is answered even if there is nothing to say: clients wait for that.
    pub(super) answer_due: bool,
    /// Something changed since the last plan that came out empty.
    pub(super) dirty: bool,
    /// Counts how often names came or went: of the target, of what is subscribed to, of what was told.
    pub(super) shape: u64,
    /// Shapes of clusters and endpoints at which the client was seen to have the endpoints of all clusters.
    pub(super) warm: Cell<Option<(u64, u64)>>,
    pub(super) status: TypeStatus,
}

impl Channel {
    pub(super) fn new(role: Role) -> Self {
        Self {
            role,
            asked: false,
            wildcard: false,
            names: BTreeSet::new(),
            told: Ledger::default(),
            suspects: Suspects::All,
            flight: None,
            again: BTreeSet::new(),
            answer_due: false,
            dirty: true,
            shape: 0,
            warm: Cell::new(None),
            status: TypeStatus::default(),
        }
    }

    pub(super) fn wants(&self, name: &str) -> bool {
        self.wildcard || self.names.contains(name)
    }

    /// These may have to be told of.
    fn suspect(&mut self, names: impl IntoIterator<Item = Arc<str>>) {
        if let Suspects::These(suspects) = &mut self.suspects {
            suspects.extend(names);
        }
    }

    /// Anything may have to be told of.
    fn suspect_all(&mut self) {
        self.suspects = Suspects::All;
    }

    /// The client shall have another target: what differs between the two.
    pub(super) fn retarget(&mut self, before: &Named, after: &Named) {
        if before.ptr_eq(after) {
            return;
        }
        let mut same_names = true;
        let changed = before.diff(after).map(|difference| {
            same_names &= matches!(difference, DiffItem::Update { .. });
            name_of(&difference)
        });
        let changed: Vec<Arc<str>> = changed.collect();
        self.shape += u64::from(!same_names);
        if changed.is_empty() {
            return;
        }
        for name in changed.iter().filter(|name| !after.contains_key(*name)) {
            self.again.remove(name);
        }
        // A removal may have been refused only because something else in its response was bad: once more.
        let repeated = self.told.refused_removals();
        self.again.extend(repeated.iter().cloned());
        self.suspect(changed.into_iter().chain(repeated));
        self.dirty = true;
    }

    /// All that was told is to be told once more.
    pub(super) fn repeat_all(&mut self) {
        self.again = self.told.names().cloned().collect();
        self.suspect_all();
        self.dirty = true;
    }

    /// Nothing is left to tell.
    pub(super) fn rest(&mut self) {
        self.suspects = Suspects::These(BTreeSet::new());
        self.dirty = false;
    }

    /// Takes what a request says of names.
    pub(super) fn subscribe(&mut self, names: Names, target: &Named) -> Subscribed {
        let first = !std::mem::replace(&mut self.asked, true);
        self.shape += u64::from(first);
        match names {
            Names::Whole(names) => self.subscribe_whole(names, first, target),
            Names::Change { subscribe, unsubscribe, have } => {
                if first {
                    self.hold(have, target);
                }
                self.subscribe_change(subscribe, &unsubscribe, first, target)
            }
        }
    }

    /// The whole list. An empty first one means all, for types that are listed whole.
    fn subscribe_whole(&mut self, names: Vec<String>, first: bool, target: &Named) -> Subscribed {
        let implied = names.is_empty()
            && self.role.is_listed_whole()
            && (first || (self.wildcard && self.names.is_empty()));
        let wildcard = implied || names.iter().any(|name| name == ALL);
        let names: BTreeSet<Arc<str>> =
            names.into_iter().filter(|name| name != ALL).map(|name| known(&name, target)).collect();
        self.answer_due |= wildcard && !self.wildcard;
        if !first && self.wildcard == wildcard && self.names == names {
            return Subscribed::Same;
        }
        (self.wildcard, self.names) = (wildcard, names);
        self.shape += 1;
        self.forget_unwanted();
        self.suspect_all();
        self.dirty = true;
        Subscribed::Changed
    }

    fn subscribe_change(
        &mut self,
        subscribe: Vec<String>,
        unsubscribe: &[String],
        first: bool,
        target: &Named,
    ) -> Subscribed {
        if subscribe.is_empty() && unsubscribe.is_empty() && !first {
            return Subscribed::Same;
        }
        self.shape += 1;
        let implied = first && subscribe.is_empty() && self.role.is_listed_whole();
        if (implied || subscribe.iter().any(|name| name == ALL)) && !self.wildcard {
            self.wildcard = true;
            self.answer_due = true;
            self.suspect_all();
        }
        for name in subscribe.into_iter().filter(|name| name != ALL) {
            let name = known(&name, target);
            // Who asks once more for what he was told wants to hear it once more; not so at the begin,
            // when he says which versions he has.
            if !first && self.told.contains(&name) {
                self.again.insert(name.clone());
            }
            self.suspect([name.clone()]);
            self.names.insert(name);
        }
        for name in unsubscribe {
            if name == ALL {
                self.wildcard = false;
                self.suspect_all();
            } else if self.names.remove(name.as_str()) {
                self.suspect([name.as_str().into()]);
                if !self.wildcard {
                    self.told.remove(name);
                    self.again.remove(name.as_str());
                } else if self.told.contains(name) {
                    // Still wanted, as one of all; the client has dropped it.
                    self.again.insert(name.as_str().into());
                }
            }
        }
        if first || unsubscribe.iter().any(|name| name == ALL) {
            self.forget_unwanted();
        }
        self.dirty = true;
        Subscribed::Changed
    }

    fn forget_unwanted(&mut self) {
        let (wildcard, names) = (self.wildcard, &self.names);
        self.told.retain(|name, _| wildcard || names.contains(name));
        self.again.retain(|name| wildcard || names.contains(name));
    }

    /// Takes note of what the client holds from before.
    fn hold(&mut self, have: impl IntoIterator<Item = (String, String)>, target: &Named) {
        for (name, version) in have {
            let told =
                Told { version: Some(version.into()), resource: None, answer: Answer::Accepted, taken: true };
            self.told.insert(known(&name, target), told);
        }
    }

    /// Endpoints, when clusters are sent, each of them known to the client before or not. Envoy waits for the
    /// endpoints of a changed cluster anew: by delta without asking once more, and it acknowledges no
    /// clusters before it has them. Those of a new cluster it has dropped with the old one, though by state
    /// of the world that may have gone unheard.
    pub(super) fn rewarm(&mut self, clusters: Vec<(Arc<str>, bool)>) {
        self.dirty |= !clusters.is_empty();
        for (name, known) in clusters {
            if !known {
                self.told.remove(&name);
                self.shape += 1;
            } else if self.told.contains(&name) {
                self.again.insert(name.clone());
            }
            self.suspect([name]);
        }
    }

    /// What there is to send. `notices`: the protocol can say that something is not there.
    pub(super) fn plan(&self, target: &Named, notices: bool) -> Plan {
        let mut plan = Plan::default();
        if !self.dirty {
            return plan;
        }
        match &self.suspects {
            Suspects::These(names) => {
                for name in names {
                    self.plan_one(name, target, notices, &mut plan);
                }
            }
            Suspects::All => self.plan_all(target, notices, &mut plan),
        }
        plan
    }

    fn plan_all(&self, target: &Named, notices: bool, plan: &mut Plan) {
        let wanted: Vec<&Arc<str>> = match self.wildcard {
            true => target.keys().collect(),
            false => self.names.iter().filter(|name| target.contains_key(*name)).collect(),
        };
        for name in wanted {
            self.plan_one(name, target, notices, plan);
        }
        if notices {
            let gone = self.told.names().chain(self.names.iter().filter(|name| !self.told.contains(name)));
            for name in gone.filter(|name| !target.contains_key(*name)) {
                self.plan_one(name, target, notices, plan);
            }
        }
    }

    /// What there is to send of one name.
    fn plan_one(&self, name: &Arc<str>, target: &Named, notices: bool, plan: &mut Plan) {
        let told = self.told.get(name);
        if let Some(resource) = target.get(name) {
            let version = told.and_then(|told| told.version.as_ref());
            if self.wants(name) && (version != Some(&resource.version) || self.again.contains(name)) {
                plan.changed.push(resource.clone());
            }
            return;
        }
        if !notices {
            return;
        }
        let again = self.again.contains(name);
        let refused = told.is_some_and(|told| told.answer == Answer::Refused);
        if told.is_some_and(|told| told.version.is_some()) || (refused && again) {
            plan.removed.push(name.clone());
        }
        let unheard = told.is_none_or(|told| told.version.is_none() && !refused && again);
        if unheard && self.names.contains(name) {
            plan.unknown.push(name.clone());
        }
    }

    /// Whether an answer of the client is worth waiting for.
    pub(super) fn is_awaited(&self) -> bool {
        self.flight.as_ref().is_some_and(|flight| !flight.stalled)
    }

    /// Whether the client holds, as far as it takes it, what the target has; removals aside.
    pub(super) fn is_settled(&self, target: &Named) -> bool {
        !self.is_awaited() && !self.answer_due && self.plan(target, false).changed.is_empty()
    }

    /// Takes note of what is sent.
    pub(super) fn sent(&mut self, nonce: &str, at: Duration, changed: &[Arc<Resource>], gone: &[Arc<str>]) {
        // Who answers to this has seen what stalled before it.
        let mut names = self.flight.take().map(|stalled| stalled.names).unwrap_or_default();
        for resource in changed {
            let taken =
                self.told.get(&resource.name).is_some_and(|told| told.taken && told.version.is_some());
            let told = Told {
                version: Some(resource.version.clone()),
                resource: Some(resource.clone()),
                answer: Answer::Awaited,
                taken,
            };
            self.told.insert(resource.name.clone(), told);
            self.settle(&resource.name);
            names.push(resource.name.clone());
        }
        for name in gone {
            let told = Told { version: None, resource: None, answer: Answer::Awaited, taken: false };
            self.told.insert(name.clone(), told);
            self.settle(name);
            names.push(name.clone());
        }
        self.answer_due = false;
        self.flight = Some(Flight { nonce: nonce.to_owned(), names, at, stalled: false });
    }

    /// The client is being told of it.
    fn settle(&mut self, name: &str) {
        self.again.remove(name);
        if let Suspects::These(suspects) = &mut self.suspects {
            suspects.remove(name);
        }
    }

    /// Takes the client's answer; `None` if nothing of that nonce is on its way.
    pub(super) fn answered(&mut self, nonce: &str, accepted: bool, whole: bool) -> Option<Flight> {
        let flight = self.flight.take_if(|flight| flight.nonce == nonce)?;
        if whole && accepted {
            self.told.accept_all();
            return Some(flight);
        }
        let answer = if accepted { Answer::Accepted } else { Answer::Refused };
        for name in &flight.names {
            let Some(told) = self.told.answer(name, answer) else { continue };
            // What is gone needs no memory, but where the client asked for it by name or will not let it go.
            if accepted && told.version.is_none() && !self.names.contains(name) {
                self.told.remove(name);
            }
        }
        Some(flight)
    }
}

/// The one copy of a name that all streams share, if there is a resource of it.
fn known(name: &str, target: &Named) -> Arc<str> {
    target.get_key_value(name).map_or_else(|| name.into(), |(known, _)| known.clone())
}

/// The name that a difference is about.
fn name_of(difference: &DiffItem<'_, '_, Arc<str>, Arc<Resource>>) -> Arc<str> {
    match difference {
        DiffItem::Add(name, _) | DiffItem::Update { new: (name, _), .. } | DiffItem::Remove(name, _) => {
            Arc::clone(name)
        }
    }
}
