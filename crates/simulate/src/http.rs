//! A request: canonical form, route, filters, and answers that the proxy makes itself.

use std::sync::Arc;

use weft_filter::{Chain, Context, Flow, LocalReply, OpenFilters};
use weft_route::canonical::{Canonical, Refusal, canonicalize};
use weft_route::decide::{Decision, RouteChoice, decide};
use weft_route::forwarded::{self, Hop, strip_hop_by_hop};
use weft_route::headers::apply_response;
use weft_route::{RequestFacts, redirect};
use weft_tables::hcm::{HttpManager, RouteSource, ServerHeader};
use weft_tables::route::{Action, RouteConfig};
use weft_types::{Detail, Headers, Method, Random, RequestHead, ResponseFlag, ResponseFlags, ResponseHead};

use crate::connection::Connection;
use crate::values;

/// A request and what was decided for it.
pub(crate) struct Exchange<'a> {
    pub(crate) manager: &'a HttpManager,
    pub(crate) head: RequestHead,
    pub(crate) canonical: Canonical,
    pub(crate) routes: Option<Arc<RouteConfig>>,
    pub(crate) choice: Option<RouteChoice>,
    pub(crate) chain: Chain,
    pub(crate) cx: Context,
}

impl Connection<'_> {
    pub(crate) fn http(&mut self, manager: &HttpManager, head: RequestHead, dice: &mut impl Random) {
        let routes = match &manager.routes {
            RouteSource::Inline(routes) => Some(routes.clone()),
            RouteSource::Named(name) => self.simulator.tables.routes.get(name).cloned(),
        };
        let mut exchange = Exchange {
            manager,
            head,
            canonical: Canonical::default(),
            routes,
            choice: None,
            chain: Chain::default(),
            cx: Context { now: Some(self.now), ..Context::default() },
        };
        match canonicalize(&mut exchange.head, manager, self.local.map(|a| a.port())) {
            Ok(canonical) => exchange.canonical = canonical,
            Err(refusal) => return self.reply(&mut exchange, &refused(&refusal), false),
        }
        if let Err(reply) = self.admit(&mut exchange, dice) {
            return self.reply(&mut exchange, &reply, false);
        }
        if let Some(reply) = self.filters(&mut exchange, dice) {
            return self.reply(&mut exchange, &reply, false);
        }
        self.act(exchange, dice);
    }

    /// Route and upgrade, and the filters for them.
    fn admit(&mut self, exchange: &mut Exchange<'_>, dice: &mut impl Random) -> Result<(), Box<LocalReply>> {
        let tables = self.simulator.tables.clone();
        let hop = Hop {
            remote: self.call.source.map(|a| a.ip()),
            local: self.local.map(|a| a.ip()),
            port: self.local.map(|a| a.port()),
            tls: self.call.tls,
            node: &tables.bootstrap.node_id,
            node_cluster: &tables.bootstrap.node_cluster,
        };
        let Exchange { manager, head, routes, .. } = exchange;
        let client = forwarded::receive(head, manager, routes.as_deref(), hop, dice);
        let presented = !self.call.peer_uris.is_empty();
        let facts = RequestFacts {
            tls: self.call.tls,
            certificate_presented: presented,
            certificate_validated: presented,
            dice: dice.next_u64(),
        };
        let decision = routes.as_deref().map_or(Decision::NoRoute, |r| decide(r, head, &facts));
        let refused = match decision {
            Decision::NoRoute => None,
            Decision::RequireTls(host) => {
                self.verdict.virtual_host = Some(host.name.clone());
                let mut reply = LocalReply::new(301, "", "direct_response");
                reply.headers.append("location", redirect::https_location(head));
                Some(reply)
            }
            Decision::Route(choice) => {
                self.verdict.virtual_host = Some(choice.host.name.clone());
                self.verdict.route = Some(choice.route.name.clone());
                exchange.choice = Some(choice);
                None
            }
        };
        if let Some(reply) = refused {
            return Err(Box::new(reply));
        }
        // A CONNECT that no route takes is answered as such.
        if exchange.choice.is_some()
            && asks_in_vain(&exchange.head, exchange.manager, exchange.choice.as_ref())
        {
            return Err(Box::new(LocalReply::new(403, "", "upgrade_failed")));
        }
        exchange.cx.facts = Arc::new(self.facts());
        exchange.cx.remote = self.call.source;
        if let Some(ip) = client {
            exchange.cx.remote = self.call.source.filter(|a| a.ip() == ip).or(Some((ip, 0).into()));
        }
        exchange.cx.cluster_name = exchange.choice.as_ref().and_then(|c| c.cluster.clone());
        exchange.cx.shared = self.simulator.shared.clone();
        exchange.chain = chain(exchange);
        Ok(())
    }

    /// Runs the filters; the reply of the one that answers.
    fn filters(&mut self, exchange: &mut Exchange<'_>, dice: &mut impl Random) -> Option<LocalReply> {
        let Exchange { chain, cx, head, .. } = exchange;
        let mut answer = None;
        'filters: for index in 0..chain.len() {
            loop {
                match chain.request(index, head, !self.call.has_body, cx, dice) {
                    Flow::Continue | Flow::Buffer(_) | Flow::Wait(_) => break,
                    Flow::Delay(time) => {
                        self.verdict.delay += time;
                        cx.now = cx.now.map(|now| now + time);
                    }
                    Flow::Reply(reply) => {
                        answer = Some(*reply);
                        break 'filters;
                    }
                }
            }
        }
        for flag in cx.flags.iter() {
            self.verdict.flags.insert(flag);
        }
        answer
    }

    fn act(&mut self, mut exchange: Exchange<'_>, dice: &mut impl Random) {
        let Some(choice) = exchange.choice.clone() else {
            let reply = LocalReply::new(404, "", "route_not_found").flag(ResponseFlag::NoRouteFound);
            return self.reply(&mut exchange, &reply, false);
        };
        let by_route = |status, body, headers| LocalReply {
            status,
            body,
            headers,
            grpc_status: None,
            detail: Detail::word("direct_response").with_object(choice.route.provenance.clone()),
            flags: ResponseFlags::NONE,
        };
        match &choice.route.action {
            Action::Forward(forward) => self.forward(exchange, &choice, forward, dice),
            Action::Redirect(to) => {
                let location = redirect::location(to, &choice.route.matches.path, &exchange.head);
                let headers: Headers = [("location", location)].into_iter().collect();
                self.reply(&mut exchange, &by_route(to.status, bytes::Bytes::new(), headers), true);
            }
            Action::Direct { status, body } => {
                self.reply(&mut exchange, &by_route(*status, body.clone(), Headers::new()), true);
            }
            // Envoy: such a route has a cluster without a name.
            Action::NonForwarding => {
                let reply = LocalReply::new(503, "", "cluster_not_found").flag(ResponseFlag::NoClusterFound);
                self.reply(&mut exchange, &reply, false);
            }
        }
    }

    /// Answers the client. `by_route`: the route's response changes apply.
    pub(crate) fn reply(&mut self, exchange: &mut Exchange<'_>, reply: &LocalReply, by_route: bool) {
        self.note(reply);
        let (mut head, body) = reply.compose(&exchange.head);
        if by_route {
            exchange.change_response(&mut head);
        }
        exchange.through_response(&mut head, body.is_empty(), true);
        self.respond(head.status, head.headers, body);
    }
}

impl Exchange<'_> {
    /// The route's response changes.
    pub(crate) fn change_response(&self, head: &mut ResponseHead) {
        if let (Some(routes), Some(choice)) = (&self.routes, &self.choice) {
            let value =
                |now: &ResponseHead, template: &_| values::of_response(template, &self.head, now, choice);
            apply_response(head, routes, choice, &value);
        }
    }

    /// The filters in reverse, and what the connection manager sets on every response.
    pub(crate) fn through_response(&mut self, head: &mut ResponseHead, end: bool, local: bool) {
        for index in (0..self.chain.len()).rev() {
            if let Flow::Reply(reply) = self.chain.response(index, head, end, &mut self.cx) {
                *head = reply.compose(&self.head).0;
            }
        }
        let manager = self.manager;
        strip_hop_by_hop(&mut head.headers, head.status == 101);
        let own = match manager.server_header {
            ServerHeader::Overwrite => true,
            ServerHeader::AppendIfAbsent => !head.headers.contains("server"),
            ServerHeader::PassThrough => local,
        };
        if own {
            head.headers.set("server", manager.server_name.as_bytes());
        }
        if manager.request_id_in_response
            && let Some(id) = self.head.headers.get("x-request-id")
        {
            head.headers.set("x-request-id", id);
        }
        if !manager.via.is_empty() {
            head.headers.append("via", manager.via.as_bytes());
        }
    }
}

fn chain(exchange: &Exchange<'_>) -> Chain {
    let open = OpenFilters::default();
    let filters = &exchange.manager.filters;
    let (Some(choice), Some(routes)) = (&exchange.choice, &exchange.routes) else {
        return Chain::build(filters, &[], &open);
    };
    let weighted = choice.weighted_cluster().map(|w| &w.per_filter[..]);
    let levels =
        weft_filter::chain::levels(weighted, &choice.route.per_filter, &choice.host.per_filter, routes);
    Chain::build(filters, &levels, &open)
}

/// Whether the request asks for an upgrade or a tunnel that nobody allows; the route has the last word.
fn asks_in_vain(head: &RequestHead, manager: &HttpManager, choice: Option<&RouteChoice>) -> bool {
    let token = if head.method == Method::Connect {
        "connect"
    } else if forwarded::is_upgrade(&head.headers) {
        head.headers.get_str("upgrade").unwrap_or_default().trim()
    } else {
        return false;
    };
    let by_route = choice
        .and_then(RouteChoice::forward)
        .and_then(|f| f.upgrades.iter().find(|u| u.token.eq_ignore_ascii_case(token)))
        .map(|u| u.enabled);
    let by_manager = manager.upgrades.iter().find(|u| u.token.eq_ignore_ascii_case(token)).map(|u| u.enabled);
    !by_route.or(by_manager).unwrap_or(false)
}

fn refused(refusal: &Refusal) -> LocalReply {
    let mut reply = LocalReply::new(refusal.status, refusal.body, refusal.word);
    if let Some(location) = &refusal.location {
        reply.headers.append("location", location);
    }
    if refusal.close {
        reply.headers.append("connection", "close");
    }
    refusal.flag.into_iter().fold(reply, LocalReply::flag)
}
