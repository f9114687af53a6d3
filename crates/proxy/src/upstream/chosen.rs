//! What a request or a client's connection decides about TLS toward an endpoint. Connections are pooled
//! by it.

use std::collections::BTreeMap;
use std::net::IpAddr;

use weft_balance::HostHandle;
use weft_tables::cluster::{Cluster, TransportLayer};

/// Objects by key (Envoy's filter state), as strings.
pub(crate) type State = BTreeMap<Box<str>, Box<str>>;

/// ALPN names to offer, separated by commas.
const ALPN: &str = "envoy.network.application_protocols";
/// Server name to send.
const SERVER_NAME: &str = "envoy.network.upstream_server_name";
/// Names of which the certificate must have one, separated by commas.
const SANS: &str = "envoy.network.upstream_subject_alt_names";

/// What is decided; empty where the cluster's configuration holds.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Chosen {
    /// Server name to send.
    pub(crate) server_name: Option<Box<str>>,
    /// Protocols to offer.
    pub(crate) alpn: Vec<Box<str>>,
    /// Names of which the certificate must have one.
    pub(crate) sans: Vec<Box<str>>,
}

impl Chosen {
    /// What filters said.
    pub(crate) fn by_filters(state: &State) -> Self {
        let list = |key| match state.get(key) {
            Some(text) => text.split(',').map(str::trim).filter(|n| !n.is_empty()).map(Into::into).collect(),
            None => Vec::new(),
        };
        let server_name = state.get(SERVER_NAME).filter(|name| !name.is_empty()).cloned();
        Self { server_name, alpn: list(ALPN), sans: list(SANS) }
    }

    /// The same with what the request's authority decides (`auto_sni`, `auto_san_validation`) and the
    /// endpoint's name (`auto_host_sni`), where filters said nothing. Nothing at all without TLS.
    pub(crate) fn complete(mut self, config: &Cluster, host: &HostHandle, authority: &str) -> Self {
        let layers = &host.state.key().transport.layers;
        let Some(tls) = layers.iter().find_map(TransportLayer::tls) else { return Self::default() };
        let name = weft_route::host::without_port(authority);
        if config.http.auto_san_validation && self.sans.is_empty() && !name.is_empty() {
            self.sans.push(name.into());
        }
        if self.server_name.is_none() {
            // An address is no server name (RFC 6066 section 3).
            let address = name.trim_matches(['[', ']']).parse::<IpAddr>().is_ok();
            if config.http.auto_sni && !name.is_empty() && !address {
                self.server_name = Some(name.into());
            } else if tls.auto_host_sni && !host.endpoint.hostname.is_empty() {
                self.server_name = Some(host.endpoint.hostname.clone());
            }
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_separated_by_commas_and_empty_names_are_none() {
        let state = [(ALPN, "a, b,"), (SERVER_NAME, ""), ("other", "x")];
        let state = state.into_iter().map(|(k, v)| (k.into(), v.into())).collect();
        let chosen = Chosen::by_filters(&state);
        assert_eq!(chosen.alpn, [Box::from("a"), Box::from("b")]);
        assert_eq!((chosen.server_name, chosen.sans), (None, Vec::new()));
    }
}
