//! Forwarding: the cluster, the host, and what the request becomes on the way.

use weft_balance::PickContext;
use weft_balance::retry::consume_headers;
use weft_filter::LocalReply;
use weft_route::decide::RouteChoice;
use weft_route::headers::apply_request;
use weft_route::rewrite;
use weft_route::timeout::{announce, timeouts_respecting};
use weft_tables::address::SocketAddress;
use weft_tables::cluster::{Discovery, Metadata};
use weft_tables::route::{Forward, HostRewrite, InternalRedirects, Mirror};
use weft_types::{Detail, Name, Random, RequestHead, ResponseFlag, ResponseHead};

use crate::connection::Connection;
use crate::http::Exchange;
use crate::{Outcome, values};

/// A host that was chosen.
pub(crate) struct Chosen {
    pub(crate) address: SocketAddress,
    hostname: Box<str>,
}

impl Connection<'_> {
    pub(crate) fn forward(
        &mut self,
        mut exchange: Exchange<'_>,
        choice: &RouteChoice,
        forward: &Forward,
        dice: &mut impl Random,
    ) {
        let known = |name: &&Name| self.simulator.tables.clusters.contains_key(*name);
        let Some(cluster) = choice.cluster.as_ref().filter(known).cloned() else {
            let mut reply = LocalReply::new(forward.cluster_not_found, "", "cluster_not_found")
                .flag(ResponseFlag::NoClusterFound);
            reply.detail = Detail::word("cluster_not_found").with_object(choice.route.provenance.clone());
            return self.reply(&mut exchange, &reply, false);
        };
        prepare(&mut exchange, choice, forward);
        let hash = weft_balance::hash::request(
            &forward.hash_policies,
            &exchange.head,
            exchange.cx.remote,
            self.local,
        );
        let subset = subset(choice, forward);
        let mirrors = mirrors(&exchange, choice, forward, dice);
        let context = PickContext { hash: hash.hash, subset: subset.as_ref(), ..PickContext::new(self.now) };
        let Some(host) = self.pick(&cluster, &context, dice) else {
            let mut reply = LocalReply::new(503, "no healthy upstream", "no_healthy_upstream")
                .flag(ResponseFlag::NoHealthyUpstream);
            let provenance = self.simulator.tables.clusters.get(&cluster).and_then(|c| c.provenance.clone());
            reply.detail.object = provenance;
            return self.reply(&mut exchange, &reply, false);
        };
        if matches!(forward.host_rewrite, Some(HostRewrite::Endpoint)) && !host.hostname.is_empty() {
            rewrite::set_host(&mut exchange.head, &host.hostname, forward.append_x_forwarded_host);
        }
        let mut answer = self.call.answer.clone();
        if forward
            .internal_redirects
            .as_ref()
            .is_some_and(|policy| may_follow(policy, &exchange.head, &answer))
        {
            self.verdict.unfinished = Some("the proxy may follow the redirect itself");
        }
        if choice.host.attempt_count_in_response {
            answer.headers.set("x-envoy-attempt-count", "1");
        }
        for cookie in hash.set_cookies {
            answer.headers.append("set-cookie", cookie);
        }
        exchange.change_response(&mut answer);
        exchange.through_response(&mut answer, true, false);
        self.verdict.detail = Some(Detail::word("via_upstream"));
        self.verdict.outcome = Outcome::Forwarded {
            cluster,
            host: host.address,
            head: Some(Box::new(exchange.head)),
            mirrors,
            answer: Some(Box::new(answer)),
        };
    }

    /// The host of a cluster that balancing chooses.
    pub(crate) fn pick(
        &mut self,
        name: &Name,
        context: &PickContext<'_>,
        dice: &mut impl Random,
    ) -> Option<Chosen> {
        let cluster = self.simulator.tables.clusters.get(name)?.clone();
        if let Discovery::OriginalDst { .. } = &cluster.discovery {
            return self.local.map(|a| Chosen { address: SocketAddress::Ip(a), hostname: "".into() });
        }
        let host = self.simulator.clusters.pick(&cluster, context, dice)?;
        let endpoint = &host.endpoint;
        Some(Chosen { address: endpoint.address.clone(), hostname: endpoint.hostname.clone() })
    }
}

/// Header changes and rewrites, once for all attempts.
fn prepare(exchange: &mut Exchange<'_>, choice: &RouteChoice, forward: &Forward) {
    let router = &exchange.manager.router;
    let policy = forward.retry.clone().or_else(|| choice.host.retry.clone());
    let manager_limit = exchange.manager.max_stream_duration;
    let head = &mut exchange.head;
    let limits =
        timeouts_respecting(forward, policy.as_deref(), manager_limit, head, router.respect_expected_timeout);
    consume_headers(&mut head.headers);
    announce(head, &limits, router.suppress_envoy_headers);
    if choice.host.attempt_count_in_request {
        head.headers.set("x-envoy-attempt-count", "1");
    }
    if let Some(routes) = exchange.routes.as_deref() {
        apply_request(head, routes, choice, &|now, template| values::of_request(template, now, choice));
    }
    rewrite::restore_port(head, exchange.canonical.connect_port);
    let suppress = router.suppress_envoy_headers;
    rewrite::apply(head, &choice.route, forward, choice.weighted_cluster(), suppress);
}

/// Whether an answer is a redirect that the proxy looks into (`internal_redirect_policy`).
fn may_follow(policy: &InternalRedirects, head: &RequestHead, answer: &ResponseHead) -> bool {
    let location = answer.headers.get_str("location").and_then(|text| text.split_once("://"));
    policy.statuses.contains(&answer.status)
        && location
            .is_some_and(|(scheme, _)| policy.cross_scheme || scheme.eq_ignore_ascii_case(&head.scheme))
}

/// The endpoint subset that the decision wants.
fn subset(choice: &RouteChoice, forward: &Forward) -> Option<Metadata> {
    let mut wanted = forward.subset.clone();
    if let Some(weighted) = choice.weighted_cluster() {
        wanted.extend(weighted.subset.iter().map(|(k, v)| (k.clone(), v.clone())));
    }
    (!wanted.is_empty()).then_some(wanted)
}

/// Clusters that get a copy: by the route's policies, else the host's, else the configuration's.
fn mirrors(
    exchange: &Exchange<'_>,
    choice: &RouteChoice,
    forward: &Forward,
    dice: &mut impl Random,
) -> Vec<Name> {
    let all = exchange.routes.as_ref().map(|routes| &routes.mirrors);
    let levels = [Some(&forward.mirrors), Some(&choice.host.mirrors), all];
    let Some(policies) = levels.into_iter().flatten().find(|policies| !policies.is_empty()) else {
        return Vec::new();
    };
    let drawn = policies.iter().filter(|policy| policy.fraction.includes(dice.next_u64()));
    drawn.filter_map(|policy| target(policy, &exchange.head)).collect()
}

fn target(policy: &Mirror, head: &RequestHead) -> Option<Name> {
    match &policy.header {
        Some(header) => head.headers.get_str(&**header).map(Into::into),
        None => Some(policy.cluster.clone()),
    }
}
