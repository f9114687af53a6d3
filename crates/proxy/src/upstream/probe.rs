//! One health check: connect, ask, judge the answer.

use std::rc::Rc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use weft_balance::HostHandle;
use weft_balance::health::Reading;
use weft_codec::Side;
use weft_http::{AnyCodec, ClientConn, ConnOptions, Frame, RecvResponse};
use weft_state::HealthFlag;
use weft_tables::cluster::{HealthCheck, HealthProbe};
use weft_types::grpc::is_content_type;
use weft_types::{Method, RequestHead, ResponseHead, Version};

use super::cluster::ClusterRuntime;
use super::connect;

/// What checks call themselves.
const AGENT: &str = "Envoy/HC";
/// Most of an answer that is read, bytes.
const MOST: usize = 64 * 1024;
/// `grpc.health.v1.HealthCheckResponse` with status SERVING.
const SERVING: [u8; 2] = [0x08, 1];

/// No answer came; why.
#[derive(Debug)]
pub(crate) struct Miss(pub(crate) String);

impl<E: std::error::Error> From<E> for Miss {
    fn from(error: E) -> Self {
        Self(error.to_string())
    }
}

/// Asks one host, by one connection after another.
pub(crate) struct Prober {
    cluster: Rc<ClusterRuntime>,
    host: HostHandle,
    conn: Option<ClientConn>,
}

impl Prober {
    pub(crate) fn new(cluster: Rc<ClusterRuntime>, host: HostHandle) -> Self {
        Self { cluster, host, conn: None }
    }

    /// Lets go of the connection: a check on it came to nothing.
    pub(crate) fn give_up(&mut self) {
        self.conn = None;
    }

    /// Asks once; the caller limits the time.
    pub(crate) async fn ask(&mut self, check: &HealthCheck) -> Result<Reading, Miss> {
        let answer = match &check.probe {
            HealthProbe::Tcp { send, receive } => return self.tcp(send, receive, check.timeout).await,
            HealthProbe::Http { http2, host, path, expected, retriable } => {
                let conn = self.connection(*http2, check.timeout).await?;
                let head = self.head(Method::Get, host, path, *http2);
                let head = exchange(&conn, &head, None).await.map(|(head, ..)| head);
                head.map(|head| (self.judge_http(&head, expected, retriable), conn))
            }
            HealthProbe::Grpc { service, authority } => {
                let conn = self.connection(true, check.timeout).await?;
                let head = self.grpc_head(authority, check.timeout);
                let answer = exchange(&conn, &head, Some(question(service))).await;
                answer.map(|(head, body, status)| (judge_grpc(&head, &body, status.as_deref()), conn))
            }
        };
        let (reading, conn) = answer?;
        if check.reuse_connection {
            self.conn = Some(conn);
        }
        Ok(reading)
    }

    async fn connection(&mut self, http2: bool, limit: Duration) -> Result<ClientConn, Miss> {
        if let Some(kept) = self.conn.take().filter(|conn| conn.check_idle() && conn.can_open()) {
            return Ok(kept);
        }
        let unseen = connect::unseen(&self.cluster, &self.host, Some(http2), limit).await;
        let (stream, tls) = unseen.map_err(|failure| Miss(failure.words().to_owned()))?;
        let limits = crate::limits::of(&self.cluster.config().http.options, true);
        let scheme = if tls { "https" } else { "http" };
        let codec = match http2 {
            true => AnyCodec::http2(Side::Client, limits, scheme),
            false => AnyCodec::http1(Side::Client, limits, scheme),
        };
        Ok(ClientConn::new(stream, codec, ConnOptions::default()))
    }

    fn head(&self, method: Method, host: &str, path: &str, http2: bool) -> RequestHead {
        let name = &self.host.endpoint.hostname;
        let name = if name.is_empty() { &self.cluster.config().name[..] } else { &name[..] };
        let mut head = RequestHead::get(if host.is_empty() { name } else { host }, path);
        head.method = method;
        head.version = if http2 { Version::Http2 } else { Version::Http11 };
        head.headers.append("user-agent", AGENT);
        head
    }

    fn grpc_head(&self, authority: &str, limit: Duration) -> RequestHead {
        let mut head = self.head(Method::Post, authority, "/grpc.health.v1.Health/Check", true);
        head.headers.append("te", "trailers");
        head.headers.append("content-type", "application/grpc");
        head.headers.append("grpc-timeout", format!("{}m", limit.as_millis().min(99_999_999)));
        head
    }

    fn judge_http(&self, head: &ResponseHead, expected: &[(u16, u16)], retriable: &[(u16, u16)]) -> Reading {
        let within =
            |list: &[(u16, u16)]| list.iter().any(|(start, end)| (*start..*end).contains(&head.status));
        let state = &self.host.state;
        if head.headers.contains("x-envoy-immediate-health-check-fail") {
            state.set(HealthFlag::Excluded);
        } else {
            state.clear(HealthFlag::Excluded);
        }
        if within(expected) {
            Reading::Passed { degraded: head.headers.contains("x-envoy-degraded") }
        } else if within(retriable) {
            Reading::Missed
        } else {
            Reading::Failed
        }
    }

    async fn tcp(&self, send: &[u8], receive: &[Vec<u8>], limit: Duration) -> Result<Reading, Miss> {
        let unseen = connect::unseen(&self.cluster, &self.host, None, limit).await;
        let (mut stream, _) = unseen.map_err(|failure| Miss(failure.words().to_owned()))?;
        stream.write_all(send).await?;
        stream.flush().await?;
        let mut got = BytesMut::new();
        while !has_in_order(&got, receive) {
            if got.len() > MOST {
                return Err(Miss("too much was answered".to_owned()));
            }
            if stream.read_buf(&mut got).await? == 0 {
                return Err(Miss("closed before the answer".to_owned()));
            }
        }
        Ok(Reading::Passed { degraded: false })
    }
}

/// Whether all pieces are there, one after another; what lies between does not matter.
fn has_in_order(mut bytes: &[u8], pieces: &[Vec<u8>]) -> bool {
    pieces.iter().filter(|piece| !piece.is_empty()).all(|piece| {
        let Some(at) = bytes.windows(piece.len()).position(|window| window == *piece) else { return false };
        bytes = bytes.get(at + piece.len()..).unwrap_or_default();
        true
    })
}

type Answer = (Box<ResponseHead>, Bytes, Option<String>);

/// Sends a request and reads the whole answer: head, body, and `grpc-status` of the trailers.
async fn exchange(conn: &ClientConn, head: &RequestHead, body: Option<Bytes>) -> Result<Answer, Miss> {
    let (mut send, mut receive) = conn.send_request(head, body.is_none()).await?;
    if let Some(body) = body {
        send.data(body, true).await.map_err(|error| Miss(format!("{error:?}")))?;
    }
    let answer = read(&mut receive).await;
    answer.map_err(|error| Miss(format!("{error:?}")))
}

async fn read(receive: &mut RecvResponse) -> Result<Answer, weft_http::StreamError> {
    let head = loop {
        let head = receive.head().await?;
        if !head.is_interim() {
            break head;
        }
    };
    let mut body = BytesMut::new();
    loop {
        match receive.body().next().await? {
            Frame::Data(data) if body.len() < MOST => body.extend_from_slice(&data),
            Frame::Data(_) => {}
            Frame::Trailers(fields) => {
                return Ok((head, body.freeze(), fields.get_str("grpc-status").map(str::to_owned)));
            }
            Frame::End => return Ok((head, body.freeze(), None)),
        }
    }
}

/// `HealthCheckRequest` as one gRPC message.
fn question(service: &str) -> Bytes {
    let mut message = BytesMut::new();
    if !service.is_empty() {
        message.put_u8(0x0a);
        let mut length = service.len();
        while length >= 0x80 {
            message.put_u8(u8::try_from(length & 0x7f).unwrap_or(0) | 0x80);
            length >>= 7;
        }
        message.put_u8(u8::try_from(length).unwrap_or(0));
        message.extend_from_slice(service.as_bytes());
    }
    let mut framed = BytesMut::new();
    framed.put_u8(0);
    framed.put_u32(u32::try_from(message.len()).unwrap_or(0));
    framed.extend_from_slice(&message);
    framed.freeze()
}

fn judge_grpc(head: &ResponseHead, body: &[u8], status: Option<&str>) -> Reading {
    let grpc = head.headers.get("content-type").is_some_and(is_content_type);
    let status = status.or_else(|| head.headers.get_str("grpc-status"));
    let serving = body.get(5..).is_some_and(|message| message.starts_with(&SERVING));
    if head.status == 200 && grpc && status == Some("0") && serving {
        Reading::Passed { degraded: false }
    } else {
        Reading::Failed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_must_come_in_order_with_anything_between() {
        let pieces = [b"ab".to_vec(), b"cd".to_vec()];
        assert!(has_in_order(b"xabyycd", &pieces));
        assert!(!has_in_order(b"cdab", &pieces));
        assert!(!has_in_order(b"abc", &pieces));
        assert!(has_in_order(b"", &[]));
    }

    #[test]
    fn a_question_is_one_grpc_message() {
        assert_eq!(&question("")[..], [0, 0, 0, 0, 0]);
        assert_eq!(&question("ab")[..], [0, 0, 0, 0, 4, 0x0a, 2, b'a', b'b']);
        let long = "x".repeat(300);
        assert_eq!(question(&long)[..8], [0, 0, 0, 1, 0x2f, 0x0a, 0xac, 2]);
    }

    #[test]
    fn only_serving_is_well() {
        let mut head = ResponseHead::new(200);
        head.headers.append("content-type", "application/grpc");
        let passed = Reading::Passed { degraded: false };
        assert_eq!(judge_grpc(&head, &[0, 0, 0, 0, 2, 8, 1], Some("0")), passed);
        assert_eq!(judge_grpc(&head, &[0, 0, 0, 0, 2, 8, 2], Some("0")), Reading::Failed);
        assert_eq!(judge_grpc(&head, &[0, 0, 0, 0, 2, 8, 1], Some("12")), Reading::Failed);
        assert_eq!(judge_grpc(&head, &[], None), Reading::Failed);
    }
}
