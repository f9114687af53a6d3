//! Copies of requests (VS-23): sent beside the request, their responses thrown away.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use tokio::sync::mpsc;
use weft_balance::PickContext;
use weft_http::Frame;
use weft_http::clock;
use weft_route::decide::RouteChoice;
use weft_state::Priority;
use weft_tables::route::{Forward, Mirror};
use weft_types::{Name, RequestHead};

use super::attempt::server_authority;
use super::body::Piece;
use super::exchange::Passage;
use crate::upstream::chosen::Chosen;
use crate::upstream::lease::Asked;
use crate::worker::Worker;

/// Where pieces of the body go for one copy.
#[derive(Debug)]
pub(crate) struct MirrorFeed {
    to: Option<mpsc::UnboundedSender<Piece>>,
    waiting: Rc<Cell<usize>>,
    limit: usize,
}

impl MirrorFeed {
    /// Hands on a piece. A copy whose upstream is too slow is given up: it must not hold the request.
    pub(crate) fn push(&mut self, piece: &Piece) {
        let size = if let Piece::Data(data, _) = piece { data.len() } else { 0 };
        let waiting = self.waiting.get() + size;
        if waiting > self.limit {
            self.to = None;
            return;
        }
        self.waiting.set(waiting);
        if let Some(to) = &self.to {
            let _ = to.send(piece.clone());
        }
        if piece.is_last() {
            self.to = None;
        }
    }
}

/// Starts the copies that the route asks for.
pub(crate) fn start(
    passage: &Passage,
    choice: &RouteChoice,
    forward: &Forward,
    limit: usize,
) -> Vec<MirrorFeed> {
    let none = Vec::new();
    let policies =
        [&forward.mirrors, &choice.host.mirrors, passage.down.routes.as_ref().map_or(&none, |r| &r.mirrors)];
    let Some(policies) = policies.into_iter().find(|p| !p.is_empty()) else { return Vec::new() };
    let down = &passage.down;
    let mut feeds = Vec::new();
    for policy in policies {
        if !policy.fraction.includes(down.conn.worker.draw()) {
            continue;
        }
        let Some(cluster) = target(policy, &down.record.request) else { continue };
        let mut head = down.record.request.clone();
        if !policy.keep_host {
            head.authority = shadow_host(&head.authority).into();
        }
        head.headers.set("x-envoy-internal", "true");
        if let Some(own) = down.conn.worker.process.own_address {
            weft_route::forwarded::append_list(&mut head.headers, "x-forwarded-for", &own.to_string());
        }
        let (to, pieces) = mpsc::unbounded_channel();
        let waiting = Rc::new(Cell::new(0));
        let end = passage.body.is_empty();
        tokio::task::spawn_local(copy(down.conn.worker.clone(), cluster, head, end, pieces, waiting.clone()));
        if !end {
            feeds.push(MirrorFeed { to: Some(to), waiting, limit });
        }
    }
    feeds
}

fn target(policy: &Mirror, head: &RequestHead) -> Option<Name> {
    match &policy.header {
        Some(header) => head.headers.get_str(&**header).map(Into::into),
        None => Some(policy.cluster.clone()),
    }
}

/// The authority with `-shadow` after the host.
fn shadow_host(authority: &str) -> String {
    let host = weft_route::host::without_port(authority);
    format!("{host}-shadow{}", &authority[host.len()..])
}

/// Longest time that a copy may take.
const LIMIT: Duration = Duration::from_secs(15);

async fn copy(
    worker: Rc<Worker>,
    cluster: Name,
    head: Box<RequestHead>,
    end: bool,
    pieces: mpsc::UnboundedReceiver<Piece>,
    waiting: Rc<Cell<usize>>,
) {
    let sent = tokio::time::timeout(LIMIT, send(worker, &cluster, head, end, pieces, waiting)).await;
    if sent != Ok(Some(())) {
        tracing::debug!(%cluster, "a mirrored request did not complete");
    }
}

async fn send(
    worker: Rc<Worker>,
    cluster: &Name,
    head: Box<RequestHead>,
    end: bool,
    mut pieces: mpsc::UnboundedReceiver<Piece>,
    waiting: Rc<Cell<usize>>,
) -> Option<()> {
    let cluster = worker.cluster(cluster).await?;
    let context = PickContext::new(clock::now().into_std());
    let host = cluster.pick(&context, None, &mut worker.dice()).ok()?;
    let asked = Asked {
        priority: Priority::Default,
        version: head.version,
        authority: server_authority(cluster.config(), &head),
        upgrade: false,
        chosen: Chosen::default(),
    };
    let mut lease = cluster.lease(&host, asked).await.ok()?;
    let (mut up, mut response) = lease.send(&head, end).await.ok()?;
    let mut open = !end;
    while open {
        // The sender is gone before the last piece: the copy was given up.
        let piece = pieces.recv().await?;
        open = !piece.is_last();
        match piece {
            Piece::Data(data, last) => {
                waiting.set(waiting.get().saturating_sub(data.len()));
                up.data(data, last).await.ok()?;
            }
            Piece::Trailers(fields) => up.trailers(&fields).await.ok()?,
        }
    }
    while response.head().await.ok()?.is_interim() {}
    let mut body = response.into_body();
    while !matches!(body.next().await.ok()?, Frame::End | Frame::Trailers(_)) {}
    drop((up, body));
    lease.finished();
    Some(())
}
