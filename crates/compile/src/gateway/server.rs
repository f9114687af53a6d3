//! One server of a Gateway.

use std::sync::Arc;

use weft_api::Object;
use weft_api::istio::gateway::{Server, ServerTlsMode};
use weft_model::{Protocol, VirtualServiceView, host};
use weft_types::Name;

/// A server, and the Gateway that has it.
#[derive(Clone, Debug)]
pub struct ServerView {
    /// The Gateway.
    pub gateway: Arc<Object>,
    /// Its full name, `namespace/name`, by which VirtualServices are bound to it.
    pub gateway_name: Name,
    /// Index in `spec.servers`.
    pub index: usize,
    /// The server.
    pub server: Arc<Server>,
}

/// What a server does with connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Purpose {
    /// Plaintext HTTP.
    Http,
    /// Ends TLS, and speaks HTTP.
    Https,
    /// Ends TLS, and passes bytes on.
    EndTls,
    /// Passes TLS on, by routes.
    PassTls,
    /// Passes TLS on to what its server name says, without routes (GW-04).
    AutoPassTls,
    /// Passes bytes on.
    Opaque,
}

impl ServerView {
    /// What it does; `None` if its protocol is not one that a gateway serves.
    #[must_use]
    pub fn purpose(&self) -> Option<Purpose> {
        let protocol = Protocol::parse(&self.server.port.protocol)?;
        let mode = self.server.tls.as_ref().map(|tls| tls.mode);
        let ends = mode
            .is_some_and(|mode| !matches!(mode, ServerTlsMode::Passthrough | ServerTlsMode::AutoPassthrough));
        Some(match protocol {
            // `httpsRedirect` is a TLS block without TLS.
            _ if protocol.is_http() => Purpose::Http,
            Protocol::Https | Protocol::Tls if mode == Some(ServerTlsMode::AutoPassthrough) => {
                Purpose::AutoPassTls
            }
            Protocol::Https if ends => Purpose::Https,
            Protocol::Tls if ends => Purpose::EndTls,
            Protocol::Https | Protocol::Tls => Purpose::PassTls,
            _ if protocol.is_tcp() => Purpose::Opaque,
            _ => return None,
        })
    }

    /// Whether plaintext is answered with 301 (GW-03).
    #[must_use]
    pub fn redirects_to_https(&self) -> bool {
        self.server.tls.as_ref().is_some_and(|tls| tls.https_redirect)
    }

    /// The hosts of a VirtualService that the server serves: the narrower of both, where they meet. None
    /// if the VirtualService's namespace is not the one that the server takes routes from (GW-02).
    #[must_use]
    pub fn hosts_of(&self, view: &VirtualServiceView) -> Vec<Name> {
        let own = &self.gateway.reference.namespace;
        let mut hosts: Vec<Name> = Vec::new();
        for entry in &self.server.hosts {
            let (namespace, name) = entry.split_once('/').unwrap_or(("*", entry));
            let admitted = match namespace {
                "*" => true,
                "." => **own == *view.namespace,
                named => named == &*view.namespace,
            };
            if !admitted {
                continue;
            }
            let name = name.to_ascii_lowercase();
            for wanted in &view.hosts {
                let narrower = if host::covers(&name, wanted) {
                    wanted.clone()
                } else if host::covers(wanted, &name) {
                    Name::from(name.as_str())
                } else {
                    continue;
                };
                if !hosts.contains(&narrower) {
                    hosts.push(narrower);
                }
            }
        }
        hosts
    }

    /// The server names that its chain is for; none is for all.
    #[must_use]
    pub fn server_names(&self) -> Vec<String> {
        let names = self.server.hosts.iter().map(|entry| {
            let name = entry.split_once('/').map_or(entry.as_str(), |(_, name)| name);
            name.to_ascii_lowercase()
        });
        let mut names: Vec<String> = names.collect();
        if names.iter().any(|name| name == "*") {
            return Vec::new();
        }
        names.sort_unstable();
        names.dedup();
        names
    }

    /// Where the server stands in its object.
    #[must_use]
    pub fn path(&self) -> String {
        format!("spec.servers[{}]", self.index)
    }
}
