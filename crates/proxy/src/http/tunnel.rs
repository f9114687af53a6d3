//! Exchanges that have become byte streams, after an agreed upgrade or CONNECT.

use std::time::Duration;

use tokio::time::Instant;
use weft_http::{Frame, RecvBody, RecvResponse, SendBody, SendReply};
use weft_types::ResponseHead;

use super::attempt::{AttemptEnd, Plan};
use super::body::{BodyStop, Piece, RequestBody};
use super::deadline::{Deadlines, Expired};
use super::exchange::{Passage, Stop};
use super::filters::FilterRun;

impl Passage {
    /// Passes the agreement on and then bytes both ways until both ends have ended, one breaks, or
    /// nothing has moved for the idle time.
    pub(crate) async fn tunnel(
        &mut self,
        plan: &Plan,
        mut head: ResponseHead,
        service_time: Option<Duration>,
        mut send: SendBody,
        receive: RecvResponse,
    ) -> Result<AttemptEnd, Stop> {
        let Self { down, body } = self;
        down.deadlines.set(Expired::Global, None);
        down.deadlines.set(Expired::PerTry, None);
        down.deadlines.set_try_idle(None);
        down.upstream_head(&mut head, plan, service_time);
        down.finish_head(&mut head, false);
        down.send_head(head, false).await.map_err(Stop::Gone)?;
        send.become_tunnel();
        down.reply.become_tunnel();
        down.reply.flush().await;
        body.become_stream();
        let mut incoming = receive.into_body();
        let deadlines = down.deadlines.clone();
        let filters = down.filters.clone();
        let ended = {
            let up = up(body, &filters, &mut send, &deadlines);
            let down_ward = downward(&mut incoming, &mut down.reply, &deadlines, &mut down.record.bytes_sent);
            tokio::pin!(up, down_ward);
            let (mut up_open, mut down_open) = (true, true);
            loop {
                tokio::select! {
                    biased;
                    fine = &mut down_ward, if down_open => { down_open = false; if !fine { break true; } }
                    fine = &mut up, if up_open => { up_open = false; if !fine { break false; } }
                    _ = deadlines.expired() => break false,
                    else => break true,
                }
            }
        };
        down.record.times.downstream_complete = Some(Instant::now());
        if !ended {
            down.reply.reset(weft_codec::ResetReason::Cancel);
        }
        Ok(AttemptEnd::Done)
    }
}

async fn up(body: &mut RequestBody, filters: &FilterRun, send: &mut SendBody, deadlines: &Deadlines) -> bool {
    loop {
        let piece = match body.next(filters).await {
            Ok(Some(piece)) => piece,
            Ok(None) => return true,
            Err(BodyStop::Downstream(_) | BodyStop::Reply(_)) => return false,
        };
        deadlines.touch();
        let last = piece.is_last();
        let sent = match piece {
            Piece::Data(data, end) => send.data(data, end).await,
            Piece::Trailers(fields) => send.trailers(&fields).await,
        };
        if sent.is_err() {
            return false;
        }
        if last {
            return true;
        }
    }
}

async fn downward(from: &mut RecvBody, to: &mut SendReply, deadlines: &Deadlines, sent: &mut u64) -> bool {
    loop {
        let Ok(frame) = from.next().await else {
            to.reset(weft_codec::ResetReason::Internal);
            return false;
        };
        deadlines.touch();
        let done = match frame {
            Frame::Data(data) => {
                *sent += data.len() as u64;
                let end = from.is_end();
                to.data(data, end).await.map(|()| end)
            }
            Frame::Trailers(fields) => to.trailers(&fields).await.map(|()| true),
            Frame::End => to.data(bytes::Bytes::new(), true).await.map(|()| true),
        };
        match done {
            Ok(true) => return true,
            Ok(false) => {}
            Err(_) => return false,
        }
    }
}
