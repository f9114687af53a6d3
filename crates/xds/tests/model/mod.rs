//! A small mesh, and a client that holds it as a proxy would.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use weft_proto::google::protobuf::Any;
use weft_proto::resource::{Resource, ResourceSet};
use weft_proto::type_url::{CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION};
use weft_xds::server::{Ask, Names, Refusal, Reply};

/// Clusters, routes that name some of them, listeners that name a route each.
#[derive(Clone, Debug)]
pub(crate) struct Mesh {
    clusters: BTreeMap<String, u64>,
    routes: BTreeMap<String, Vec<String>>,
    listeners: BTreeMap<String, String>,
    generation: u64,
}

impl Mesh {
    /// A mesh by dice.
    pub(crate) fn of(seed: u64) -> Self {
        let mut state = seed ^ 0x9e37_79b9_7f4a_7c15;
        let mut dice = move |sides: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state % sides
        };
        let mut clusters = BTreeMap::new();
        for index in 0..6 {
            if dice(3) > 0 {
                clusters.insert(format!("c{index}"), dice(3));
            }
        }
        let names: Vec<String> = clusters.keys().cloned().collect();
        let mut routes = BTreeMap::new();
        let mut listeners = BTreeMap::new();
        for index in 0..3 {
            if dice(3) == 0 {
                continue;
            }
            let route = format!("r{}", dice(3));
            listeners.insert(format!("l{index}"), route.clone());
            let named = names.iter().filter(|_| dice(2) == 0).cloned().collect();
            routes.entry(route).or_insert(named);
        }
        Self { clusters, routes, listeners, generation: seed }
    }

    /// Its resources.
    pub(crate) fn set(&self) -> ResourceSet {
        // The last mesh of a run is new in all its parts.
        let last = if self.generation == u64::MAX { "+" } else { "" };
        let mut set = ResourceSet { generation: self.generation, ..ResourceSet::default() };
        let mut put = |type_url: &str, name: &str, text: String| {
            set.insert(Resource {
                name: name.into(),
                version: format!("{text}{last}").into(),
                body: Any { type_url: type_url.to_owned(), value: format!("{name}={text}").into_bytes() },
            });
        };
        for (name, version) in &self.clusters {
            put(CLUSTER, name, version.to_string());
            put(CLUSTER_LOAD_ASSIGNMENT, name, (version % 2).to_string());
        }
        for (name, clusters) in &self.routes {
            put(ROUTE_CONFIGURATION, name, clusters.join(","));
        }
        for (name, route) in &self.listeners {
            put(LISTENER, name, route.clone());
        }
        set
    }
}

/// Whether resources of the type name others.
pub(crate) fn is_user(type_url: &str) -> bool {
    [LISTENER, ROUTE_CONFIGURATION].contains(&type_url)
}

type Held = BTreeMap<String, (String, String)>;

/// A client.
pub(crate) struct Client {
    whole_sets: bool,
    /// Type → name → (version, text).
    held: BTreeMap<&'static str, Held>,
    endpoints: BTreeSet<String>,
    routes: BTreeSet<String>,
    /// Type → the last nonce heard.
    nonces: BTreeMap<&'static str, String>,
}

const TYPES: [&str; 4] = [CLUSTER, CLUSTER_LOAD_ASSIGNMENT, LISTENER, ROUTE_CONFIGURATION];

impl Client {
    pub(crate) fn new(whole_sets: bool) -> Self {
        let held = TYPES.map(|type_url| (type_url, Held::new())).into();
        Self {
            whole_sets,
            held,
            endpoints: BTreeSet::new(),
            routes: BTreeSet::new(),
            nonces: BTreeMap::new(),
        }
    }

    fn names(&self, type_url: &str) -> Vec<String> {
        match type_url {
            CLUSTER_LOAD_ASSIGNMENT => self.endpoints.iter().cloned().collect(),
            ROUTE_CONFIGURATION => self.routes.iter().cloned().collect(),
            _ => Vec::new(),
        }
    }

    /// The first requests of a stream.
    pub(crate) fn connect(&mut self) -> Vec<Ask> {
        self.nonces.clear();
        let mut asks = Vec::new();
        for type_url in TYPES {
            let names = self.names(type_url);
            let named = [CLUSTER_LOAD_ASSIGNMENT, ROUTE_CONFIGURATION].contains(&type_url);
            if named && names.is_empty() {
                continue;
            }
            let have = self.held[type_url].iter().map(|(name, (version, _))| (name.clone(), version.clone()));
            let have: HashMap<_, _> = have.collect();
            let names = match self.whole_sets {
                true => Names::Whole(names),
                false => Names::Change { subscribe: names, unsubscribe: Vec::new(), have },
            };
            asks.push(Ask { type_url: type_url.to_owned(), nonce: String::new(), refusal: None, names });
        }
        asks
    }

    /// Takes or refuses a response; returns what it says to that.
    pub(crate) fn take(&mut self, reply: Reply, refuse: bool) -> Vec<Ask> {
        let type_url = TYPES.into_iter().find(|url| **url == *reply.type_url).unwrap();
        self.nonces.insert(type_url, reply.nonce.clone());
        let mut asks = Vec::new();
        if !refuse {
            self.apply(type_url, &reply);
            asks = self.subscriptions(type_url);
        }
        let refusal = refuse.then(|| Refusal { code: 13, message: "no".to_owned() });
        let names = match self.whole_sets {
            true => Names::Whole(self.names(type_url)),
            false => change(Vec::new(), Vec::new()),
        };
        let ack = Ask { type_url: type_url.to_owned(), nonce: reply.nonce, refusal, names };
        // Before and after the new subscriptions, as clients differ.
        let at = if ack.nonce.ends_with(['0', '2', '3', '7', '8']) { 0 } else { asks.len() };
        asks.insert(at, ack);
        asks
    }

    fn apply(&mut self, type_url: &'static str, reply: &Reply) {
        let whole = self.whole_sets && [CLUSTER, LISTENER].contains(&type_url);
        let wanted = match type_url {
            CLUSTER_LOAD_ASSIGNMENT => Some(self.endpoints.clone()),
            ROUTE_CONFIGURATION => Some(self.routes.clone()),
            _ => None,
        };
        let held = self.held.get_mut(type_url).unwrap();
        if whole {
            held.clear();
        }
        for resource in &reply.resources {
            let body = String::from_utf8(resource.body.value.clone()).unwrap();
            let (name, text) = body.split_once('=').unwrap();
            if wanted.as_ref().is_none_or(|wanted| wanted.contains(name)) {
                held.insert(name.to_owned(), (resource.version.to_string(), text.to_owned()));
            }
        }
        for name in &reply.removed {
            held.remove(&**name);
        }
    }

    /// Asks for endpoints of the clusters and for routes of the listeners that it has now.
    fn subscriptions(&mut self, changed: &str) -> Vec<Ask> {
        let (of, wanted): (_, BTreeSet<String>) = match changed {
            CLUSTER => (CLUSTER_LOAD_ASSIGNMENT, self.held[CLUSTER].keys().cloned().collect()),
            LISTENER => {
                (ROUTE_CONFIGURATION, self.held[LISTENER].values().map(|(_, route)| route.clone()).collect())
            }
            _ => return Vec::new(),
        };
        let own = if changed == CLUSTER { &mut self.endpoints } else { &mut self.routes };
        let old = std::mem::replace(own, wanted.clone());
        if old == wanted {
            return Vec::new();
        }
        self.held.get_mut(of).unwrap().retain(|name, _| wanted.contains(name));
        let nonce = self.nonces.get(of).cloned().unwrap_or_default();
        let names = match self.whole_sets {
            true => Names::Whole(wanted.into_iter().collect()),
            false => {
                change(wanted.difference(&old).cloned().collect(), old.difference(&wanted).cloned().collect())
            }
        };
        let nonce = if self.whole_sets { nonce } else { String::new() };
        vec![Ask { type_url: of.to_owned(), nonce, refusal: None, names }]
    }

    /// Clusters that a route in use names, and that are not there with their endpoints.
    pub(crate) fn missed(&self) -> Vec<String> {
        let in_use = self.held[LISTENER].values().filter_map(|(_, route)| {
            let (_, clusters) = self.held[ROUTE_CONFIGURATION].get(route)?;
            Some((route, clusters))
        });
        let mut missed = Vec::new();
        for (route, clusters) in in_use {
            for cluster in clusters.split(',').filter(|cluster| !cluster.is_empty()) {
                for type_url in [CLUSTER, CLUSTER_LOAD_ASSIGNMENT] {
                    if !self.held[type_url].contains_key(cluster) {
                        missed.push(format!("{route} names {cluster}, without {type_url}"));
                    }
                }
            }
        }
        missed
    }

    /// What it holds.
    pub(crate) fn holds(&self) -> BTreeMap<&'static str, Held> {
        self.held.clone()
    }

    /// What it should hold of a set.
    pub(crate) fn should_hold(&self, set: &ResourceSet) -> BTreeMap<&'static str, Held> {
        let of_type = |type_url: &'static str| {
            let entry = |resource: &Arc<Resource>| {
                let body = String::from_utf8(resource.body.value.clone()).unwrap();
                let (name, text) = body.split_once('=').unwrap();
                (name.to_owned(), (resource.version.to_string(), text.to_owned()))
            };
            let of_type = set.of(type_url).map(|all| all.values().map(entry).collect());
            (type_url, of_type.unwrap_or_default())
        };
        TYPES.map(of_type).into()
    }
}

fn change(subscribe: Vec<String>, unsubscribe: Vec<String>) -> Names {
    Names::Change { subscribe, unsubscribe, have: HashMap::new() }
}
