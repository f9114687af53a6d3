//! Envoy's names, in groups: one struct a group, one handle a field.

pub mod cluster;
pub mod filter;
pub mod http;
pub mod listener;
pub mod server;
pub mod status;

pub use cluster::{CircuitBreakerStats, ClusterStats, HealthCheckStats, OutlierStats};
pub use filter::{FaultStats, RateLimitStats, RbacStats};
pub use http::{HttpStats, ListenerHttpStats};
pub use listener::{ListenerStats, TcpStats, TlsStats};
pub use server::{ClusterManagerStats, ListenerManagerStats, ServerStats};
pub use status::StatusStats;

use super::table::Layout;
use super::{Counter, Gauge, Histogram, Registry};

/// A place in Envoy's tree of names: `cluster.<name>.`, with the labels that Prometheus output shows
/// instead of the variable parts.
#[derive(Clone, Debug)]
pub struct Scope<'a> {
    registry: &'a Registry,
    place: Place,
}

/// A scope without its registry.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    prefix: String,
    family: String,
    labels: Vec<(String, String)>,
}

impl<'a> Scope<'a> {
    /// The root: no prefix.
    #[must_use]
    pub fn root(registry: &'a Registry) -> Self {
        Self { registry, place: Place { family: "envoy_".to_owned(), ..Place::default() } }
    }

    /// A fixed part of the name: `server`.
    #[must_use]
    pub fn part(&self, part: &str) -> Self {
        let mut inner = self.clone();
        inner.place.prefix.push_str(part);
        inner.place.prefix.push('.');
        inner.place.family.push_str(&part.replace('.', "_"));
        inner.place.family.push('_');
        inner
    }

    /// A variable part, which becomes a label. Colons become underscores, as in Envoy.
    #[must_use]
    pub fn tag(&self, label: &str, value: &str) -> Self {
        let value = value.replace(':', "_");
        let mut inner = self.clone();
        inner.place.prefix.push_str(&value);
        inner.place.prefix.push('.');
        // The innermost label comes first, as Envoy prints them.
        inner.place.labels.insert(0, (label.to_owned(), value));
        inner
    }

    /// `cluster.<name>.`
    #[must_use]
    pub fn cluster(registry: &'a Registry, name: &str) -> Self {
        Self::root(registry).part("cluster").tag("envoy_cluster_name", name)
    }

    /// `http.<stat prefix>.`
    #[must_use]
    pub fn http(registry: &'a Registry, stat_prefix: &str) -> Self {
        Self::root(registry).part("http").tag("envoy_http_conn_manager_prefix", stat_prefix)
    }

    /// `listener.<stat prefix, or address with `_` before the port>.`
    #[must_use]
    pub fn listener(registry: &'a Registry, address: &str) -> Self {
        Self::root(registry).part("listener").tag("envoy_listener_address", address)
    }

    /// `listener.<address>.http.<stat prefix>.`
    #[must_use]
    pub fn listener_http(registry: &'a Registry, address: &str, stat_prefix: &str) -> Self {
        Self::listener(registry, address).part("http").tag("envoy_http_conn_manager_prefix", stat_prefix)
    }

    /// `tcp.<stat prefix>.`
    #[must_use]
    pub fn tcp(registry: &'a Registry, stat_prefix: &str) -> Self {
        Self::root(registry).part("tcp").tag("envoy_tcp_prefix", stat_prefix)
    }

    /// The counter of that name here.
    #[must_use]
    pub fn counter(&self, name: &str) -> Counter {
        self.place.counter(self.registry, name)
    }

    /// The gauge of that name here.
    #[must_use]
    pub fn gauge(&self, name: &str) -> Gauge {
        self.place.with(name, |text, family, labels| self.registry.gauge(text, family, labels))
    }

    /// The histogram of that name here.
    #[must_use]
    pub fn histogram(&self, name: &str) -> Histogram {
        self.place.with(name, |text, family, labels| self.registry.histogram(text, family, labels))
    }

    /// The cells of a group of series here, in its order.
    pub(crate) fn group(&self, layout: &'static Layout) -> Vec<u32> {
        self.registry.group(&self.place, layout)
    }

    /// Removes all series here and below. Nobody may count with their handles any more.
    pub fn remove(&self) {
        let labels = self.place.labels.iter().map(|(label, value)| (label.as_str(), value.as_str()));
        self.registry.remove(&self.place.prefix, &labels.collect::<Vec<_>>());
    }

    /// The place, without its registry.
    pub(crate) fn place(&self) -> &Place {
        &self.place
    }
}

impl Place {
    pub(crate) fn counter(&self, registry: &Registry, name: &str) -> Counter {
        self.with(name, |text, family, labels| registry.counter(text, family, labels))
    }

    pub(crate) fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether the outermost labels are these.
    pub(crate) fn ends_with(&self, labels: &[(&str, &str)]) -> bool {
        let end = self.labels.len().checked_sub(labels.len()).and_then(|start| self.labels.get(start..));
        end.is_some_and(|end| end.iter().zip(labels).all(|(a, b)| a.0 == b.0 && a.1 == b.1))
    }

    /// Shows the full name, family and labels of a series here.
    pub(crate) fn with<H>(&self, name: &str, register: impl FnOnce(&str, &str, &[(&str, &str)]) -> H) -> H {
        let (family, code) = split_code(name);
        let family = format!("{}{}", self.family, family.replace('.', "_"));
        let own = self.labels.iter().map(|(label, value)| (label.as_str(), value.as_str()));
        let labels: Vec<(&str, &str)> = code.into_iter().chain(own).collect();
        register(&format!("{}{name}", self.prefix), &family, &labels)
    }
}

/// `…_rq_2xx` → `…_rq_xx` with a label for the class; `…_rq_200` → `…_rq` with one for the code.
fn split_code(name: &str) -> (String, Option<(&'static str, &str)>) {
    let Some((rest, last)) = name.rsplit_once("_rq_") else { return (name.to_owned(), None) };
    match last.as_bytes() {
        [b'1'..=b'5', b'x', b'x'] => {
            (format!("{rest}_rq_xx"), last.get(..1).map(|class| ("envoy_response_code_class", class)))
        }
        [b'1'..=b'9', b'0'..=b'9', b'0'..=b'9'] => {
            (format!("{rest}_rq"), Some(("envoy_response_code", last)))
        }
        _ => (name.to_owned(), None),
    }
}

/// Declares a group: `counter field;` is named as its field, `counter field = "a.b";` otherwise.
macro_rules! stats_group {
    (@type counter) => { $crate::stats::Counter };
    (@type gauge) => { $crate::stats::Gauge };
    (@type histogram) => { $crate::stats::Histogram };
    (@kind counter) => { $crate::stats::Kind::Counter };
    (@kind gauge) => { $crate::stats::Kind::Gauge };
    (@kind histogram) => { $crate::stats::Kind::Histogram };
    (@handle counter $cell:expr) => { $crate::stats::Counter($cell) };
    (@handle gauge $cell:expr) => { $crate::stats::Gauge($cell) };
    (@handle histogram $cell:expr) => { $crate::stats::Histogram($cell) };
    (@name $field:ident) => { stringify!($field) };
    (@name $field:ident = $name:literal) => { $name };
    ($(#[$doc:meta])* $group:ident { $($kind:ident $field:ident $(= $name:literal)?;)* }) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug)]
        pub struct $group {
            $(
                #[doc = concat!("`", stats_group!(@name $field $(= $name)?), "`")]
                pub $field: stats_group!(@type $kind),
            )*
        }

        impl $group {
            /// The handles of the group within a scope.
            #[must_use]
            pub fn new(scope: &$crate::stats::Scope<'_>) -> Self {
                static LAYOUT: &$crate::stats::table::Layout =
                    &[$((stats_group!(@kind $kind), stats_group!(@name $field $(= $name)?)),)*];
                let mut cells = scope.group(LAYOUT).into_iter();
                // As many as there are fields; beyond them lies nothing that could be counted.
                Self { $($field: stats_group!(@handle $kind cells.next().unwrap_or(u32::MAX)),)* }
            }
        }
    };
}
pub(crate) use stats_group;

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
