//! Exchanges that have become byte streams, after an agreed upgrade or CONNECT.

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt, ReadHalf, WriteHalf, split};
use weft_balance::HostHandle;
use weft_codec::ResetReason;
use weft_http::clock;
use weft_http::{Frame, RecvBody, RecvResponse, SendBody, SendReply};
use weft_types::{Detail, ResponseFlag, ResponseHead, Version};

use super::attempt::{AttemptEnd, Plan};
use super::body::{Piece, RequestBody};
use super::deadline::{Deadlines, Expired};
use super::exchange::{Downstream, Passage, Stop};
use super::failure::Failure;
use super::filters::FilterRun;
use crate::upstream::connect::{self, Counted, Opened, Stream};

/// Bytes read at once from a raw upstream.
const READ: usize = 16 * 1024;

/// Toward the upstream.
enum Up {
    Http(SendBody),
    Raw(WriteHalf<Box<dyn Stream>>),
}

/// From the upstream. A raw connection counts as open while it is read.
enum Back {
    Http(RecvBody),
    Raw(ReadHalf<Box<dyn Stream>>, #[allow(dead_code)] Counted),
}

/// How a direction ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Its sender said that it was done, and the receiver was told.
    Complete,
    /// The client broke off.
    Client,
    /// The upstream broke off.
    Upstream,
}

impl Passage {
    /// Passes the upstream's agreement on and then bytes both ways.
    pub(crate) async fn tunnel(
        &mut self,
        plan: &Plan,
        head: ResponseHead,
        send: SendBody,
        receive: RecvResponse,
    ) -> Result<AttemptEnd, Stop> {
        send.become_tunnel();
        self.agree(plan, head).await?;
        self.carry(Up::Http(send), Back::Http(receive.into_body())).await;
        Ok(AttemptEnd::Done)
    }

    /// Ends a CONNECT here: what comes over it goes to the host as plain bytes.
    pub(crate) async fn terminate_connect(
        &mut self,
        plan: &Plan,
        host: &HostHandle,
    ) -> Result<AttemptEnd, Stop> {
        let down = &mut self.down;
        let cluster = &plan.cluster;
        let limit = cluster.breakers(plan.priority).max_connections;
        let permit = cluster.state.resources(plan.priority).connections.try_acquire(limit);
        let opened = match permit {
            Some(permit) => down.guarded(connect::tcp(cluster, host, &down.conn.connection, permit)).await?,
            None => Err(Failure::Overflow),
        };
        down.record.upstream.host = Some(host.endpoint.address.clone());
        let Opened { stream, counted, .. } = match opened {
            Ok(opened) => opened,
            Err(failure) => {
                down.record.upstream.transport_failure = failure.transport().map(str::to_owned);
                return Ok(AttemptEnd::Failed(failure));
            }
        };
        down.record.upstream.local = stream.local_address();
        self.agree(plan, ResponseHead::new(200)).await?;
        let (read, write) = split(stream);
        self.carry(Up::Raw(write), Back::Raw(read, counted)).await;
        Ok(AttemptEnd::Done)
    }

    async fn agree(&mut self, plan: &Plan, mut head: ResponseHead) -> Result<(), Stop> {
        let Self { down, body } = self;
        for which in [Expired::Global, Expired::PerTry, Expired::Request] {
            down.deadlines.set(which, None);
        }
        down.deadlines.set_try_idle(None);
        down.charge(plan, head.status);
        down.upstream_head(&mut head, plan, None);
        down.finish_head(&mut head, false);
        down.send_head(head, false).await.map_err(Stop::Gone)?;
        down.reply.become_tunnel();
        down.reply.flush().await;
        body.become_stream();
        Ok(())
    }

    /// Moves bytes until both directions have ended, one breaks, or nothing has moved for the idle time.
    async fn carry(&mut self, mut up: Up, mut back: Back) {
        let Self { down, body } = self;
        let deadlines = down.deadlines.clone();
        let filters = down.filters.clone();
        let half_close = down.conn.version() >= Version::Http2;
        let upstream_half_close = match (&up, down.record.upstream.version) {
            (Up::Raw(_), _) => true,
            (Up::Http(_), version) => version >= Some(Version::Http2),
        };
        let end = {
            let upward = upward(body, &filters, &mut up, &deadlines, half_close);
            let downward = downward(&mut back, &mut down.reply, &deadlines, &mut down.record.bytes_sent);
            tokio::pin!(upward, downward);
            let (mut up_open, mut down_open) = (true, true);
            loop {
                if !up_open && !down_open {
                    break End::Complete;
                }
                tokio::select! {
                    biased;
                    end = &mut downward, if down_open => {
                        down_open = false;
                        if end != End::Complete || !upstream_half_close { break end; }
                    }
                    end = &mut upward, if up_open => {
                        up_open = false;
                        if end != End::Complete { break end; }
                    }
                    _ = deadlines.expired() => break End::Client,
                }
            }
        };
        drop((up, back));
        down.record.times.downstream_complete = Some(clock::now());
        down.tunnel_ended(end, upstream_half_close).await;
    }
}

impl Downstream {
    async fn tunnel_ended(&mut self, end: End, upstream_half_close: bool) {
        match end {
            End::Complete if upstream_half_close => {}
            End::Complete | End::Upstream => {
                // An HTTP/1 upstream that ends takes the whole tunnel with it.
                self.record.flag(ResponseFlag::UpstreamConnectionTermination);
                self.record.detail =
                    Some(Failure::Terminated.detail("upstream_reset_after_response_started"));
                self.reply.flush().await;
                self.reply.reset(ResetReason::Internal);
            }
            End::Client => {
                self.record.flag(ResponseFlag::DownstreamConnectionTermination);
                self.record.detail = Some(Detail::word("downstream_remote_disconnect"));
                self.reply.reset(ResetReason::Cancel);
            }
        }
    }
}

async fn upward(
    body: &mut RequestBody,
    filters: &FilterRun,
    up: &mut Up,
    deadlines: &Deadlines,
    half_close: bool,
) -> End {
    loop {
        let Ok(Some(piece)) = body.next(filters).await else { return End::Client };
        deadlines.touch();
        let last = piece.is_last();
        if last && !half_close {
            // An HTTP/1 client that ends takes the whole tunnel with it.
            if let Piece::Data(data, _) = piece
                && !data.is_empty()
            {
                let _ = up.data(data, false).await;
            }
            return End::Client;
        }
        let sent = match piece {
            Piece::Data(data, end) => up.data(data, end).await,
            Piece::Trailers(_) => up.data(Bytes::new(), true).await,
        };
        if !sent {
            return End::Upstream;
        }
        if last {
            return End::Complete;
        }
    }
}

impl Up {
    /// Sends bytes; whether that worked.
    async fn data(&mut self, data: Bytes, end: bool) -> bool {
        match self {
            Self::Http(send) => send.data(data, end).await.is_ok(),
            Self::Raw(write) => {
                let sent = write.write_all(&data).await.is_ok();
                if sent && end { write.shutdown().await.is_ok() } else { sent }
            }
        }
    }
}

impl Back {
    /// The next bytes, and whether they are the last; `None` when the upstream broke off.
    async fn next(&mut self) -> Option<(Bytes, bool)> {
        match self {
            Self::Http(body) => match body.next().await.ok()? {
                Frame::Data(data) => Some((data, body.is_end())),
                Frame::Trailers(_) | Frame::End => Some((Bytes::new(), true)),
            },
            Self::Raw(read, _) => {
                let mut buffer = BytesMut::with_capacity(READ);
                let count = read.read_buf(&mut buffer).await.ok()?;
                Some((buffer.freeze(), count == 0))
            }
        }
    }
}

async fn downward(from: &mut Back, to: &mut SendReply, deadlines: &Deadlines, sent: &mut u64) -> End {
    loop {
        let Some((data, end)) = from.next().await else { return End::Upstream };
        deadlines.touch();
        *sent += data.len() as u64;
        match to.data(data, end).await {
            Ok(()) if end => return End::Complete,
            Ok(()) => {}
            Err(_) => return End::Client,
        }
    }
}
