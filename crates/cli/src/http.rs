//! A small HTTP client for loopback addresses: one GET at a time, each with a deadline and a limit.

use std::net::SocketAddr;
use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use http::header::{HOST, HeaderName, HeaderValue};
use http::{HeaderMap, Request, StatusCode};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Most bytes of a body that are read; a proxy's whole page of metrics fits many times.
const MAX_BODY_BYTES: usize = 16 << 20;

/// A status and the whole body.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The status.
    pub(crate) status: StatusCode,
    /// The body.
    pub(crate) body: Bytes,
}

/// A connection to one server, kept between requests while the server does.
#[derive(Debug)]
pub(crate) struct Client {
    to: SocketAddr,
    open: Option<SendRequest<Empty<Bytes>>>,
}

impl Client {
    /// A client of this server; connects at the first request.
    #[must_use]
    pub(crate) fn new(to: SocketAddr) -> Self {
        Self { to, open: None }
    }

    /// `GET path` with further headers, answered within `limit`, connecting included.
    ///
    /// # Errors
    /// If there is no whole answer in time.
    pub(crate) async fn get(
        &mut self,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
        limit: Duration,
    ) -> Result<Answer> {
        let to = self.to;
        match tokio::time::timeout(limit, self.exchange(path, headers)).await {
            Ok(answer) => answer.with_context(|| format!("GET http://{to}{path}")),
            Err(_) => {
                // The answer may still come, and would be taken for the next request's.
                self.open = None;
                anyhow::bail!("GET http://{to}{path}: no answer within {} s", limit.as_secs_f32())
            }
        }
    }

    async fn exchange(&mut self, path: &str, headers: &[(HeaderName, HeaderValue)]) -> Result<Answer> {
        if let Some(mut kept) = self.open.take()
            && kept.ready().await.is_ok()
        {
            match self.send(kept, path, headers).await {
                // A server may close a kept connection just when it is used again.
                Err(error) if is_hang_up(&error) => {}
                done => return done,
            }
        }
        let stream = TcpStream::connect(self.to).await.context("cannot connect")?;
        let _ = stream.set_nodelay(true);
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        tokio::spawn(async move {
            // What goes wrong shows at the request.
            let _ = connection.await;
        });
        self.send(sender, path, headers).await
    }

    async fn send(
        &mut self,
        mut sender: SendRequest<Empty<Bytes>>,
        path: &str,
        headers: &[(HeaderName, HeaderValue)],
    ) -> Result<Answer> {
        let mut all = HeaderMap::new();
        all.insert(HOST, HeaderValue::try_from(self.to.to_string())?);
        all.extend(headers.iter().map(|(name, value)| (Some(name.clone()), value.clone())));
        let mut request = Request::get(path).body(Empty::new())?;
        *request.headers_mut() = all;
        let response = sender.send_request(request).await?;
        let status = response.status();
        let body = Limited::new(response.into_body(), MAX_BODY_BYTES).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!("answer cut off: {error}"))?.to_bytes();
        self.open = Some(sender);
        Ok(Answer { status, body })
    }
}

fn is_hang_up(error: &anyhow::Error) -> bool {
    let hyper = error.downcast_ref::<hyper::Error>();
    hyper.is_some_and(|error| error.is_canceled() || error.is_closed() || error.is_incomplete_message())
}
