//! Which server the configuration comes from, and how it is reached.

use std::sync::Arc;

use weft_agent::identity::Certificates;
use weft_agent::settings::Settings;
use weft_agent::{channel, token};
use weft_proto::envoy::config::core::v3::Node;
use weft_tables::tables::DiscoveryServer;
use weft_xds::client::Protocol;
use weft_xds::client::drive::Link;

use super::configuration::Scope;
use super::{connect, node};
use crate::process::Process;

/// A server.
#[derive(Clone, Debug)]
pub(crate) enum Source {
    /// `dynamic_resources` of a bootstrap.
    Cluster {
        /// How it is reached.
        server: DiscoveryServer,
        /// Who asks.
        node: Box<Node>,
    },
    /// The mesh's control plane.
    Mesh(Box<Settings>),
}

impl Source {
    pub(super) fn has_identity(&self) -> bool {
        matches!(self, Self::Mesh(_))
    }

    pub(super) fn scope(&self) -> Scope {
        match self {
            Self::Cluster { server, node: _ } => {
                Scope { clusters: server.clusters, listeners: server.listeners }
            }
            Self::Mesh(_) => Scope { clusters: true, listeners: true },
        }
    }

    pub(super) fn protocol(&self) -> Protocol {
        match self {
            Self::Cluster { server, node: _ } if !server.delta => Protocol::StateOfTheWorld,
            _ => Protocol::Delta,
        }
    }

    /// Who asks.
    pub(super) fn node(&self) -> Node {
        node::complete(match self {
            Self::Cluster { server: _, node } => (**node).clone(),
            Self::Mesh(settings) => weft_agent::node::node(&settings.node),
        })
    }

    /// Makes a link.
    pub(super) async fn connect(
        &self,
        process: &Arc<Process>,
        certificates: Option<&Certificates>,
    ) -> anyhow::Result<Link> {
        match self {
            Self::Cluster { server, node: _ } => connect::through_cluster(process, server).await,
            Self::Mesh(settings) => {
                let certificate = certificates.and_then(|c| c.borrow().clone());
                let server = settings.discovery_server();
                // Its text tells its causes already.
                let channel = channel::connect(&server, certificate.as_deref());
                let channel = channel.await.map_err(|error| anyhow::anyhow!("{error}"))?;
                let mut link = Link::new(channel);
                match token::bearer(&settings.token).await {
                    Ok(token) => _ = link.metadata.insert("authorization", token),
                    // The certificate says who we are as well.
                    Err(error) if certificate.is_some() => tracing::debug!(%error, "no token is sent"),
                    Err(error) => anyhow::bail!("{error}"),
                }
                Ok(link)
            }
        }
    }
}
