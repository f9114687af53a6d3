//! One stream, without I/O.

use std::collections::{BTreeMap, VecDeque};
use std::fmt::Write as _;
use std::marker::PhantomData;
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use weft_proto::resource::{Named, Resource, ResourceSet};

use super::ask::{Ask, Names, Refusal, Reply, Violation};
use super::channel::{Channel, Flight, Plan, Subscribed};
use super::limits::Limits;
use super::order::{Gate, Patience, Role, View};
use super::protocol::Protocol;
use super::record::{Nack, SessionStatus, Stamp};

static NOTHING: LazyLock<Named> = LazyLock::new(Named::new);

/// One ADS stream: requests and sets in, responses out. Times are since the stream was opened.
///
/// After each [`Session::receive`] and [`Session::set`], and at [`Session::wake_at`], the caller asks
/// [`Session::poll`] for what to send. One response of each type is on its way at most, so what waits for
/// the client is bounded, and a slow client gets the newest state, not each in between.
#[derive(Debug)]
pub struct Session<P> {
    limits: Limits,
    target: Arc<ResourceSet>,
    channels: BTreeMap<(Role, Arc<str>), Channel>,
    patience: Patience,
    responses: u64,
    nacks: VecDeque<Arc<Nack>>,
    protocol: PhantomData<fn(P)>,
}

impl<P: Protocol> Session<P> {
    /// A stream on which nothing was said yet, to a client that shall have `target`.
    #[must_use]
    pub fn new(target: Arc<ResourceSet>, limits: Limits) -> Self {
        Self {
            limits,
            target,
            channels: BTreeMap::new(),
            patience: Patience::default(),
            responses: 0,
            nacks: VecDeque::new(),
            protocol: PhantomData,
        }
    }

    /// From now on the client shall have `target`.
    pub fn set(&mut self, target: Arc<ResourceSet>) {
        let before = std::mem::replace(&mut self.target, target);
        for ((_, type_url), channel) in &mut self.channels {
            let resources = |set: &ResourceSet| set.of(type_url).unwrap_or(&NOTHING).clone();
            channel.retarget(&resources(&before), &resources(&self.target));
        }
        let target = &self.target;
        self.patience.prune(|role, name| {
            target.by_type.iter().any(|(url, of_type)| Role::of(url) == role && of_type.contains_key(name))
        });
    }

    /// Takes a request.
    ///
    /// # Errors
    /// It goes beyond a limit; the stream is to be closed.
    pub fn receive(&mut self, ask: Ask, now: Duration) -> Result<(), Violation> {
        let Ask { type_url, nonce, refusal, names } = ask;
        self.check(&type_url, &names)?;
        let key = (Role::of(&type_url), Arc::<str>::from(type_url));
        if !self.channels.contains_key(&key) && self.channels.len() >= self.limits.types {
            return Err(Violation::Types { limit: self.limits.types });
        }
        let channel = self.channels.entry(key.clone()).or_insert_with(|| Channel::new(key.0));
        let first = !channel.asked;
        let answers_last = nonce == channel.status.sent.nonce;
        if !first && !nonce.is_empty() && !answers_last {
            channel.status.stale += 1;
            // A whole list is of the time of that response; the one of now will come with its answer.
            if P::WHOLE_SETS {
                return Ok(());
            }
        }
        let answered = channel.answered(&nonce, refusal.is_none(), sends_whole_sets::<P>(key.0));
        let whole = matches!(names, Names::Whole(_));
        let refused = refusal.is_some();
        let subscribed = channel.subscribe(names, self.target.of(&key.1).unwrap_or(&NOTHING));
        if channel.names.len() > self.limits.names {
            return Err(Violation::Names { type_url: key.1.to_string(), limit: self.limits.names });
        }
        let asks_again = whole && !first && answers_last && answered.is_none() && !refused;
        if asks_again && subscribed == Subscribed::Same && channel.flight.is_none() {
            // Envoy says the same once more when something in it waits for what it was sent already.
            channel.repeat_all();
            channel.answer_due = key.0.is_listed_whole();
        }
        if let Some(flight) = answered {
            self.note_answer(&key, flight, refusal, now);
        }
        if first && key.0 == Role::Endpoint {
            self.rewarm_sent_clusters(&key);
        }
        Ok(())
    }

    /// Who comes back asks for clusters first, and only then says which endpoints he holds: those of clusters
    /// that were sent meanwhile he waits for anew.
    fn rewarm_sent_clusters(&mut self, key: &(Role, Arc<str>)) {
        let clusters = self.channels.iter().find(|((role, _), _)| *role == Role::Cluster);
        let sent = clusters.and_then(|(_, clusters)| clusters.flight.as_ref());
        let sent: Vec<_> =
            sent.into_iter().flat_map(|flight| &flight.names).map(|n| (n.clone(), true)).collect();
        if let Some(endpoints) = self.channels.get_mut(key) {
            endpoints.rewarm(sent);
        }
    }

    fn check(&self, type_url: &str, names: &Names) -> Result<(), Violation> {
        let Limits { names: most, name_bytes: limit, .. } = self.limits;
        let short = |field: &'static str, name: &str| match name.len() {
            length if length > limit => Err(Violation::LongName { field, length, limit }),
            _ => Ok(()),
        };
        if type_url.is_empty() {
            return Err(Violation::NoType);
        }
        short("type_url", type_url)?;
        let count = match names {
            Names::Whole(names) => {
                names.iter().try_for_each(|name| short("resource_names", name))?;
                names.len()
            }
            Names::Change { subscribe, unsubscribe: _, have } => {
                subscribe.iter().try_for_each(|name| short("resource_names_subscribe", name))?;
                for (name, version) in have {
                    short("initial_resource_versions", name)?;
                    short("initial_resource_versions", version)?;
                }
                subscribe.len().max(have.len())
            }
        };
        if count > most {
            return Err(Violation::Names { type_url: type_url.to_owned(), limit: most });
        }
        Ok(())
    }

    /// Counts and remembers what the client said; clusters that it took want their endpoints now.
    fn note_answer(
        &mut self,
        key: &(Role, Arc<str>),
        flight: Flight,
        refusal: Option<Refusal>,
        now: Duration,
    ) {
        if let Some(channel) = self.channels.get_mut(key) {
            let sent = channel.status.sent.clone();
            match refusal {
                None => {
                    channel.status.acks += 1;
                    channel.status.acked = sent;
                }
                Some(Refusal { code, mut message }) => {
                    channel.status.nacks += 1;
                    channel.status.nacked = sent.clone();
                    message.truncate(message.floor_char_boundary(self.limits.nack_bytes));
                    let mut names = flight.names;
                    names.truncate(Nack::NAMES);
                    let type_url = key.1.clone();
                    let nack = Nack { type_url, response: sent, code, message, names, after: now };
                    self.nacks.push_back(Arc::new(nack));
                    while self.nacks.len() > self.limits.nacks {
                        self.nacks.pop_front();
                    }
                }
            }
        }
    }

    /// What to send now, in order.
    pub fn poll(&mut self, now: Duration) -> Vec<Reply> {
        self.patience.begin();
        let alone = self.clusters_stand_alone();
        for ((role, _), channel) in &mut self.channels {
            let limit = self.limits.of_silence(*role, alone);
            if let Some(flight) = &mut channel.flight {
                flight.stalled |= now >= flight.at.saturating_add(limit);
            }
        }
        let keys: Vec<_> = self.channels.keys().cloned().collect();
        let replies = keys.iter().filter_map(|key| self.reply(key, now)).collect();
        self.patience.end();
        replies
    }

    /// When to poll although nothing happened.
    #[must_use]
    pub fn wake_at(&self) -> Option<Duration> {
        let alone = self.clusters_stand_alone();
        let stall = self.channels.iter().filter_map(|((role, _), channel)| {
            let flight = channel.flight.as_ref().filter(|flight| !flight.stalled)?;
            Some(flight.at.saturating_add(self.limits.of_silence(*role, alone)))
        });
        stall.chain(self.patience.next(self.limits.patience)).min()
    }

    /// Whether the client has nothing more to get from us for its clusters.
    fn clusters_stand_alone(&self) -> bool {
        let endpoints = self.channels.iter().find(|((role, _), _)| *role == Role::Endpoint);
        endpoints.is_none_or(|(_, endpoints)| endpoints.flight.is_none() && !endpoints.dirty)
    }

    fn reply(&mut self, key: &(Role, Arc<str>), now: Duration) -> Option<Reply> {
        let (role, type_url) = key;
        let target = self.target.clone();
        let resources = target.of(type_url).unwrap_or(&NOTHING);
        let channel = self.channels.get_mut(key)?;
        if channel.is_awaited() || !channel.asked {
            return None;
        }
        let whole_sets = sends_whole_sets::<P>(*role);
        // By state of the world, nothing can be said of names that are not there.
        let mut plan = channel.plan(resources, whole_sets || !P::WHOLE_SETS);
        if whole_sets {
            plan.unknown.clear();
        }
        let answer_due = channel.answer_due;
        if plan.is_empty() && !answer_due {
            channel.rest();
            return None;
        }
        let Plan { changed, mut removed, unknown } = plan;
        let additions = !changed.is_empty() || answer_due;
        if additions && !self.is_open(now, |view| view.additions(*role)) {
            return None;
        }
        let mut kept = Vec::new();
        if !removed.is_empty() && !self.is_open(now, |view| view.removals(*role)) {
            kept = std::mem::take(&mut removed);
        }
        let mention = [removed, unknown].concat();
        if !additions && mention.is_empty() {
            return None;
        }
        let changed = if whole_sets { changed } else { first_bytes(changed, self.limits.response_bytes) };
        self.responses += 1;
        let nonce = self.responses.to_string();
        let channel = self.channels.get_mut(key)?;
        let body = if whole_sets { whole_set(channel, resources, &kept) } else { changed.clone() };
        let known =
            |cluster: &Resource| channel.told.get(&cluster.name).is_some_and(|told| told.version.is_some());
        let warming: Vec<_> = match role {
            Role::Cluster => changed.iter().map(|cluster| (cluster.name.clone(), known(cluster))).collect(),
            _ => Vec::new(),
        };
        channel.sent(&nonce, now, &changed, &mention);
        let version = version(&body);
        let status = &mut channel.status;
        status.sent = Stamp { nonce: nonce.clone(), generation: target.generation, version: version.clone() };
        status.responses += 1;
        status.resources += body.len() as u64;
        status.removals += mention.len() as u64;
        status.bytes += body.iter().map(|resource| resource.body.value.len() as u64).sum::<u64>();
        let endpoints = self.channels.iter_mut().find(|((role, _), _)| *role == Role::Endpoint);
        if let Some((_, endpoints)) = endpoints {
            endpoints.rewarm(warming);
        }
        // In a whole set, what is not there is not mentioned.
        let removed = if whole_sets { Vec::new() } else { mention };
        Some(Reply { type_url: type_url.clone(), nonce, version, resources: body, removed })
    }

    /// Looks at a gate, and waits no longer than patience allows for what the client may never ask for.
    fn is_open(&mut self, now: Duration, gate: impl Fn(&View<'_>) -> Gate) -> bool {
        loop {
            let (channels, target) = (&self.channels, &self.target);
            let of_role = |role: Role| channels.iter().find(|((other, _), _)| *other == role).map(|(_, c)| c);
            let shall_have = |role: Role| {
                target.by_type.iter().find(|(url, _)| Role::of(url) == role).map_or(&*NOTHING, |(_, r)| r)
            };
            let view = View { channel: &of_role, target: &shall_have, patience: &self.patience };
            match gate(&view) {
                Gate::Open => return true,
                Gate::Wait => return false,
                Gate::Unasked(role, names) => {
                    if !self.patience.is_over(role, names, now, self.limits.patience) {
                        return false;
                    }
                }
            }
        }
    }

    /// What happened so far.
    #[must_use]
    pub fn status(&self) -> SessionStatus {
        let types = self.channels.iter().map(|((_, type_url), channel)| {
            let mut status = channel.status.clone();
            status.wildcard = channel.wildcard;
            status.names = channel.names.len();
            status.told = channel.told.held();
            status.in_sync = channel.flight.is_none() && !channel.dirty && !channel.answer_due;
            (type_url.clone(), status)
        });
        SessionStatus {
            generation: self.target.generation,
            types: types.collect(),
            nacks: self.nacks.clone(),
        }
    }
}

/// Whether the protocol sends a type as whole sets, in which what is not there is gone.
fn sends_whole_sets<P: Protocol>(role: Role) -> bool {
    P::WHOLE_SETS && matches!(role, Role::Cluster | Role::Listener)
}

/// As many resources as fit, at least one.
fn first_bytes(mut resources: Vec<Arc<Resource>>, limit: usize) -> Vec<Arc<Resource>> {
    let mut bytes = 0;
    let fit = resources.iter().take_while(|resource| {
        let first = bytes == 0;
        bytes += resource.body.value.len() + resource.name.len();
        first || bytes <= limit
    });
    let fit = fit.count();
    resources.truncate(fit);
    resources
}

/// The set as the client shall see it: what is there, and what is kept until nothing names it.
fn whole_set(channel: &Channel, resources: &Named, kept: &[Arc<str>]) -> Vec<Arc<Resource>> {
    let kept = kept.iter().filter_map(|name| channel.told.get(name)?.resource.clone());
    let there = resources.values().filter(|resource| channel.wants(&resource.name)).cloned();
    there.chain(kept).collect()
}

/// The same for the same resources: FNV-1a over their names and versions.
fn version(resources: &[Arc<Resource>]) -> String {
    let bytes = resources.iter().flat_map(|r| r.name.bytes().chain([0]).chain(r.version.bytes()).chain([0]));
    let hash =
        bytes.fold(0xcbf2_9ce4_8422_2325_u64, |h, b| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3));
    let mut text = String::with_capacity(16);
    let _ = write!(text, "{hash:016x}");
    text
}
