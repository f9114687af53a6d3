//! Which proxies have an object among their resources, and which of them have taken those.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use weft_api::value::label::selects;
use weft_api::{Object, Spec};
use weft_compile::proxy::{Proxy, Role};
use weft_kube_source::inventory::{Listed, ObjectKey};
use weft_proto::resource::{Named, Resource, ResourceSet};
use weft_xds::server::{StreamStatus, TypeStatus};

use super::trace;

/// Most words of refusals that are kept of an object.
const WORDS: usize = 1;
/// Types whose resources name no object of Istio's.
const SILENT: [&str; 2] = ["ClusterLoadAssignment", "Secret"];

/// How far an object has come.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Concern {
    /// Proxies that it concerns.
    pub(super) proxies: usize,
    /// Of those, the ones that have acknowledged all that came of it.
    pub(super) acked: usize,
    /// Of those, the ones that refused something of it.
    pub(super) refused: usize,
    /// Their words.
    pub(super) refusals: Vec<String>,
}

type Found = Arc<BTreeSet<Arc<ObjectKey>>>;
/// Stream, type and name of a resource.
type Refused = (u64, Arc<str>, Arc<str>);

/// What was found, kept from look to look: resources and maps of them that are the same need no second look.
#[derive(Debug, Default)]
pub(super) struct Concerns {
    resources: HashMap<usize, (Arc<Resource>, Found)>,
    /// By proxy and type.
    maps: HashMap<(Arc<str>, Arc<str>), (Named, Found)>,
    /// Version of what was refused when that became known: another version is not refused yet.
    refused: HashMap<Refused, (String, Arc<str>)>,
}

/// What a proxy has done with one type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Taken {
    /// It has all of it, but for what it refused.
    All,
    /// Something is on its way.
    Pending,
}

impl Concerns {
    pub(super) fn look(
        &mut self,
        objects: &BTreeMap<ObjectKey, Listed>,
        proxies: &[(Arc<Proxy>, Arc<ResourceSet>)],
        streams: &[StreamStatus],
        root: &str,
    ) -> HashMap<ObjectKey, Concern> {
        let by_node: HashMap<&str, &StreamStatus> =
            streams.iter().map(|stream| (stream.node.id.as_str(), stream)).collect();
        let mut concerns: HashMap<ObjectKey, Concern> = HashMap::new();
        let (mut maps, mut refused) = (HashMap::new(), HashMap::new());
        for (proxy, set) in proxies {
            let stream = by_node.get(&*proxy.id).copied();
            let mut of_proxy: BTreeMap<Arc<ObjectKey>, (Taken, Option<String>)> = BTreeMap::new();
            let mut whole = Taken::All;
            for (type_url, named) in &set.by_type {
                let taken = taken(stream, set.generation, type_url);
                whole = if taken == Taken::Pending { taken } else { whole };
                if SILENT.iter().any(|silent| type_url.ends_with(silent)) {
                    continue;
                }
                let place: (Arc<str>, Arc<str>) = ((&*proxy.id).into(), type_url.clone());
                let found = self.of_map(&place, named);
                for key in found.iter() {
                    let of_object = of_proxy.entry(key.clone()).or_insert((Taken::All, None));
                    of_object.0 = if taken == Taken::Pending { taken } else { of_object.0 };
                }
                for (key, words) in
                    stream.iter().flat_map(|s| self.refusals(s, type_url, named, &mut refused))
                {
                    of_proxy.entry(key).or_insert((Taken::All, None)).1.get_or_insert(words);
                }
                maps.insert(place, (named.clone(), found));
            }
            for key in policies(objects, proxy, root) {
                of_proxy.entry(Arc::new(key.clone())).or_insert((whole, None));
            }
            for (key, (taken, words)) in of_proxy {
                let concern = concerns.entry((*key).clone()).or_default();
                concern.proxies += 1;
                match words {
                    Some(words) => {
                        concern.refused += 1;
                        if concern.refusals.len() < WORDS {
                            concern.refusals.push(words);
                        }
                    }
                    None => concern.acked += usize::from(taken == Taken::All),
                }
            }
        }
        (self.maps, self.refused) = (maps, refused);
        // What no proxy has any more is only here.
        self.resources.retain(|_, (resource, _)| Arc::strong_count(resource) > 1);
        concerns
    }

    fn of_map(&mut self, place: &(Arc<str>, Arc<str>), named: &Named) -> Found {
        if let Some((before, found)) = self.maps.get(place)
            && before.ptr_eq(named)
        {
            return found.clone();
        }
        let mut all = BTreeSet::new();
        for resource in named.values() {
            all.extend(self.of_resource(resource).iter().cloned());
        }
        Arc::new(all)
    }

    fn of_resource(&mut self, resource: &Arc<Resource>) -> Found {
        // The address stays its own while the entry holds it.
        let entry = self.resources.entry(Arc::as_ptr(resource) as usize);
        let found = || trace::objects(&resource.body.value).into_iter().map(Arc::new).collect();
        entry.or_insert_with(|| (resource.clone(), Arc::new(found()))).1.clone()
    }

    /// Objects of which a proxy refused a resource that it still is to have, with its words.
    fn refusals(
        &mut self,
        stream: &StreamStatus,
        type_url: &Arc<str>,
        named: &Named,
        refused: &mut HashMap<Refused, (String, Arc<str>)>,
    ) -> Vec<(Arc<ObjectKey>, String)> {
        let mut found = Vec::new();
        for nack in stream.session.nacks.iter().filter(|nack| nack.type_url == *type_url) {
            for name in &nack.names {
                let Some(resource) = named.get(name) else { continue };
                let place = (stream.id, type_url.clone(), name.clone());
                let known = self.refused.get(&place).filter(|(nonce, _)| *nonce == nack.response.nonce);
                let version = known.map_or(&resource.version, |(_, version)| version).clone();
                let still = version == resource.version;
                refused.insert(place, (nack.response.nonce.clone(), version));
                if still {
                    let keys = self.of_resource(resource);
                    found.extend(keys.iter().map(|key| (key.clone(), nack.message.clone())));
                }
            }
        }
        found
    }
}

fn taken(stream: Option<&StreamStatus>, generation: u64, type_url: &str) -> Taken {
    let Some(stream) = stream.filter(|stream| stream.session.generation == generation) else {
        return Taken::Pending;
    };
    let answered = |status: &TypeStatus| {
        status.in_sync
            && (status.sent.nonce == status.acked.nonce || status.sent.nonce == status.nacked.nonce)
    };
    match stream.session.types.get(type_url) {
        Some(status) if answered(status) => Taken::All,
        _ => Taken::Pending,
    }
}

/// Objects that leave no name in resources, but are for a proxy.
fn policies<'a>(
    objects: &'a BTreeMap<ObjectKey, Listed>,
    proxy: &'a Proxy,
    root: &'a str,
) -> impl Iterator<Item = &'a ObjectKey> {
    let own_sidecar = objects.values().filter_map(|listed| listed.object.as_ref()).any(|object| {
        matches!(object.spec, Spec::Sidecar(_))
            && *object.reference.namespace == *proxy.namespace
            && is_for(object, proxy, root)
    });
    objects.iter().filter_map(move |(key, listed)| {
        let object = listed.object.as_ref()?;
        let given_up = matches!(object.spec, Spec::Sidecar(_))
            && (proxy.role != Role::Sidecar
                || (own_sidecar && *object.reference.namespace != *proxy.namespace));
        (is_for(object, proxy, root) && !given_up).then_some(key)
    })
}

fn is_for(object: &Object, proxy: &Proxy, root: &str) -> bool {
    let selector = match &object.spec {
        Spec::AuthorizationPolicy(spec) if spec.targets().next().is_none() => {
            spec.selector.as_ref().map(|selector| &selector.match_labels)
        }
        Spec::PeerAuthentication(spec) => spec.selector.as_ref().map(|selector| &selector.match_labels),
        Spec::Sidecar(spec) => spec.workload_selector.as_ref().map(|selector| &selector.labels),
        _ => return false,
    };
    let namespace = &*object.reference.namespace;
    (namespace == &*proxy.namespace || namespace == root)
        && selector.is_none_or(|selector| selects(selector, &proxy.labels))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::{Duration, SystemTime};
    use weft_proto::envoy::config::core::v3::{Metadata, Node};
    use weft_proto::envoy::config::route::v3::RouteConfiguration;
    use weft_proto::envoy::config::route::v3::VirtualHost;
    use weft_proto::google::protobuf::{Struct, Value, value::Kind};
    use weft_xds::server::{Nack, SessionStatus, Stamp};

    const ROUTES: &str = "type.googleapis.com/envoy.config.route.v3.RouteConfiguration";
    const ID: &str = "sidecar~10.0.0.1~a.n~n.svc.cluster.local";

    /// Routes that come of a VirtualService.
    fn routes(name: &str, of: &str, word: &str) -> Resource {
        let text = |text: &str| Value { kind: Some(Kind::StringValue(text.to_owned())) };
        let fields = [("kind", "VirtualService"), ("namespace", "n"), ("name", of)];
        let fields = fields.map(|(field, value)| (field.to_owned(), text(value))).into_iter().collect();
        let filter_metadata = HashMap::from([("weft.dev".to_owned(), Struct { fields })]);
        let metadata = Some(Metadata { filter_metadata, ..Metadata::default() });
        let host = VirtualHost { name: word.to_owned(), metadata, ..VirtualHost::default() };
        let all = RouteConfiguration {
            name: name.to_owned(),
            virtual_hosts: vec![host],
            ..RouteConfiguration::default()
        };
        Resource::pack(name, &all)
    }

    fn set(resources: [Resource; 2]) -> Arc<ResourceSet> {
        let mut set = ResourceSet { generation: 3, ..ResourceSet::default() };
        resources.into_iter().for_each(|resource| set.insert(resource));
        Arc::new(set)
    }

    fn stream(status: TypeStatus, nacks: Vec<Nack>) -> StreamStatus {
        let types = BTreeMap::from([(Arc::from(ROUTES), status)]);
        let nacks = nacks.into_iter().map(Arc::new).collect();
        StreamStatus {
            id: 1,
            protocol: "delta",
            caller: String::new(),
            node: Arc::new(Node { id: ID.to_owned(), ..Node::default() }),
            opened: SystemTime::UNIX_EPOCH,
            session: SessionStatus { generation: 3, types, nacks },
        }
    }

    fn stamp(nonce: &str) -> Stamp {
        Stamp { nonce: nonce.to_owned(), ..Stamp::default() }
    }

    fn status(sent: &str, acked: &str, nacked: &str, in_sync: bool) -> TypeStatus {
        let [sent, acked, nacked] = [sent, acked, nacked].map(stamp);
        TypeStatus { sent, acked, nacked, in_sync, ..TypeStatus::default() }
    }

    /// Proxies, of them those that have it, and those that refuse it.
    fn counts(concerns: &mut Concerns, set: &Arc<ResourceSet>, stream: StreamStatus) -> [[usize; 3]; 2] {
        let node = Node { id: ID.to_owned(), ..Node::default() };
        let proxies = [(Arc::new(Proxy::from_node(&node).unwrap()), set.clone())];
        let found = concerns.look(&BTreeMap::new(), &proxies, &[stream], "istio-system");
        ["a", "b"].map(|name| {
            let (kind, namespace) = ("VirtualService".to_owned(), "n".to_owned());
            let concern = &found[&ObjectKey { kind, namespace, name: name.to_owned() }];
            [concern.proxies, concern.acked, concern.refused]
        })
    }

    #[test]
    fn a_refusal_counts_for_the_objects_behind_it_until_they_change() {
        let mut concerns = Concerns::default();
        let first = set([routes("80", "a", "x"), routes("81", "b", "x")]);
        let look = |concerns: &mut Concerns, set: &Arc<ResourceSet>, status, nacks| {
            counts(concerns, set, stream(status, nacks))
        };
        let waiting = look(&mut concerns, &first, status("1", "", "", false), vec![]);
        assert_eq!(waiting, [[1, 0, 0], [1, 0, 0]]);
        let taken = look(&mut concerns, &first, status("1", "1", "", true), vec![]);
        assert_eq!(taken, [[1, 1, 0], [1, 1, 0]]);
        let nack = || Nack {
            type_url: ROUTES.into(),
            response: stamp("2"),
            code: 3,
            message: "no".to_owned(),
            names: vec!["80".into()],
            after: Duration::ZERO,
        };
        let second = set([routes("80", "a", "y"), routes("81", "b", "x")]);
        let refused = look(&mut concerns, &second, status("2", "1", "2", true), vec![nack()]);
        assert_eq!(refused, [[1, 0, 1], [1, 1, 0]]);
        // Something else is taken meanwhile: what was refused still is.
        let third = set([routes("80", "a", "y"), routes("81", "b", "z")]);
        let still = look(&mut concerns, &third, status("3", "3", "2", true), vec![nack()]);
        assert_eq!(still, [[1, 0, 1], [1, 1, 0]]);
        let mended = set([routes("80", "a", "z"), routes("81", "b", "z")]);
        let well = look(&mut concerns, &mended, status("4", "4", "2", true), vec![nack()]);
        assert_eq!(well, [[1, 1, 0], [1, 1, 0]]);
    }
}
