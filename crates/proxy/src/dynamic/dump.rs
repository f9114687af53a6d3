//! What the admin page shows of resources that came over xDS.

use std::time::SystemTime;

use serde_json::{Value as Json, json};
use weft_proto::json::{Style, to_json};
use weft_proto::schema::MessageType;
use weft_proto::type_url;
use weft_tables::Finding;

use super::LinkState;
use super::configuration::Configuration;
use super::store::{Item, Store};

/// Every resource, by type.
pub(super) fn resources(configuration: &Configuration) -> Json {
    json!({
        "clusters": of_type(&configuration.clusters, type_url::CLUSTER),
        "endpoints": of_type(&configuration.endpoints, type_url::CLUSTER_LOAD_ASSIGNMENT),
        "listeners": of_type(&configuration.listeners, type_url::LISTENER),
        "routes": of_type(&configuration.routes, type_url::ROUTE_CONFIGURATION),
        "secrets": of_type(&configuration.secrets, type_url::SECRET),
        "refused": refused(configuration),
    })
}

fn of_type<T>(store: &Store<T>, type_url: &str) -> Json {
    let active = store.active().map(|(name, item)| one(name, item, type_url, "active"));
    let warming = store.warming().map(|(name, item)| one(name, item, type_url, "warming"));
    active.chain(warming).collect()
}

fn one<T>(name: &str, item: &Item<T>, type_url: &str, state: &str) -> Json {
    let message = MessageType::find_url(type_url);
    let body = message.and_then(|message| to_json(message, &item.body, Style::default()).ok());
    json!({
        "name": name,
        "state": state,
        "version": &*item.version,
        "last_updated": seconds(item.since),
        "resource": body,
    })
}

fn seconds(time: SystemTime) -> f64 {
    time.duration_since(SystemTime::UNIX_EPOCH).map_or(0.0, |d| d.as_secs_f64())
}

fn refused(configuration: &Configuration) -> Json {
    let refused = configuration.refused.iter();
    refused
        .map(|((type_url, name), refused)| {
            json!({
                "type_url": &**type_url,
                "name": &**name,
                "version": &*refused.version,
                "reason": refused.reason,
                "at": seconds(refused.at),
            })
        })
        .collect()
}

/// The connection and what is amiss.
pub(super) fn status(configuration: &Configuration, link: &LinkState) -> Json {
    let waiting = |names: Vec<&str>| Json::from(names);
    json!({
        "connected": link.up,
        "since": seconds(link.since),
        "problem": link.problem,
        "connections": link.connects,
        "received": configuration.seen().map(|t| &**t).collect::<Vec<&str>>(),
        "complete": *configuration.completion().borrow(),
        "warming": {
            "clusters": waiting(configuration.clusters.warming().map(|(n, _)| &**n).collect()),
            "routes": waiting(configuration.routes.warming().map(|(n, _)| &**n).collect()),
            "listeners": waiting(configuration.listeners.warming().map(|(n, _)| &**n).collect()),
        },
        "refused": refused(configuration),
    })
}

/// Fields without effect of all resources.
pub(super) fn findings(configuration: &Configuration) -> Vec<Finding> {
    fn of<T>(store: &Store<T>) -> impl Iterator<Item = Finding> {
        store.active().chain(store.warming()).flat_map(|(_, item)| item.findings.iter().cloned())
    }
    let Configuration { clusters, endpoints, listeners, routes, secrets, .. } = configuration;
    of(clusters).chain(of(endpoints)).chain(of(listeners)).chain(of(routes)).chain(of(secrets)).collect()
}
