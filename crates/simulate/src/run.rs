//! The path of a call.

use std::sync::Arc;
use std::time::{Duration, Instant};

use weft_balance::transport::for_endpoint;
use weft_balance::{Balancer, HostSet, PickContext, Settings};
use weft_filter::network::rbac_allows;
use weft_filter::{Chain, Context, Facts, Flow, LocalReply, OpenFilters};
use weft_route::canonical::canonicalize;
use weft_route::decide::{Decision, RouteChoice, decide};
use weft_route::forwarded::{self, Hop};
use weft_route::headers::{NoValues, apply_request, render};
use weft_route::{RequestFacts, redirect, rewrite};
use weft_state::ClusterState;
use weft_tables::Tables;
use weft_tables::chain::{ConnectionFacts, Terminal};
use weft_tables::cluster::{Cluster, Discovery};
use weft_tables::filter::NetworkFilter;
use weft_tables::hcm::{HttpManager, RouteSource};
use weft_tables::route::{Action, Forward, RouteConfig};
use weft_types::{Detail, Headers, Name, Random, RequestHead, ResponseFlag, ResponseFlags};

use crate::{Call, Outcome, Verdict};

/// Judges a call by the tables. `now` and `dice` decide what time and chance would.
#[must_use]
pub fn simulate(tables: &Tables, call: &Call, now: Instant, dice: &mut impl Random) -> Verdict {
    let mut verdict = Verdict {
        outcome: Outcome::Closed("no listener of that name"),
        chain: None,
        route: None,
        flags: ResponseFlags::NONE,
        detail: None,
        delay: Duration::ZERO,
    };
    let Some(listener) = tables.listeners.get(call.listener.as_str()) else { return verdict };
    let protocols: Vec<&str> = call.protocols.iter().map(String::as_str).collect();
    let facts = ConnectionFacts {
        destination: call.destination.map(|a| (a.ip(), a.port())),
        source: call.source.map(|a| (a.ip(), a.port())),
        direct_source: call.source.map(|a| a.ip()),
        server_name: call.server_name.as_deref().unwrap_or_default(),
        transport_protocol: if call.server_name.is_some() { "tls" } else { "raw_buffer" },
        application_protocols: &protocols,
    };
    let Some(chain) = listener.chains.find(&facts) else {
        verdict.outcome = Outcome::Closed("filter_chain_not_found");
        verdict.flags.insert(ResponseFlag::NoRouteFound);
        return verdict;
    };
    verdict.chain = Some(chain.name.clone());
    let cx = Context { facts: Arc::new(connection_facts(call)), ..Context::default() };
    for filter in &chain.filters {
        if let NetworkFilter::Rbac(rbac) = filter
            && !rbac_allows(rbac, &cx).allowed
        {
            verdict.outcome = Outcome::Closed("rbac_access_denied");
            return verdict;
        }
    }
    let mut step = Step { tables, call, now, verdict };
    match (&chain.terminal, &call.head) {
        (Terminal::Http(manager), Some(head)) => step.http(manager, head.clone(), dice),
        (Terminal::Http(_), None) => step.close("not HTTP"),
        (Terminal::Tcp(tcp), _) => match tcp.clusters.first() {
            Some(target) => step.to_cluster(&target.cluster.clone(), None, Vec::new(), dice),
            None => step.close("no cluster"),
        },
        (Terminal::Echo | Terminal::DirectResponse(_) | Terminal::Close, _) => {
            step.close("answered by a filter")
        }
    }
    step.verdict
}

fn connection_facts(call: &Call) -> Facts {
    Facts {
        direct_remote: call.source,
        source: call.source,
        remote: call.source,
        local: call.destination,
        server_name: call.server_name.as_deref().map(Into::into),
        tls: call.server_name.is_some(),
        peer_verified: !call.peer_uris.is_empty(),
        peer_uris: call.peer_uris.iter().map(|u| u.as_str().into()).collect(),
        ..Facts::default()
    }
}

struct Step<'a> {
    tables: &'a Tables,
    call: &'a Call,
    now: Instant,
    verdict: Verdict,
}

impl Step<'_> {
    fn http(&mut self, manager: &HttpManager, mut head: RequestHead, dice: &mut impl Random) {
        if let Err(refusal) = canonicalize(&mut head, manager, self.call.destination.map(|a| a.port())) {
            return self.answer(LocalReply::new(refusal.status, "", refusal.word));
        }
        let routes = match &manager.routes {
            RouteSource::Inline(routes) => Some(routes.clone()),
            RouteSource::Named(name) => self.tables.routes.get(name).cloned(),
        };
        let hop = Hop {
            remote: self.call.source.map(|a| a.ip()),
            local: self.call.destination.map(|a| a.ip()),
            port: self.call.destination.map(|a| a.port()),
            tls: self.call.server_name.is_some(),
            node: &self.tables.bootstrap.node_id,
            node_cluster: &self.tables.bootstrap.node_cluster,
        };
        forwarded::receive(&mut head, manager, routes.as_deref(), hop, dice);
        let facts = RequestFacts {
            tls: hop.tls,
            certificate_presented: !self.call.peer_uris.is_empty(),
            certificate_validated: !self.call.peer_uris.is_empty(),
            dice: dice.next_u64(),
        };
        let choice = match routes.as_deref().map_or(Decision::NoRoute, |r| decide(r, &head, &facts)) {
            Decision::NoRoute => None,
            Decision::RequireTls(_) => {
                let mut reply = LocalReply::new(301, "", "direct_response");
                reply.headers.append("location", redirect::https_location(&head));
                return self.answer(reply);
            }
            Decision::Route(choice) => Some(choice),
        };
        self.verdict.route = choice.as_ref().map(|c| c.route.name.clone());
        if let Some(reply) = self.filters(manager, routes.as_deref(), choice.as_ref(), &mut head, dice) {
            return self.answer(reply);
        }
        let (Some(choice), Some(routes)) = (choice, routes) else {
            return self.answer(LocalReply::new(404, "", "route_not_found").flag(ResponseFlag::NoRouteFound));
        };
        self.act(&routes, &choice, head, dice);
    }

    /// Runs the filters; the reply of the one that answers.
    fn filters(
        &mut self,
        manager: &HttpManager,
        routes: Option<&RouteConfig>,
        choice: Option<&RouteChoice>,
        head: &mut RequestHead,
        dice: &mut impl Random,
    ) -> Option<LocalReply> {
        let open = OpenFilters::default();
        let mut chain = match (choice, routes) {
            (Some(choice), Some(routes)) => {
                let weighted = choice.weighted_cluster().map(|w| &w.per_filter[..]);
                let levels = weft_filter::chain::levels(
                    weighted,
                    &choice.route.per_filter,
                    &choice.host.per_filter,
                    routes,
                );
                Chain::build(&manager.filters, &levels, &open)
            }
            _ => Chain::build(&manager.filters, &[], &open),
        };
        let mut facts = connection_facts(self.call);
        facts.route_name.clone_from(&self.verdict.route);
        facts.cluster = choice.and_then(|c| c.cluster.clone());
        let mut cx = Context { facts: Arc::new(facts), ..Context::default() };
        for index in 0..chain.len() {
            loop {
                match chain.request(index, head, !self.call.has_body, &mut cx, dice) {
                    Flow::Continue | Flow::Buffer(_) | Flow::Wait(_) => break,
                    Flow::Delay(time) => self.verdict.delay += time,
                    Flow::Reply(reply) => {
                        self.note(&cx);
                        return Some(*reply);
                    }
                }
            }
        }
        self.note(&cx);
        None
    }

    fn note(&mut self, cx: &Context) {
        for flag in cx.flags.iter() {
            self.verdict.flags.insert(flag);
        }
    }

    fn act(
        &mut self,
        routes: &RouteConfig,
        choice: &RouteChoice,
        mut head: RequestHead,
        dice: &mut impl Random,
    ) {
        match &choice.route.action {
            Action::Forward(forward) => {
                apply_request(&mut head, routes, choice, &|_, template| render(template, &NoValues));
                rewrite::apply(&mut head, &choice.route, forward, choice.weighted_cluster(), false);
                self.forward(choice, forward, head, dice);
            }
            Action::Redirect(to) => {
                let mut reply = LocalReply::new(to.status, "", "direct_response");
                reply.headers.append("location", redirect::location(to, &choice.route.matches.path, &head));
                self.answer(reply);
            }
            Action::Direct { status, body } => {
                let mut reply = LocalReply::new(*status, "", "direct_response");
                reply.body = body.clone();
                self.answer(reply);
            }
            Action::NonForwarding => {
                self.answer(LocalReply::new(404, "", "route_not_found").flag(ResponseFlag::NoRouteFound));
            }
        }
    }

    fn forward(
        &mut self,
        choice: &RouteChoice,
        forward: &Forward,
        head: RequestHead,
        dice: &mut impl Random,
    ) {
        let mirrors = forward.mirrors.iter().filter(|m| m.fraction.includes(dice.next_u64()));
        let mirrors = mirrors.map(|m| m.cluster.clone()).collect();
        match &choice.cluster {
            Some(name) if self.tables.clusters.contains_key(name) => {
                self.to_cluster(&name.clone(), Some(Box::new(head)), mirrors, dice);
            }
            _ => {
                let mut reply =
                    LocalReply::new(forward.cluster_not_found, "", "").flag(ResponseFlag::NoClusterFound);
                reply.detail = Detail::word("cluster_not_found").with_object(choice.route.provenance.clone());
                self.answer(reply);
            }
        }
    }

    fn to_cluster(
        &mut self,
        name: &Name,
        head: Option<Box<RequestHead>>,
        mirrors: Vec<Name>,
        dice: &mut impl Random,
    ) {
        let Some(cluster) = self.tables.clusters.get(name) else { return self.close("no such cluster") };
        match self.pick(cluster, dice) {
            Some(host) => {
                self.verdict.outcome = Outcome::Forwarded { cluster: name.clone(), host, head, mirrors };
            }
            None if head.is_none() => self.close("no healthy upstream"),
            None => {
                let mut reply = LocalReply::new(503, "no healthy upstream", "no_healthy_upstream")
                    .flag(ResponseFlag::NoHealthyUpstream);
                reply.detail.object.clone_from(&cluster.provenance);
                self.answer(reply);
            }
        }
    }

    fn pick(
        &self,
        cluster: &Arc<Cluster>,
        dice: &mut impl Random,
    ) -> Option<weft_tables::address::SocketAddress> {
        let endpoints = match &cluster.discovery {
            Discovery::Static(endpoints) => endpoints,
            Discovery::StrictDns(dns) | Discovery::LogicalDns(dns) => &dns.endpoints,
            Discovery::OriginalDst { .. } => {
                return self.call.destination.map(weft_tables::address::SocketAddress::Ip);
            }
            Discovery::Eds(_) => return None,
        };
        let state = Arc::new(ClusterState::new(cluster.name.clone()));
        let hosts = Arc::new(HostSet::new(endpoints, &state, |endpoint| {
            state.host(&endpoint.address, for_endpoint(cluster, endpoint), self.now)
        }));
        let mut balancer = Balancer::new(Settings::from(&**cluster), dice);
        let pick = balancer.pick(&hosts, &PickContext::new(self.now), dice).ok()?;
        Some(pick.host.endpoint.address.clone())
    }

    fn close(&mut self, why: &'static str) {
        self.verdict.outcome = Outcome::Closed(why);
    }

    fn answer(&mut self, reply: LocalReply) {
        for flag in reply.flags.iter() {
            self.verdict.flags.insert(flag);
        }
        let headers: Headers = reply.headers;
        self.verdict.detail = Some(reply.detail);
        self.verdict.outcome = Outcome::Response { status: reply.status, headers, body: reply.body };
    }
}
