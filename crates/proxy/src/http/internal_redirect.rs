//! Redirects that the proxy follows itself (`internal_redirect_policy`): the request begins anew with
//! another target, and the client does not see it.

use std::rc::Rc;

use weft_http::clock;
use weft_route::RequestFacts;
use weft_route::canonical::canonicalize;
use weft_route::decide::{Decision, decide};
use weft_tables::route::InternalRedirects;
use weft_types::{Detail, Method, RequestHead, ResponseFlags, ResponseHead};

use super::deadline::{Deadlines, Expired};
use super::exchange::{Downstream, Passage, Stop};
use super::record::{Times, Upstream};
use crate::upstream::cluster::ClusterRuntime;

/// A redirect that is to be followed.
#[derive(Debug)]
pub(crate) struct Followed {
    request: Box<RequestHead>,
    response: Box<ResponseHead>,
}

impl Downstream {
    /// The request that a redirect leads to, if policy says that it is followed here. `whole`: the
    /// request has arrived and can be sent again.
    pub(crate) fn follow(
        &mut self,
        response: &ResponseHead,
        cluster: &ClusterRuntime,
        whole: bool,
    ) -> Option<Followed> {
        let policy = self.choice.as_ref()?.forward()?.internal_redirects.clone()?;
        if !policy.statuses.contains(&response.status) || self.upgrade.is_some() {
            return None;
        }
        let target = whole.then(|| self.target(&policy, response)).flatten();
        cluster.stats.inc(|s| match target {
            Some(_) => s.upstream_internal_redirect_succeeded_total,
            None => s.upstream_internal_redirect_failed_total,
        });
        Some(Followed { request: target?, response: Box::new(response.clone()) })
    }

    fn target(&mut self, policy: &InternalRedirects, response: &ResponseHead) -> Option<Box<RequestHead>> {
        let (scheme, authority, path) = absolute(response.headers.get_str("location")?)?;
        let now = &self.record.request;
        if self.redirects >= policy.max || (!policy.cross_scheme && !scheme.eq_ignore_ascii_case(&now.scheme))
        {
            return None;
        }
        let mut head = now.clone();
        let before = format!("{}://{}{}", now.scheme, now.authority, now.path);
        head.scheme = scheme.to_ascii_lowercase().into();
        head.authority = authority.into();
        head.path = path.into();
        // What the upstream says is a new request, and is looked at like one.
        let port = self.conn.facts.local.map(|a| a.port());
        canonicalize(&mut head, &self.conn.manager, port).ok()?;
        if matches!(self.decide(&head), Decision::NoRoute) {
            // Envoy looks no further: the log then knows of no route at all.
            self.record.route = None;
            self.record.upstream.cluster = None;
            return None;
        }
        if response.status == 303 && !matches!(head.method, Method::Get | Method::Head) {
            head.method = Method::Get;
            head.headers.remove("content-length");
        }
        head.headers.set("x-envoy-original-url", before);
        Some(head)
    }

    /// What the routes say of a request.
    pub(crate) fn decide(&self, head: &RequestHead) -> Decision {
        let facts = RequestFacts {
            tls: self.conn.facts.tls,
            certificate_presented: self.conn.certificate_presented,
            certificate_validated: self.conn.facts.peer_verified,
            dice: self.dice,
        };
        self.routes.as_deref().map_or(Decision::NoRoute, |routes| decide(routes, head, &facts))
    }
}

impl Passage {
    /// Begins anew with what a redirect asks for.
    ///
    /// # Errors
    /// The route of the new target answers without the filters.
    pub(crate) fn begin_again(&mut self, followed: Followed) -> Result<(), Stop> {
        let Followed { request, response } = followed;
        let Self { body, down } = self;
        let bodiless = request.method != down.record.request.method;
        down.record.request = request;
        down.record.detail = Some(Detail::word("internal_redirect"));
        down.record.response = Some(*response);
        let outcome = down.choose_route();
        down.log();
        if bodiless {
            body.discard();
        }
        body.begin_again();
        let now = clock::now();
        let complete = down.record.times.request_complete.map(|_| now);
        let record = &mut down.record;
        (record.began, record.start) = (clock::wall(), now);
        record.times = Times { request_complete: complete, ..Times::default() };
        let cluster = record.upstream.cluster.take();
        record.upstream = Upstream { cluster, ..Upstream::default() };
        (record.response, record.trailers, record.detail) = (None, None, None);
        record.flags = ResponseFlags::NONE;
        record.bytes_sent = 0;
        let deadlines = Deadlines::new(now, &down.conn.worker.timers);
        deadlines.set_idle(down.idle_timeout());
        deadlines.set(Expired::MaxDuration, down.conn.manager.max_stream_duration.map(|limit| now + limit));
        down.deadlines = Rc::new(deadlines);
        down.clock = None;
        down.cluster = None;
        down.redirects += 1;
        outcome?;
        down.build_filters();
        Ok(())
    }
}

/// Scheme, authority and path of an absolute location, its fragment left out.
fn absolute(location: &str) -> Option<(&str, &str, String)> {
    let (scheme, rest) = location.split_once("://")?;
    if !scheme.eq_ignore_ascii_case("http") && !scheme.eq_ignore_ascii_case("https") {
        return None;
    }
    let rest = rest.split('#').next().unwrap_or_default();
    let (authority, path) = match rest.find(['/', '?']) {
        Some(at) => rest.split_at(at),
        None => (rest, ""),
    };
    if authority.is_empty() {
        return None;
    }
    let path = if path.starts_with('/') { path.to_owned() } else { format!("/{path}") };
    Some((scheme, authority, path))
}

#[cfg(test)]
mod tests {
    use super::absolute;

    #[test]
    fn only_absolute_locations_lead_anywhere() {
        assert_eq!(absolute("http://a.test/b?c#d"), Some(("http", "a.test", "/b?c".to_owned())));
        assert_eq!(absolute("HTTPS://a.test"), Some(("HTTPS", "a.test", "/".to_owned())));
        assert_eq!(absolute("http://a.test?x"), Some(("http", "a.test", "/?x".to_owned())));
        for not in ["/b", "a.test/b", "ftp://a.test/", "http:///b", ""] {
            assert_eq!(absolute(not), None, "{not}");
        }
    }
}
