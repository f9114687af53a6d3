//! One request from its head to its last byte: the request path, read downward.
//!
//! canonical form → route → filters → act (redirect, answer, forward) → respond → report

use std::cell::Cell;
use std::future::Future;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::{Instant, sleep};
use weft_codec::http2::BROKEN;
use weft_codec::{CodecError, ResetReason};
use weft_filter::context::CountScope;
use weft_filter::peers::Peers;
use weft_filter::{Chain, Context, Flow, LocalReply};
use weft_http::clock;
use weft_http::{ConnError, SendReply, StreamError};
use weft_route::canonical::{Canonical, Refusal, canonicalize};
use weft_route::decide::{Decision, RouteChoice};
use weft_route::{forwarded, redirect};
use weft_tables::cluster::Cluster;
use weft_tables::filter::{HttpFilter, HttpFilterConfig};
use weft_tables::hcm::RouteSource;
use weft_tables::route::{Action, RouteConfig};
use weft_types::{Detail, Headers, ResponseFlag, ResponseFlags, ResponseHead, Version};

use super::body::{BodyStop, RequestBody};
use super::connection::HttpConn;
use super::deadline::{Deadlines, Expired};
use super::filters::FilterRun;
use super::internal_redirect::Followed;
use super::record::Record;
use super::upgrade::{self, Upgrade};
use crate::upstream::cluster::ClusterRuntime;

/// Why the request path ended early.
#[derive(Debug)]
pub(crate) enum Stop {
    /// The proxy answers itself.
    Reply(Box<LocalReply>),
    /// The client is gone: nobody to answer.
    Gone(StreamError),
}

impl From<BodyStop> for Stop {
    fn from(stop: BodyStop) -> Self {
        match stop {
            BodyStop::Downstream(error) => Self::Gone(error),
            BodyStop::Reply(reply) => Self::Reply(reply),
        }
    }
}

/// A request on its way: the client's side of it, and its body on the way up.
#[derive(Debug)]
pub(crate) struct Passage {
    pub(crate) down: Downstream,
    pub(crate) body: RequestBody,
}

/// The client's side of an exchange. It is reported once, when it is dropped.
#[derive(Debug)]
pub(crate) struct Downstream {
    pub(crate) conn: Rc<HttpConn>,
    pub(crate) record: Record,
    pub(crate) filters: Rc<FilterRun>,
    pub(crate) reply: SendReply,
    pub(crate) routes: Option<Arc<RouteConfig>>,
    pub(crate) choice: Option<RouteChoice>,
    /// What its canonical form left out.
    pub(crate) canonical: Canonical,
    pub(crate) upgrade: Option<Upgrade>,
    pub(crate) deadlines: Rc<Deadlines>,
    /// The answer came before the request's end was wanted: an HTTP/1 connection cannot go on.
    pub(crate) cut_short: bool,
    /// Cluster that it went to.
    pub(crate) cluster: Option<Rc<ClusterRuntime>>,
    /// Body bytes received so far.
    pub(crate) received: Rc<Cell<u64>>,
    /// When the response's clock began: the whole request was there and its first try began.
    pub(crate) clock: Option<Instant>,
    /// Cookies to make on the way back, for balancing by cookie.
    pub(crate) set_cookies: Vec<String>,
    /// A final response head went to the client.
    pub(crate) responded: bool,
    /// The client wants 204 where time runs out (`x-envoy-upstream-rq-timeout-alt-response`).
    pub(crate) quiet_timeout: bool,
    /// The upstream sent a redirect that is followed here.
    pub(crate) redirected: Option<Followed>,
    /// How many were followed so far.
    pub(crate) redirects: u32,
    /// Whether the client asked for something that the pipeline must remember, one draw for all.
    pub(crate) dice: u64,
}

/// Serves one request.
pub(crate) async fn serve(exchange: weft_http::Exchange, conn: Rc<HttpConn>, end: bool) {
    let mut passage = Passage::begin(exchange, conn, end);
    let outcome = passage.run().await;
    match outcome {
        Ok(()) => {}
        Err(Stop::Reply(reply)) => Box::pin(passage.down.answer(*reply, false)).await,
        Err(Stop::Gone(error)) => passage.down.gone(&error),
    }
}

impl Passage {
    fn begin(exchange: weft_http::Exchange, conn: Rc<HttpConn>, end: bool) -> Self {
        let weft_http::Exchange { head, body, reply } = exchange;
        let now = clock::now();
        let worker = &conn.worker;
        conn.stats.request_began(head.version);
        let record = Record::new(head, clock::wall(), now);
        let deadlines = Deadlines::new(now, &worker.timers);
        let manager = &conn.manager;
        deadlines.set_idle(manager.stream_idle_timeout);
        deadlines.set(Expired::MaxDuration, manager.max_stream_duration.map(|d| now + d));
        let dice = worker.draw();
        let limit = conn.buffer_limit;
        let mut down = Downstream {
            record,
            filters: conn.unfiltered.clone(),
            reply,
            routes: None,
            choice: None,
            canonical: Canonical::default(),
            upgrade: None,
            deadlines: Rc::new(deadlines),
            cut_short: false,
            cluster: None,
            received: Rc::default(),
            clock: None,
            set_cookies: Vec::new(),
            responded: false,
            quiet_timeout: false,
            redirected: None,
            redirects: 0,
            dice,
            conn,
        };
        let upgrading = upgrade::asked(&down.record.request).is_some();
        if end && !upgrading {
            down.record.times.request_complete = Some(now);
        } else if let Some(limit) = down.conn.manager.request_timeout {
            down.deadlines.set(Expired::Request, Some(now + limit));
        }
        let body = RequestBody::new(body, end, limit);
        down.received = body.received();
        Self { body, down }
    }

    async fn run(&mut self) -> Result<(), Stop> {
        self.down.admit()?;
        self.down.expect_continue().await?;
        loop {
            self.through_filters().await?;
            self.act().await?;
            let Some(followed) = self.down.redirected.take() else { return Ok(()) };
            self.begin_again(followed)?;
        }
    }

    async fn through_filters(&mut self) -> Result<(), Stop> {
        let Self { down, body } = self;
        for index in 0..down.filters.len() {
            loop {
                let mut dice = down.conn.worker.dice();
                let mut flow =
                    down.filters.request(index, &mut down.record.request, body.is_empty(), &mut dice);
                if let Flow::Wait(outcome) = flow {
                    flow = down.guarded(outcome).await?;
                }
                down.take_notes();
                match flow {
                    Flow::Continue | Flow::Wait(_) => break,
                    Flow::Reply(reply) => return Err(Stop::Reply(reply)),
                    // The filter is asked again after the time it wanted.
                    Flow::Delay(time) => down.guarded(sleep(time)).await?,
                    Flow::Buffer(limit) => {
                        let buffered = down.guarded(Box::pin(body.buffer(limit, &down.filters))).await?;
                        down.cut_short = buffered.is_err();
                        buffered?;
                        if let Some(length) = body.whole_length()
                            && !down.record.request.headers.contains("content-length")
                        {
                            down.record.request.headers.set("content-length", length.to_string());
                        }
                        break;
                    }
                }
            }
        }
        Ok(())
    }

    async fn act(&mut self) -> Result<(), Stop> {
        let Some(choice) = self.down.choice.clone() else {
            self.down.conn.stats.inc(|s| s.no_route);
            let reply = LocalReply::new(404, "", "route_not_found").flag(ResponseFlag::NoRouteFound);
            return Err(Stop::Reply(Box::new(reply)));
        };
        let object = || choice.route.provenance.clone();
        match &choice.route.action {
            Action::Forward(forward) => self.forward(&choice, forward).await,
            Action::Redirect(to) => {
                let location = redirect::location(to, &choice.route.matches.path, &self.down.record.request);
                Box::pin(self.down.direct(to.status, Bytes::new(), Some(location), object())).await;
                Ok(())
            }
            Action::Direct { status, body } => {
                Box::pin(self.down.direct(*status, body.clone(), None, object())).await;
                Ok(())
            }
            // Envoy: such a route has a cluster without a name.
            Action::NonForwarding => {
                let reply = LocalReply::new(503, "", "cluster_not_found").flag(ResponseFlag::NoClusterFound);
                Err(Stop::Reply(Box::new(reply)))
            }
        }
    }
}

impl Downstream {
    /// Canonical form, route, upgrade: what is decided by the head alone.
    fn admit(&mut self) -> Result<(), Stop> {
        let conn = self.conn.clone();
        let manager = &conn.manager;
        let head = &mut *self.record.request;
        let asked = upgrade::asked(head);
        if asked.is_none() {
            head.headers.remove("upgrade");
            head.headers.remove("http2-settings");
        }
        self.canonical =
            canonicalize(head, manager, conn.facts.local.map(|a| a.port())).map_err(|refusal| {
                let kept = refusal.status == 400 && manager.options.http1_stream_error_on_invalid;
                if refusal.close && !kept {
                    conn.close_after_response();
                }
                refused(refusal)
            })?;
        self.routes = match &manager.routes {
            RouteSource::Inline(routes) => Some(routes.clone()),
            RouteSource::Named(name) => conn.worker.tables().routes.get(name).cloned(),
        };
        let mut dice = conn.worker.dice();
        let client = forwarded::receive(head, manager, self.routes.as_deref(), conn.hop(), &mut dice);
        conn.client_certificate(head);
        self.record.client = client.map(|ip| conn.client_address(ip));
        self.choose_route()?;
        self.deadlines.set_idle(self.idle_timeout());
        let head = &mut *self.record.request;
        if let Some(asked) = asked {
            self.upgrade = Some(asked.clone());
            let allowed = upgrade::allowed(&asked, manager, self.choice.as_ref());
            // A CONNECT that no route takes is answered as such.
            if !allowed && self.choice.is_some() {
                return Err(Stop::Reply(Box::new(LocalReply::new(403, "", "upgrade_failed"))));
            }
            upgrade::normalize(&asked, head);
        }
        self.build_filters();
        Ok(())
    }

    /// Decides what the request as it is now goes to.
    pub(crate) fn choose_route(&mut self) -> Result<(), Stop> {
        self.choice = None;
        match self.decide(&self.record.request) {
            Decision::NoRoute => {}
            Decision::RequireTls(_) => {
                let mut reply = LocalReply::new(301, "", "direct_response");
                reply.headers.append("location", redirect::https_location(&self.record.request));
                return Err(Stop::Reply(Box::new(reply)));
            }
            Decision::Route(choice) => {
                self.record.route = Some(choice.route.name.clone()).filter(|n| !n.is_empty());
                self.record.virtual_host = Some(choice.host.name.clone());
                self.record.upstream.cluster = choice.cluster.clone();
                self.choice = Some(choice);
            }
        }
        Ok(())
    }

    /// The time without activity that the route allows, else the connection manager.
    pub(crate) fn idle_timeout(&self) -> Option<Duration> {
        let route = self.choice.as_ref().and_then(RouteChoice::forward).and_then(|f| f.idle_timeout);
        route.map_or(self.conn.manager.stream_idle_timeout, |idle| Some(idle).filter(|d| !d.is_zero()))
    }

    /// Tells a client that waits for it to go on, unless the upstream is to tell it.
    async fn expect_continue(&mut self) -> Result<(), Stop> {
        let head = &mut self.record.request;
        // Two of them are another expectation, as in Envoy.
        let expects = head.headers.get_joined(b"expect");
        let waits = expects.is_some_and(|expects| expects.eq_ignore_ascii_case(b"100-continue"));
        if !waits || self.conn.manager.proxy_100_continue {
            return Ok(());
        }
        head.headers.remove("expect");
        self.reply.head(&ResponseHead::new(100), false).await.map_err(Stop::Gone)
    }

    pub(crate) fn build_filters(&mut self) {
        let conn = &self.conn;
        let state = &conn.connection.state;
        if conn.manager.filters.is_empty() && state.is_empty() {
            return;
        }
        let chain = match (&self.choice, &self.routes) {
            (Some(choice), Some(routes)) => {
                let weighted = choice.weighted_cluster().map(|w| &w.per_filter[..]);
                let levels = weft_filter::chain::levels(
                    weighted,
                    &choice.route.per_filter,
                    &choice.host.per_filter,
                    routes,
                );
                Chain::build(&conn.manager.filters, &levels, conn.worker.open_filters())
            }
            _ => Chain::build(&conn.manager.filters, &[], conn.worker.open_filters()),
        };
        let cx = Context {
            remote: self.record.client,
            cluster_name: self.record.upstream.cluster.clone(),
            state: state.clone(),
            cluster: self.cluster_for_filters(),
            peers: Peers { memory: conn.worker.istio.peers.clone(), ..Peers::default() },
            ..Context::new(conn.facts.clone(), conn.worker.filter_shared())
        };
        self.filters = Rc::new(FilterRun::new(chain, cx));
    }

    /// The route's cluster, where a filter of the chain looks at it.
    fn cluster_for_filters(&self) -> Option<Arc<Cluster>> {
        let looks = |filter: &HttpFilter| {
            matches!(filter.config, HttpFilterConfig::PeerMetadata(_) | HttpFilterConfig::Alpn(_))
        };
        let name = self.record.upstream.cluster.as_ref()?;
        let wanted = self.conn.manager.filters.iter().any(looks);
        if wanted { self.conn.worker.tables().clusters.get(name).cloned() } else { None }
    }

    /// What filters noted for the record and the counters.
    pub(crate) fn take_notes(&mut self) {
        let record = &mut self.record;
        let stats = &self.conn.stats;
        let cluster = &self.cluster;
        self.filters.context(|cx| {
            for flag in cx.flags.iter() {
                record.flag(flag);
            }
            for (name, by) in cx.counts.drain(..) {
                stats.filter_count(name, by);
            }
            for (scope, name, by) in cx.named_counts.drain(..) {
                match scope {
                    CountScope::Manager => stats.filter_count(&name, by),
                    CountScope::Process => stats.process_count(&name, by),
                }
            }
            for (name, by) in cx.cluster_counts.drain(..) {
                if let Some(cluster) = cluster {
                    cluster.stats.filter_count(name, by);
                }
            }
        });
    }

    /// A response that the route itself gives.
    async fn direct(
        &mut self,
        status: u16,
        body: Bytes,
        location: Option<String>,
        object: Option<Arc<weft_types::Provenance>>,
    ) {
        self.conn.stats.inc(|s| if location.is_some() { s.rq_redirect } else { s.rq_direct_response });
        let mut headers = Headers::new();
        if let Some(location) = location {
            headers.append("location", location);
        }
        let detail = Detail::word("direct_response").with_object(object);
        let reply =
            LocalReply { status, body, headers, grpc_status: None, detail, flags: ResponseFlags::NONE };
        self.answer(reply, true).await;
    }

    /// The client went away before its answer was complete.
    pub(crate) fn gone(&mut self, error: &StreamError) {
        let (flag, word) = match (&error.connection, error.reason) {
            (_, ResetReason::Malformed(word)) => (ResponseFlag::DownstreamProtocolError, word),
            (Some(ConnError::Codec(codec)), _) => {
                self.answered_by_codec(codec);
                let http2 = self.conn.version() >= Version::Http2;
                (ResponseFlag::DownstreamProtocolError, if http2 { BROKEN } else { codec.word })
            }
            (None, ResetReason::Protocol) => (ResponseFlag::DownstreamProtocolError, "http2.remote_reset"),
            (_, ResetReason::Unwelcome(word)) => (ResponseFlag::DownstreamRemoteReset, word),
            (None, ResetReason::Remote(_) | ResetReason::Refused) => {
                (ResponseFlag::DownstreamRemoteReset, "http2.remote_reset")
            }
            _ => (ResponseFlag::DownstreamConnectionTermination, "downstream_remote_disconnect"),
        };
        self.record.flag(flag);
        self.record.detail = Some(Detail::word(word));
        self.conn.stats.inc(|s| s.downstream_rq_rx_reset);
    }

    /// The codec answered a message that broke off in a breach of the protocol.
    fn answered_by_codec(&mut self, error: &CodecError) {
        if let (Some(status), false) = (error.status, self.responded) {
            self.responded = true;
            self.conn.stats.responded(status);
            self.record.response = Some(ResponseHead::new(status));
            self.record.bytes_sent = error.reply_body().len() as u64;
        }
    }

    /// Waits for something while the client may go away and time may run out.
    pub(crate) async fn guarded<T>(&self, wait: impl Future<Output = T>) -> Result<T, Stop> {
        tokio::select! {
            biased;
            outcome = wait => Ok(outcome),
            error = self.reply.closed() => Err(Stop::Gone(error)),
            which = self.deadlines.expired() => {
                let complete = self.record.times.request_complete.is_some();
                Err(Stop::Reply(Box::new(expired(which, complete))))
            }
        }
    }
}

/// The answer when time ran out; `complete` says whether the whole request had arrived.
pub(crate) fn expired(which: Expired, complete: bool) -> LocalReply {
    let status = if complete { 504 } else { 408 };
    match which {
        Expired::Global => super::failure::timeout("response_timeout"),
        Expired::PerTry => super::failure::timeout("upstream_per_try_timeout"),
        Expired::PerTryIdle => super::failure::timeout("upstream_per_try_idle_timeout"),
        Expired::Idle => LocalReply::new(status, "stream timeout", "stream_idle_timeout")
            .flag(ResponseFlag::StreamIdleTimeout),
        Expired::MaxStream | Expired::MaxDuration => {
            let mut reply = LocalReply::new(status, "downstream duration timeout", "max_duration_timeout");
            reply.grpc_status = Some(4);
            reply
        }
        Expired::UpstreamMax => super::failure::max_stream_duration(status),
        Expired::Request => LocalReply::new(408, "request timeout", "request_overall_timeout"),
    }
}

fn refused(refusal: Refusal) -> Stop {
    let Refusal { status, word, location, body, flag, close: _ } = refusal;
    let mut reply = LocalReply::new(status, body, word);
    if let Some(location) = location {
        reply.headers.append("location", location);
    }
    Stop::Reply(Box::new(flag.into_iter().fold(reply, LocalReply::flag)))
}
