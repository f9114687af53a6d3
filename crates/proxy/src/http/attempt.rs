//! One attempt at one host: connect, send, wait for a head, and, unless it is tried again, pump the
//! response to the client.

use std::cell::Cell;
use std::future::Future;
use std::pin::Pin;
use std::rc::Rc;
use std::time::Duration;

use weft_balance::host_set::HostHandle;
use weft_balance::outlier::Outcome;
use weft_balance::retry::RetryState;
use weft_http::clock;
use weft_http::{RecvResponse, SendBody, StreamError};
use weft_route::timeout::Timeouts;
use weft_state::Priority;
use weft_tables::cluster::Cluster;
use weft_types::{Detail, RequestHead, ResponseFlag, ResponseHead, Version};

use super::body::{BodyStop, Piece, RequestBody};
use super::deadline::{Deadlines, Expired};
use super::exchange::{Downstream, Passage, Stop, expired};
use super::failure::Failure;
use super::filters::FilterRun;
use super::forward::{Finished, judge};
use super::upgrade::{self, Upgrade};
use crate::upstream::chosen::Chosen;
use crate::upstream::cluster::ClusterRuntime;
use crate::upstream::lease::{Asked, Lease};

/// What is the same for all attempts of an exchange.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) cluster: Rc<ClusterRuntime>,
    pub(crate) limits: Timeouts,
    pub(crate) priority: Priority,
    pub(crate) hash: Option<u64>,
    pub(crate) subset: Option<weft_tables::cluster::Metadata>,
    /// The authority becomes the endpoint's host name.
    pub(crate) auto_host: bool,
    pub(crate) keep_old_host: bool,
    pub(crate) attempt_in_request: bool,
    pub(crate) attempt_in_response: bool,
    /// CONNECT ends here.
    pub(crate) terminate_connect: bool,
}

/// How an attempt ended.
#[derive(Debug)]
pub(crate) enum AttemptEnd {
    /// The client has its response, as far as it can have it.
    Done,
    /// Try again after that time.
    Retry(Duration),
    /// It failed before a response, and that was the last attempt.
    Failed(Failure),
}

/// How sending the request up ended.
enum Uploaded {
    All,
    /// The upstream takes no more; the response's half tells why.
    Upstream,
    Stop(Stop),
}

type Upload<'a> = Option<Pin<Box<dyn Future<Output = Uploaded> + 'a>>>;

impl Passage {
    /// One attempt.
    pub(crate) async fn attempt(
        &mut self,
        plan: &Plan,
        host: &HostHandle,
        retry: Option<&mut RetryState>,
    ) -> Result<AttemptEnd, Stop> {
        let down = &mut self.down;
        if plan.auto_host && !host.endpoint.hostname.is_empty() {
            weft_route::rewrite::set_host(
                &mut down.record.request,
                &host.endpoint.hostname,
                plan.keep_old_host,
            );
        }
        if plan.terminate_connect {
            // In boxes, here and below: what is rare has no room in every exchange's future.
            return Box::pin(self.terminate_connect(plan, host)).await;
        }
        let complete = self.body.is_complete() && down.upgrade.is_none();
        if complete {
            down.start_response_clock(plan);
        }
        let mut lease = match down.connect(plan, host, complete).await? {
            Ok(lease) => lease,
            Err(failure) => {
                if failure != Failure::Overflow {
                    down.record.upstream.host = Some(host.endpoint.address.clone());
                    down.record.upstream.endpoint = Some(host.clone());
                    down.record.upstream.peer = None;
                }
                return Ok(self.failed(plan, host, failure, retry));
            }
        };
        down.record.upstream.host = Some(host.endpoint.address.clone());
        down.record.upstream.endpoint = Some(host.clone());
        down.record.upstream.peer = lease.peer();
        down.record.upstream.local = lease.local();
        down.record.upstream.version = Some(lease.version());
        let mut changed;
        let head = match &down.upgrade {
            None => &down.record.request,
            Some(asked) => {
                changed = down.record.request.clone();
                upgrade::for_upstream(asked, &mut changed, lease.version());
                &changed
            }
        };
        // An HTTP/1 upgrade request is a whole message; what follows the agreement is no body.
        let end = match &down.upgrade {
            Some(Upgrade::To(_)) => lease.version() < Version::Http2,
            Some(Upgrade::Connect) => false,
            None => self.body.is_empty(),
        };
        match lease.send(head, end).await {
            Ok(halves) => {
                let longest = plan.limits.upstream_stream.or(plan.cluster.config().http.max_stream_duration);
                down.deadlines.set(Expired::UpstreamMax, longest.map(|limit| clock::now() + limit));
                down.record.times.upstream_first_sent = Some(clock::now());
                self.converse(plan, host, retry, lease, halves, end).await
            }
            Err(failure) => Ok(self.failed(plan, host, failure, retry)),
        }
    }

    /// Sends the body, waits for a response's head, and goes on with either a retry or the response.
    async fn converse(
        &mut self,
        plan: &Plan,
        host: &HostHandle,
        retry: Option<&mut RetryState>,
        lease: Lease,
        (mut send, mut receive): (SendBody, RecvResponse),
        ended: bool,
    ) -> Result<AttemptEnd, Stop> {
        let began = clock::now();
        let Self { down, body } = self;
        let (filters, deadlines) = (down.filters.clone(), down.deadlines.clone());
        let complete = Cell::new(body.is_complete() && down.upgrade.is_none());
        let replayable = Cell::new(body.is_replayable());
        let upgrading = down.upgrade.is_some();
        let mut sending: Upload<'_> = if ended || upgrading {
            None
        } else {
            Some(Box::pin(upload(body, &filters, &mut send, &deadlines, &complete, &replayable)))
        };
        let waited = loop {
            tokio::select! {
                biased;
                head = receive.head() => match head {
                    Ok(head) if head.is_interim() => down.interim(&head).await?,
                    Ok(head) => break Ok(head),
                    Err(error) => break Err(Failure::of_stream(&error)),
                },
                end = poll_upload(&mut sending) => {
                    sending = None;
                    match end {
                        Uploaded::All => down.start_response_clock(plan),
                        Uploaded::Upstream => {}
                        Uploaded::Stop(stop) => return Err(stop),
                    }
                }
                error = down.reply.closed() => return Err(Stop::Gone(error)),
                which = deadlines.expired() => match which {
                    Expired::PerTry | Expired::PerTryIdle => break Err(Failure::PerTryTimeout),
                    Expired::UpstreamMax => break Err(Failure::MaxStreamDuration),
                    _ => {
                        if which == Expired::Global {
                            plan.cluster.observe(host, Outcome::Timeout, &mut down.conn.worker.dice());
                        }
                        return Err(Stop::Reply(Box::new(down.ran_out(which, plan, complete.get()))));
                    }
                },
            }
        };
        let mut head = match waited {
            Ok(head) => head,
            Err(failure) => {
                drop(sending);
                return Ok(self.failed(plan, host, failure, retry));
            }
        };
        let now = clock::now();
        down.record.times.upstream_head = Some(now);
        deadlines.touch();
        plan.cluster.responded(host, &head, &mut down.conn.worker.dice());
        if let Some(after) = judge(retry, &Finished::Head(&head), plan, down, replayable.get()) {
            return Ok(AttemptEnd::Retry(after));
        }
        if let Some(followed) = down.follow(&head, &plan.cluster, complete.get() && replayable.get()) {
            down.redirected = Some(followed);
            return Ok(AttemptEnd::Done);
        }
        if let Some(asked) = down.upgrade.clone() {
            upgrade::normalize_response(&asked, &mut head);
            if asked.accepted_by(head.status) {
                drop(sending);
                return Box::pin(self.tunnel(plan, *head, send, receive)).await;
            }
            if matches!(asked, Upgrade::To(_)) && (200..300).contains(&head.status) {
                // Neither agreed nor refused: the head passes on, what follows it can mean nothing.
                drop(sending);
                drop((receive, send));
                down.charge(plan, head.status);
                down.record.detail = Some(Detail::word("websocket_handshake_unsuccessful"));
                down.upstream_head(&mut head, plan, None);
                head.headers.set("content-length", "0");
                down.finish_head(&mut head, false);
                down.send_head(*head, true).await.map_err(Stop::Gone)?;
                return Ok(AttemptEnd::Done);
            }
        }
        deadlines.set(Expired::PerTry, None);
        down.charge(plan, head.status);
        plan.cluster.stats.request_time(now.duration_since(began));
        down.upstream_head(&mut head, plan, complete.get().then(|| now.duration_since(began)));
        let mut incoming = receive.into_body();
        let end = {
            let download = down.respond(*head, &mut incoming);
            tokio::pin!(download);
            loop {
                tokio::select! {
                    biased;
                    end = &mut download => break Ok(end),
                    end = poll_upload(&mut sending) => {
                        sending = None;
                        if let Uploaded::Stop(stop) = end {
                            break Err(stop);
                        }
                        if let (Uploaded::All, Some(limit)) = (&end, plan.limits.global) {
                            deadlines.set(Expired::Global, Some(clock::now() + limit));
                        }
                    }
                    which = deadlines.expired() => {
                        break Err(Stop::Reply(Box::new(expired(which, complete.get()))));
                    }
                }
            }
        };
        drop(sending);
        match end {
            Ok(Ok(())) => {
                down.record.times.upstream_complete.get_or_insert_with(clock::now);
                lease.finished();
                Ok(AttemptEnd::Done)
            }
            Ok(Err(stop)) => {
                down.broken(stop);
                Ok(AttemptEnd::Done)
            }
            Err(stop) => Err(stop),
        }
    }

    /// An attempt that brought no response: count it, tell outlier detection, perhaps try again.
    fn failed(
        &mut self,
        plan: &Plan,
        host: &HostHandle,
        failure: Failure,
        retry: Option<&mut RetryState>,
    ) -> AttemptEnd {
        let down = &mut self.down;
        plan.cluster.failed(host, &failure, &mut down.conn.worker.dice());
        down.record.upstream.transport_failure = failure.transport().map(str::to_owned);
        match judge(retry, &Finished::Failed(&failure), plan, down, self.body.is_replayable()) {
            Some(after) => AttemptEnd::Retry(after),
            None => AttemptEnd::Failed(failure),
        }
    }
}

impl Downstream {
    async fn connect(
        &mut self,
        plan: &Plan,
        host: &HostHandle,
        complete: bool,
    ) -> Result<Result<Lease, Failure>, Stop> {
        let asked = Asked {
            priority: plan.priority,
            version: self.record.request.version,
            authority: server_authority(plan.cluster.config(), &self.record.request),
            upgrade: self.upgrade.is_some(),
            chosen: self.filters.context(|cx| Chosen::by_filters(&cx.state)),
        };
        tokio::select! {
            biased;
            outcome = plan.cluster.lease(host, asked) => Ok(outcome),
            error = self.reply.closed() => Err(Stop::Gone(error)),
            which = self.deadlines.expired() => match which {
                Expired::PerTry => Ok(Err(Failure::PerTryTimeout)),
                _ => Err(Stop::Reply(Box::new(self.ran_out(which, plan, complete)))),
            },
        }
    }

    /// The request is complete: from now on the response's clock runs.
    fn start_response_clock(&mut self, plan: &Plan) {
        let now = clock::now();
        self.record.times.request_complete.get_or_insert(now);
        let complete = *self.clock.get_or_insert(now);
        self.record.times.upstream_last_sent = Some(now);
        self.deadlines.set(Expired::Request, None);
        // Of all tries together: counted from the end of the request.
        self.deadlines.set(Expired::Global, plan.limits.global.map(|limit| complete + limit));
        self.deadlines.set(Expired::PerTry, plan.limits.per_try.map(|limit| now + limit));
        self.deadlines.set_try_idle(plan.limits.per_try_idle);
    }

    fn ran_out(&self, which: Expired, plan: &Plan, complete: bool) -> weft_filter::LocalReply {
        let reply = expired(which, complete);
        if which == Expired::Global {
            plan.cluster.stats.inc(|s| s.upstream_rq_timeout);
            self.charge(plan, reply.status);
        }
        reply
    }

    /// Counts the status that the client gets for the cluster.
    pub(crate) fn charge(&self, plan: &Plan, status: u16) {
        if !self.conn.manager.router.dynamic_stats {
            return;
        }
        let internal = self.record.request.headers.get("x-envoy-internal") == Some(b"true");
        plan.cluster.stats.responded(status, internal);
    }

    /// `100 Continue` passes on where the upstream is to say it; other interim responses end here, as in
    /// Envoy.
    async fn interim(&mut self, head: &ResponseHead) -> Result<(), Stop> {
        self.deadlines.touch();
        if head.status != 100 || !self.conn.manager.proxy_100_continue {
            return Ok(());
        }
        self.reply.head(head, false).await.map_err(Stop::Gone)
    }

    /// The response broke off after its head had gone out: all that is left is to break off too.
    fn broken(&mut self, stop: ResponseStop) {
        match stop {
            ResponseStop::Upstream(error) => {
                let failure = match Failure::of_stream(&error) {
                    // An HTTP/1 message that breaks off is no message: a breach of the protocol.
                    Failure::Terminated if self.record.upstream.version < Some(Version::Http2) => {
                        Failure::Protocol
                    }
                    other => other,
                };
                self.record.flag(failure.flag());
                self.record.detail = Some(failure.detail("upstream_reset_after_response_started"));
                self.reply.reset(weft_codec::ResetReason::Internal);
            }
            ResponseStop::Downstream(error) => self.gone(&error),
            ResponseStop::Filter(reply) => {
                self.record.detail = Some(reply.detail);
                self.record.flag(ResponseFlag::LocalReset);
                self.reply.reset(weft_codec::ResetReason::Internal);
            }
        }
    }
}

/// What a server name is made from, where requests decide it: a header or the authority.
pub(crate) fn server_authority<'a>(config: &Cluster, head: &'a RequestHead) -> &'a str {
    let header = config.http.override_auto_sni_header.as_deref();
    header.and_then(|name| head.headers.get_str(name)).filter(|v| !v.is_empty()).unwrap_or(&head.authority)
}

/// Why a response did not come to its end.
#[derive(Debug)]
pub(crate) enum ResponseStop {
    /// The upstream broke off.
    Upstream(StreamError),
    /// The client is gone.
    Downstream(StreamError),
    /// A filter refused it after its head had gone out.
    Filter(Box<weft_filter::LocalReply>),
}

/// Moves the request's body up.
async fn upload(
    body: &mut RequestBody,
    filters: &FilterRun,
    send: &mut SendBody,
    deadlines: &Deadlines,
    complete: &Cell<bool>,
    replayable: &Cell<bool>,
) -> Uploaded {
    loop {
        let piece = match body.next(filters).await {
            Ok(Some(piece)) => piece,
            Ok(None) => Piece::Data(bytes::Bytes::new(), true),
            Err(BodyStop::Downstream(error)) => return Uploaded::Stop(Stop::Gone(error)),
            Err(BodyStop::Reply(reply)) => return Uploaded::Stop(Stop::Reply(reply)),
        };
        deadlines.touch();
        replayable.set(body.is_replayable());
        let last = piece.is_last();
        if last {
            complete.set(true);
        }
        let sent = match piece {
            Piece::Data(data, end) => send.data(data, end).await,
            Piece::Trailers(fields) => send.trailers(&fields).await,
        };
        if sent.is_err() {
            return Uploaded::Upstream;
        }
        if last {
            return Uploaded::All;
        }
    }
}

/// The upload's end; never, without one.
async fn poll_upload(upload: &mut Upload<'_>) -> Uploaded {
    match upload {
        Some(upload) => upload.as_mut().await,
        None => std::future::pending().await,
    }
}
