//! HTTP/2 as a client, on the `h2` crate.

use super::end_of;
use crate::backend::{list, map, speak, write};
use crate::outcome::{Answer, End, body_text};
use crate::table::Call;
use crate::wire::{PATIENCE, PROBE, Wire};
use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::ext::Protocol;
use h2::{RecvStream, SendStream};
use http::Request;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use tokio::task::JoinHandle;
use tokio::time::{sleep, timeout};

/// One connection. Clones are handles on the same one; it closes with the last of them.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    send: SendRequest<Bytes>,
    driver: Arc<Driver>,
}

#[derive(Debug)]
struct Driver(JoinHandle<()>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl Session {
    pub(crate) async fn start(wire: Wire) -> Result<Self, h2::Error> {
        let mut builder = h2::client::Builder::new();
        builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 22).enable_push(false);
        let (send, connection) = builder.handshake(wire).await?;
        let driver = tokio::spawn(async move {
            let _ = connection.await;
        });
        Ok(Session { send, driver: Arc::new(Driver(driver)) })
    }

    /// Carries out a call on a stream of its own.
    pub(crate) async fn call(&self, call: &Call) -> Answer {
        let mut answer = Answer { protocol: "HTTP/2".into(), ..Answer::default() };
        match timeout(PATIENCE, self.exchange(call, &mut answer)).await {
            Err(_) => answer.end = End::Timeout,
            Ok(Err(error)) => {
                answer.end = if error.is_reset() { End::Reset } else { End::Closed };
                answer.cause = error.reason().map(|reason| format!("{reason:?}"));
            }
            Ok(Ok(())) => {}
        }
        if call.probe {
            sleep(PROBE).await;
            let open = !self.driver.0.is_finished() && self.send.clone().ready().await.is_ok();
            answer.connection = Some(if open { "kept" } else { "closed" }.into());
        }
        answer
    }

    async fn exchange(&self, call: &Call, answer: &mut Answer) -> Result<(), h2::Error> {
        let body = Bytes::from(call.body_bytes());
        let bodiless =
            body.is_empty() && call.trailers.is_empty() && !call.body_never && call.tunnel.is_none();
        let mut send = self.send.clone().ready().await?;
        let (response, mut stream) = send.send_request(request(call, body.len()), bodiless)?;
        if let Some(moves) = &call.tunnel {
            let mut incoming = head(response, answer).await?;
            let (received, stand) = speak(&mut stream, &mut incoming, moves).await;
            answer.received = Some(body_text(&received));
            answer.end = end_of(stand);
            return Ok(());
        }
        let read = async {
            let mut incoming = head(response, answer).await?;
            download(&mut incoming, answer).await
        };
        let upload = async {
            if !bodiless {
                upload(&mut stream, call, body).await;
            }
        };
        tokio::pin!(upload, read);
        tokio::select! {
            done = &mut read => done,
            () = &mut upload => read.await,
        }
    }
}

fn request(call: &Call, length: usize) -> Request<()> {
    let scheme = if call.tls.is_some() { "https" } else { "http" };
    let protocol = call.headers.iter().find(|(name, _)| name == ":protocol").map(|(_, value)| value.as_str());
    let uri = match (call.method.as_str(), protocol) {
        ("CONNECT", None) => call.path.clone(),
        _ => format!("{scheme}://{}{}", call.authority, call.path),
    };
    let mut request = Request::builder().method(call.method.as_str()).uri(uri).body(()).unwrap_or_default();
    let headers: Vec<_> = call.headers.iter().filter(|(name, _)| !name.starts_with(':')).cloned().collect();
    *request.headers_mut() = map(&headers);
    if length > 0 && !call.chunked && !request.headers().contains_key("content-length") {
        request.headers_mut().insert("content-length", length.into());
    }
    if let Some(protocol) = protocol {
        request.extensions_mut().insert(Protocol::from(protocol));
    }
    request
}

async fn upload(stream: &mut SendStream<Bytes>, call: &Call, body: Bytes) {
    sleep(Duration::from_millis(call.body_delay)).await;
    if call.body_never {
        // The stream stays open, and must not be dropped before the answer.
        return std::future::pending().await;
    }
    write(stream, body, call.trailers.is_empty()).await;
    if !call.trailers.is_empty() {
        let _ = stream.send_trailers(map(&call.trailers));
    }
}

async fn head(mut response: ResponseFuture, answer: &mut Answer) -> Result<RecvStream, h2::Error> {
    let response = std::future::poll_fn(|cx| {
        while let Poll::Ready(Some(Ok(head))) = response.poll_informational(cx) {
            answer.interim.push(head.status().as_u16());
        }
        Pin::new(&mut response).poll(cx)
    })
    .await?;
    answer.status = response.status().as_u16();
    answer.headers = list(response.headers());
    Ok(response.into_body())
}

async fn download(incoming: &mut RecvStream, answer: &mut Answer) -> Result<(), h2::Error> {
    let mut bytes = Vec::new();
    let result = loop {
        match incoming.data().await {
            None => break Ok(()),
            Some(Err(error)) => break Err(error),
            Some(Ok(data)) => {
                let _ = incoming.flow_control().release_capacity(data.len());
                bytes.extend_from_slice(&data);
            }
        }
    };
    answer.body = body_text(&bytes);
    result?;
    answer.trailers = incoming.trailers().await?.as_ref().map(list).unwrap_or_default();
    Ok(())
}
