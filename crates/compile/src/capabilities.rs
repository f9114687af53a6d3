//! What a proxy can do beyond core Envoy: decides how intents are rendered (design.md 9).

use weft_proto::envoy::config::core::v3::Node;
use weft_proto::google::protobuf::value::Kind;

/// Whose proxy it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Flavor {
    /// Envoy as its project builds it.
    Plain,
    /// Envoy with Istio's extensions.
    Istio,
    /// Ours.
    Weft,
}

/// Which of Istio's extensions a proxy has. A resource may name none that its proxy has not: Envoy
/// refuses the whole resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Capabilities {
    /// Whose proxy it is.
    pub flavor: Flavor,
    /// HTTP filter `istio.metadata_exchange` (`io.istio.http.peer_metadata.Config`).
    pub peer_metadata: bool,
    /// Network filter `istio.metadata_exchange` for TCP; only then may `istio-peer-exchange` be offered
    /// by ALPN, or the peer's bytes corrupt the stream.
    pub tcp_peer_metadata: bool,
    /// HTTP and network filter `istio.stats` (`stats.PluginConfig`).
    pub istio_stats: bool,
    /// HTTP filter `istio.alpn`.
    pub istio_alpn: bool,
}

impl Capabilities {
    /// Core Envoy alone.
    pub const PLAIN: Self = Self {
        flavor: Flavor::Plain,
        peer_metadata: false,
        tcp_peer_metadata: false,
        istio_stats: false,
        istio_alpn: false,
    };

    /// Istio's Envoy.
    pub const ISTIO: Self = Self {
        flavor: Flavor::Istio,
        peer_metadata: true,
        tcp_peer_metadata: true,
        istio_stats: true,
        istio_alpn: true,
    };

    /// Our proxy.
    pub const WEFT: Self = Self { flavor: Flavor::Weft, tcp_peer_metadata: false, ..Self::ISTIO };

    /// What the node's list of extensions says; without a list, ISTIO_VERSION stands for Istio's Envoy,
    /// and nothing for core Envoy.
    #[must_use]
    pub fn from_node(node: &Node) -> Self {
        let ours = node.user_agent_name == "weft";
        if node.extensions.is_empty() {
            let istio = node.metadata.as_ref().and_then(|m| m.fields.get("ISTIO_VERSION"));
            return match istio.and_then(|v| v.kind.as_ref()) {
                _ if ours => Self::WEFT,
                Some(Kind::StringValue(version)) if !version.is_empty() => Self::ISTIO,
                _ => Self::PLAIN,
            };
        }
        let has = |wanted: &str| {
            node.extensions.iter().any(|extension| {
                let named = |url: &String| url.rsplit('/').next() == Some(wanted);
                extension.type_urls.iter().any(named) || extension.name == wanted
            })
        };
        let peer_metadata = has("io.istio.http.peer_metadata.Config");
        let tcp_peer_metadata = has("envoy.tcp.metadataexchange.config.MetadataExchange");
        let istio_stats = has("stats.PluginConfig");
        let istio_alpn = has("istio.envoy.config.filter.http.alpn.v2alpha1.FilterConfig");
        let flavor = match (ours, peer_metadata || tcp_peer_metadata || istio_stats || istio_alpn) {
            (true, _) => Flavor::Weft,
            (false, true) => Flavor::Istio,
            (false, false) => Flavor::Plain,
        };
        Self { flavor, peer_metadata, tcp_peer_metadata, istio_stats, istio_alpn }
    }

    /// What clients and servers of opaque connections offer by ALPN within Istio's mutual TLS (SD-10).
    #[must_use]
    pub fn tcp_alpn(&self) -> &'static [&'static str] {
        if self.tcp_peer_metadata { &["istio-peer-exchange", "istio"] } else { &["istio"] }
    }
}

#[cfg(test)]
mod tests {
    use weft_proto::envoy::config::core::v3::Extension;

    use super::*;

    fn node(agent: &str, type_urls: &[&str]) -> Node {
        let extension = |url: &&str| Extension { type_urls: vec![(*url).to_owned()], ..Default::default() };
        Node {
            user_agent_name: agent.to_owned(),
            extensions: type_urls.iter().map(extension).collect(),
            ..Default::default()
        }
    }

    #[test]
    fn the_list_of_extensions_decides() {
        let router = "envoy.extensions.filters.http.router.v3.Router";
        assert_eq!(Capabilities::from_node(&node("envoy", &[router])), Capabilities::PLAIN);
        let stats = Capabilities::from_node(&node("envoy", &[router, "stats.PluginConfig"]));
        assert_eq!((stats.flavor, stats.istio_stats, stats.istio_alpn), (Flavor::Istio, true, false));
        let ours = node("weft", &["type.googleapis.com/io.istio.http.peer_metadata.Config"]);
        let ours = Capabilities::from_node(&ours);
        assert_eq!((ours.flavor, ours.peer_metadata, ours.istio_stats), (Flavor::Weft, true, false));
    }

    #[test]
    fn without_a_list_the_version_stands_for_istio() {
        assert_eq!(Capabilities::from_node(&node("envoy", &[])), Capabilities::PLAIN);
        assert_eq!(Capabilities::from_node(&node("weft", &[])), Capabilities::WEFT);
        let mut istio = node("envoy", &[]);
        istio.metadata = Some(crate::message::structure([("ISTIO_VERSION", crate::message::text("1.32"))]));
        assert_eq!(Capabilities::from_node(&istio), Capabilities::ISTIO);
    }
}
