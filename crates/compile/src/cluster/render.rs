//! One cluster: decided, then rendered.

use weft_api::istio::destination_rule::Subset;
use weft_model::DestinationRuleView;
use weft_model::endpoint::EndpointAddress;
use weft_model::service::{Registry, Resolution, Service, ServicePort};
use weft_proto::any::pack;
use weft_proto::envoy::config::cluster::v3::cluster::{
    ClusterDiscoveryType, DiscoveryType, DnsLookupFamily, EdsClusterConfig, LbPolicy,
};
use weft_proto::envoy::config::cluster::v3::{Cluster, Filter};
use weft_proto::envoy::config::core::v3::Metadata;
use weft_proto::google::protobuf::value::Kind;
use weft_proto::google::protobuf::{ListValue, Value};
use weft_proto::istio::metadata_exchange::MetadataExchange;

use super::balancer::{self, Balancer};
use super::policy::Policy;
use super::pool::{self, HttpVersion, NameFromRequest};
use super::transport::{self, Transport};
use super::{name, tls};
use crate::capabilities::Flavor;
use crate::filter::PEER_METADATA_FILTER;
use crate::message::{ads, duration, structure, text};
use crate::security::tls::PEER_EXCHANGE;
use crate::view::View;
use crate::{endpoint, provenance};

/// Name of the typed options of HTTP.
pub(crate) const HTTP_OPTIONS: &str = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions";

/// How the endpoints of a cluster become known.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Discovery {
    /// They are listed in a resource of their own.
    Eds,
    /// All answers of DNS.
    StrictDns,
    /// One answer of DNS in turns.
    LogicalDns,
    /// The address that the caller called.
    OriginalDst,
}

/// A cluster: all that is decided about it.
#[derive(Clone, Debug)]
pub struct Intent<'v> {
    /// Name.
    pub name: String,
    /// Service behind it.
    pub service: &'v Service,
    /// Port of the service.
    pub port: &'v ServicePort,
    /// Subset; all endpoints if `None`.
    pub subset: Option<&'v Subset>,
    /// The DestinationRule in force.
    pub rule: Option<&'v DestinationRuleView>,
    /// Its blocks that count.
    pub policy: Policy<'v>,
    /// How endpoints become known.
    pub discovery: Discovery,
    /// How HTTP is spoken; `None`: it is not.
    pub http: Option<HttpVersion>,
    /// What calls are wrapped in.
    pub transport: Transport<'v>,
}

impl<'v> Intent<'v> {
    /// Decides all about the cluster of a service's port and subset.
    #[must_use]
    pub fn new(
        view: &'v View<'_>,
        service: &'v Service,
        port: &'v ServicePort,
        subset: Option<&'v Subset>,
    ) -> Self {
        let rule = view.rule(&service.host).map(AsRef::as_ref);
        let policy = Policy::of(rule.map(|rule| &*rule.spec), subset, port.number);
        let discovery = discovery(view, service, port, subset, &policy);
        let by_caller = discovery == Discovery::OriginalDst;
        let subset_name = subset.map_or("", |subset| &subset.name);
        let transport = Transport::of(view, service, port, subset_name, &policy, by_caller);
        Self {
            name: name::outbound(port.number, subset_name, &service.host),
            service,
            port,
            subset,
            rule,
            policy,
            discovery,
            http: pool::http_version(port.protocol, policy.connection_pool, transport.is_foreign_tls()),
            transport,
        }
    }

    /// The cluster.
    #[must_use]
    pub fn render(&self, view: &View<'_>) -> Cluster {
        let pool = self.policy.connection_pool;
        let mut cluster = Cluster {
            name: self.name.clone(),
            connect_timeout: Some(duration(pool::connect_timeout(view.mesh, pool))),
            circuit_breakers: Some(pool::circuit_breakers(pool, self.policy.retry_budget)),
            outlier_detection: self.policy.outlier_detection.map(super::outlier::detection),
            upstream_connection_options: pool::connection_options(view.mesh, pool),
            metadata: Some(self.metadata()),
            ..Default::default()
        };
        self.discover(&mut cluster, view);
        if self.discovery == Discovery::OriginalDst {
            cluster.lb_policy = LbPolicy::ClusterProvided.into();
        } else {
            balancer::apply(&mut cluster, &self.policy);
        }
        let offer = tls::Offer {
            capabilities: view.proxy.capabilities,
            http: self.http,
            proxy_header: transport::proxy_header(&self.policy),
            hbone: self.offers_hbone(view),
        };
        tls::apply(&mut cluster, &self.transport, offer);
        if view.proxy.capabilities.tcp_peer_metadata && self.transport.is_istio() {
            // Who offers the exchange must do it: the other end waits for it, and sends its own part.
            cluster.filters = vec![peer_exchange()];
        }
        if let Some(version) = self.http {
            let server_name = self.transport.needs_server_name(self.http);
            let unnamed = matches!(&self.transport, Transport::Tls(tls, names) if names.is_empty()
                && tls.insecure_skip_verify != Some(true));
            let name = NameFromRequest { server_name, verified: server_name && unnamed };
            let options = pack(&pool::http_options(version, pool, name));
            cluster.typed_extension_protocol_options.insert(HTTP_OPTIONS.to_owned(), options);
        }
        cluster
    }

    /// Whether opaque connections may go as streams of HBONE: the proxy is ours, and the port may carry some.
    #[must_use]
    pub fn offers_hbone(&self, view: &View<'_>) -> bool {
        view.proxy.capabilities.flavor == Flavor::Weft
            && !self.port.protocol.is_http()
            && transport::proxy_header(&self.policy).is_none()
            && matches!(self.transport, Transport::Auto(_))
    }

    // Envoy's newer form of DNS clusters takes the same fields; tools for Istio read these.
    #[allow(deprecated)]
    fn discover(&self, cluster: &mut Cluster, view: &View<'_>) {
        let kind = match self.discovery {
            Discovery::Eds => {
                cluster.eds_cluster_config =
                    Some(EdsClusterConfig { eds_config: Some(ads()), service_name: self.name.clone() });
                DiscoveryType::Eds
            }
            Discovery::OriginalDst => DiscoveryType::OriginalDst,
            Discovery::StrictDns => DiscoveryType::StrictDns,
            Discovery::LogicalDns => DiscoveryType::LogicalDns,
        };
        if matches!(self.discovery, Discovery::StrictDns | Discovery::LogicalDns) {
            cluster.load_assignment = Some(endpoint::assignment(view, self));
            cluster.dns_lookup_family = DnsLookupFamily::V4Preferred.into();
            cluster.dns_refresh_rate = Some(duration(view.mesh.dns_refresh));
            cluster.respect_dns_ttl = true;
        }
        cluster.cluster_discovery_type = Some(ClusterDiscoveryType::Type(kind.into()));
    }

    /// Provenance: the DestinationRule, else the service.
    fn metadata(&self) -> Metadata {
        let mut metadata = match (self.rule, self.subset) {
            (Some(rule), Some(subset)) => {
                let object = rule.source_of_subset(&subset.name).or_else(|| rule.sources.first());
                let object = object.unwrap_or(&self.service.object);
                provenance::of(object, &format!("spec.subsets[{}]", subset_index(object, &subset.name)))
            }
            (Some(rule), None) => {
                provenance::of(rule.sources.first().unwrap_or(&self.service.object), "spec.trafficPolicy")
            }
            (None, _) => provenance::of(&self.service.object, "spec.ports"),
        };
        let service = structure([
            ("host", text(&self.service.host)),
            ("name", text(&self.service.name)),
            ("namespace", text(&self.service.namespace)),
        ]);
        let service = Value { kind: Some(Kind::StructValue(service)) };
        let list = Value { kind: Some(Kind::ListValue(ListValue { values: vec![service] })) };
        let mut facts = vec![("services", list)];
        facts.extend(self.subset.map(|subset| ("subset", text(&subset.name))));
        if self.service.external {
            facts.push(("external", Value { kind: Some(Kind::BoolValue(true)) }));
        }
        if self.transport.is_foreign_tls() {
            // Istio's ALPN filter must not change what such a server is offered (SD-10).
            facts.push(("alpn_override", text("false")));
        }
        provenance::add_istio(&mut metadata, facts);
        metadata
    }
}

fn peer_exchange() -> Filter {
    let config = MetadataExchange { protocol: PEER_EXCHANGE.to_owned(), ..Default::default() };
    Filter { name: PEER_METADATA_FILTER.to_owned(), typed_config: Some(pack(&config)), ..Default::default() }
}

fn subset_index(object: &weft_api::Object, name: &str) -> usize {
    match &object.spec {
        weft_api::Spec::DestinationRule(rule) => {
            rule.subsets.iter().position(|s| s.name == name).unwrap_or(0)
        }
        _ => 0,
    }
}

/// How endpoints become known. A gateway and an embedded sidecar have no original destination: what a
/// caller would choose, they look up.
fn discovery(
    view: &View<'_>,
    service: &Service,
    port: &ServicePort,
    subset: Option<&Subset>,
    policy: &Policy<'_>,
) -> Discovery {
    let captured = !view.proxy.is_router() && !view.proxy.is_embedded();
    let endpoints = view.endpoints(service, port.number);
    let by_caller = Balancer::of(policy) == Balancer::Passthrough
        || matches!(service.resolution, Resolution::Passthrough | Resolution::DynamicDns);
    if by_caller && captured {
        return Discovery::OriginalDst;
    }
    if by_caller && endpoints.is_empty() && service.registry == Registry::External && !service.is_wildcard() {
        return Discovery::StrictDns;
    }
    let named = endpoints.iter().any(|e| matches!(e.address, EndpointAddress::Name(_)));
    match service.resolution {
        // Envoy wants exactly one name there.
        Resolution::LogicalDns if endpoint::wanted(endpoints, subset).count() == 1 => Discovery::LogicalDns,
        Resolution::LogicalDns | Resolution::StrictDns => Discovery::StrictDns,
        Resolution::Eds | Resolution::Passthrough | Resolution::DynamicDns if named => Discovery::StrictDns,
        Resolution::Eds | Resolution::Passthrough | Resolution::DynamicDns => Discovery::Eds,
    }
}
