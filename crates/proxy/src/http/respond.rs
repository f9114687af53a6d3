//! The way back: response filters, the fields that the connection manager sets, the body.

use bytes::Bytes;
use weft_filter::{Flow, LocalReply};
use weft_http::clock;
use weft_http::{Frame, RecvBody};
use weft_route::forwarded::strip_hop_by_hop;
use weft_route::headers;
use weft_tables::hcm::ServerHeader;
use weft_types::{Detail, ResponseFlag, ResponseHead, Version};

use super::attempt::{Plan, ResponseStop};
use super::exchange::Downstream;
use super::{upgrade, values};

impl Downstream {
    /// Answers with a response of our own. `by_route`: the route's response changes apply.
    pub(crate) async fn answer(&mut self, mut reply: LocalReply, by_route: bool) {
        if self.quiet_timeout && reply.flags.contains(ResponseFlag::UpstreamRequestTimeout) {
            (reply.status, reply.body) = (204, Bytes::new());
        }
        // Envoy: who sends what cannot be served may have lost track of where messages end.
        if reply.status == 400 && !self.conn.manager.options.http1_stream_error_on_invalid {
            self.conn.close_after_response();
        }
        for flag in reply.flags.iter() {
            self.record.flag(flag);
        }
        self.record.detail = Some(reply.detail.clone());
        if self.responded {
            // A head went out already: nothing to answer with but the end of the stream.
            self.reply.reset(weft_codec::ResetReason::Internal);
            return;
        }
        let (reply, format) = super::local_reply::map(reply, self);
        let (mut head, body) = reply.compose(&self.record.request);
        let body = format.map_or(body.clone(), |f| super::local_reply::body(&f, &body, self, &mut head));
        if by_route {
            self.route_response_changes(&mut head);
        }
        let end = body.is_empty();
        let mut replaced = None;
        for index in (0..self.filters.len()).rev() {
            if let Flow::Reply(other) = self.filters.response(index, &mut head, end) {
                replaced = Some(other);
            }
        }
        self.take_notes();
        let (mut head, body) = match replaced {
            Some(other) => {
                self.record.detail = Some(other.detail.clone());
                other.compose(&self.record.request)
            }
            None => (head, body),
        };
        self.finish_head(&mut head, true);
        let end = body.is_empty();
        if let Err(error) = self.send_head(head, end).await {
            self.gone(&error);
            return;
        }
        if !end {
            self.record.bytes_sent += body.len() as u64;
            if let Err(error) = self.reply.data(body, true).await {
                self.gone(&error);
            }
        }
        self.record.times.downstream_complete = Some(clock::now());
    }

    /// What the router does to an upstream's head.
    pub(crate) fn upstream_head(
        &mut self,
        head: &mut ResponseHead,
        plan: &Plan,
        service_time: Option<std::time::Duration>,
    ) {
        self.record.detail.get_or_insert_with(|| Detail::word("via_upstream"));
        // Known only when the request was complete before the response began.
        if let Some(service_time) = service_time
            && !self.conn.manager.router.suppress_envoy_headers
        {
            head.headers.set("x-envoy-upstream-service-time", service_time.as_millis().to_string());
        }
        if plan.attempt_in_response {
            head.headers.set("x-envoy-attempt-count", self.record.upstream.attempts.to_string());
        }
        for cookie in std::mem::take(&mut self.set_cookies) {
            head.headers.append("set-cookie", cookie);
        }
        self.route_response_changes(head);
    }

    fn route_response_changes(&mut self, head: &mut ResponseHead) {
        let (Some(routes), Some(choice)) = (&self.routes, &self.choice) else { return };
        if !headers::changes_response(routes, choice) {
            return;
        }
        let (routes, choice) = (routes.clone(), choice.clone());
        headers::apply_response(head, &routes, &choice, &|now, template| {
            values::render(template, self, None, Some(now))
        });
    }

    /// Passes the upstream's response to the client.
    pub(crate) async fn respond(
        &mut self,
        mut head: ResponseHead,
        body: &mut RecvBody,
    ) -> Result<(), ResponseStop> {
        let mut end = body.is_end();
        let mut held: Option<Bytes> = None;
        for index in (0..self.filters.len()).rev() {
            let mut flow = self.filters.response(index, &mut head, end);
            loop {
                flow = match flow {
                    Flow::Continue => break,
                    Flow::Wait(outcome) => outcome.await,
                    Flow::Delay(time) => {
                        tokio::time::sleep(time).await;
                        break;
                    }
                    Flow::Reply(reply) => {
                        Box::pin(self.answer_instead(*reply)).await?;
                        return Ok(());
                    }
                    Flow::Buffer(limit) => {
                        match Box::pin(collect(body, limit)).await? {
                            Some(whole) => held = Some(whole),
                            None => {
                                let reply = LocalReply::new(
                                    500,
                                    "Internal Server Error",
                                    "response_payload_too_large",
                                );
                                Box::pin(self.answer_instead(reply)).await?;
                                return Ok(());
                            }
                        }
                        end = false;
                        break;
                    }
                };
            }
        }
        self.take_notes();
        if self.filters.changes_response_body() && head.headers.contains("content-length") && !end {
            // A filter may change the length.
            head.headers.remove("content-length");
        }
        self.finish_head(&mut head, false);
        self.send_head(head, end).await.map_err(ResponseStop::Downstream)?;
        if end {
            self.record.times.downstream_complete = Some(clock::now());
            return Ok(());
        }
        if let Some(whole) = held {
            return self.send_piece(whole, true).await;
        }
        loop {
            let frame = tokio::select! {
                biased;
                frame = body.next() => frame.map_err(ResponseStop::Upstream)?,
                error = self.reply.closed() => return Err(ResponseStop::Downstream(error)),
            };
            self.deadlines.touch();
            match frame {
                Frame::Data(data) => {
                    let end = body.is_end();
                    self.send_piece(data, end).await?;
                    if end {
                        return Ok(());
                    }
                }
                Frame::Trailers(mut fields) => {
                    if self.filters.wants_response_body() {
                        self.filters.response_trailers(&mut fields).map_err(ResponseStop::Filter)?;
                    }
                    self.record.times.downstream_complete = Some(clock::now());
                    self.reply.trailers(&fields).await.map_err(ResponseStop::Downstream)?;
                    self.record.trailers = Some(fields);
                    return Ok(());
                }
                Frame::End => return self.send_piece(Bytes::new(), true).await,
            }
        }
    }

    async fn send_piece(&mut self, mut data: Bytes, end: bool) -> Result<(), ResponseStop> {
        if self.filters.wants_response_body() {
            self.filters.response_data(&mut data, end).map_err(ResponseStop::Filter)?;
        }
        self.record.bytes_sent += data.len() as u64;
        self.reply.data(data, end).await.map_err(ResponseStop::Downstream)?;
        if end {
            self.record.times.downstream_complete = Some(clock::now());
        }
        Ok(())
    }

    async fn answer_instead(&mut self, reply: LocalReply) -> Result<(), ResponseStop> {
        for flag in reply.flags.iter() {
            self.record.flag(flag);
        }
        self.record.detail = Some(reply.detail.clone());
        let (mut head, body) = reply.compose(&self.record.request);
        self.finish_head(&mut head, true);
        let end = body.is_empty();
        self.send_head(head, end).await.map_err(ResponseStop::Downstream)?;
        if end { Ok(()) } else { self.send_piece_unfiltered(body).await }
    }

    async fn send_piece_unfiltered(&mut self, body: Bytes) -> Result<(), ResponseStop> {
        self.record.bytes_sent += body.len() as u64;
        self.reply.data(body, true).await.map_err(ResponseStop::Downstream)
    }

    /// The fields that the connection manager sets on every response.
    pub(crate) fn finish_head(&mut self, head: &mut ResponseHead, local: bool) {
        let manager = &self.conn.manager;
        let agreed = self.upgrade.as_ref().is_some_and(|u| u.accepted_by(head.status));
        strip_hop_by_hop(&mut head.headers, agreed);
        if !head.headers.contains("date") || local {
            head.headers.set("date", &*self.conn.worker.date());
        }
        match manager.server_header {
            ServerHeader::Overwrite => head.headers.set("server", manager.server_name.as_bytes()),
            ServerHeader::AppendIfAbsent if !head.headers.contains("server") => {
                head.headers.set("server", manager.server_name.as_bytes());
            }
            ServerHeader::PassThrough if local => head.headers.set("server", manager.server_name.as_bytes()),
            ServerHeader::AppendIfAbsent | ServerHeader::PassThrough => {}
        }
        if manager.request_id_in_response
            && let Some(id) = self.record.request.headers.get("x-request-id")
        {
            let id = id.to_vec();
            head.headers.set("x-request-id", id);
        }
        if !manager.via.is_empty() {
            head.headers.append("via", manager.via.as_bytes());
        }
        // Without multiplexing nobody waits for the rest of a request that is answered already.
        let early = self.record.times.request_complete.is_none()
            && (self.upgrade.is_some() || !self.reply.request_arrived())
            || self.cut_short;
        if (self.conn.should_close() || early) && self.conn.version() < Version::Http2 && !agreed {
            head.headers.set("connection", "close");
        }
    }

    /// Sends the final head.
    pub(crate) async fn send_head(
        &mut self,
        mut head: ResponseHead,
        end: bool,
    ) -> Result<(), weft_http::StreamError> {
        let status = head.status;
        upgrade::for_downstream(&mut head, self.conn.version());
        self.responded = true;
        self.record.times.downstream_first_sent = Some(clock::now());
        self.conn.stats.responded(head.status);
        let sent = self.reply.head(&head, end).await;
        head.status = status;
        self.record.response = Some(head);
        sent
    }
}

/// All of a body, if it is not longer than `limit`.
async fn collect(body: &mut RecvBody, limit: usize) -> Result<Option<Bytes>, ResponseStop> {
    let mut whole = Vec::new();
    loop {
        match body.next().await.map_err(ResponseStop::Upstream)? {
            Frame::Data(data) => {
                if whole.len() + data.len() > limit {
                    return Ok(None);
                }
                whole.extend_from_slice(&data);
            }
            Frame::Trailers(_) | Frame::End => return Ok(Some(whole.into())),
        }
    }
}
