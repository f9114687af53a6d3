//! HTTP and HTTPS probes.

use std::net::IpAddr;
use std::sync::Arc;

use bytes::{Bytes, BytesMut};
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, StatusCode, Uri};
use http_body_util::{BodyExt as _, Empty};
use hyper::body::{Body as _, Incoming};
use hyper::client::conn::{http1, http2};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::TlsConnector;

use super::location::{Led, Place, follow};
use super::{Answer, HttpGet, MAX_BODY_BYTES, anyone, dial};
use crate::bootstrap::AGENT_PORT;

/// Most requests of one probe: the first, and those after redirects. Source: the kubelet.
const MAX_REQUESTS: usize = 10;
/// Fields that are between the kubelet and us.
const BETWEEN_US: [HeaderName; 8] = [
    header::CONNECTION,
    header::CONTENT_LENGTH,
    header::HOST,
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    HeaderName::from_static("keep-alive"),
];

/// Asks, follows redirects, and gives the application's status and the beginning of what it says.
pub(super) async fn get(get: &HttpGet, ip: IpAddr, asked: &HeaderMap) -> Result<Answer, String> {
    let headers = fields(get, asked);
    let mut host = host(get, asked);
    let mut place = Place { secure: get.secure, port: get.port, path: get.path.clone() };
    let name = ip.to_string();
    for _ in 0..MAX_REQUESTS {
        let response = once(ip, &place, host.as_deref(), &headers).await?;
        let status = response.status();
        let location = response.headers().get(header::LOCATION).filter(|_| leads(status));
        match location.map(|value| follow(&place, &name, &String::from_utf8_lossy(value.as_bytes()))) {
            Some(Ok(Led::Here(next, named))) => {
                host = host.filter(|_| !named);
                place = next;
            }
            Some(Err(reason)) => return Err(reason),
            // Kubernetes takes a redirect to elsewhere for an application that is well.
            Some(Ok(Led::Away)) => return Ok(Answer::fine()),
            None if status.is_redirection() => return Ok(Answer::fine()),
            None => return Ok(Answer { status, body: beginning(response.into_body()).await }),
        }
    }
    Err(format!("stopped after {MAX_REQUESTS} redirects"))
}

fn leads(status: StatusCode) -> bool {
    matches!(status.as_u16(), 301 | 302 | 303 | 307 | 308)
}

/// Host of the probe's own fields, its `host`, or the kubelet's; our port is replaced by the application's.
fn host(get: &HttpGet, asked: &HeaderMap) -> Option<String> {
    let text = |value: &HeaderValue| value.to_str().ok().map(str::to_owned);
    if let Some(own) = get.headers.get(header::HOST).and_then(text) {
        return Some(own);
    }
    if let Some(host) = &get.host {
        return Some(if host.contains(':') {
            format!("[{host}]:{}", get.port)
        } else {
            format!("{host}:{}", get.port)
        });
    }
    let asked = asked.get(header::HOST).and_then(text)?;
    let ours = format!(":{AGENT_PORT}");
    Some(asked.strip_suffix(&ours).map_or(asked.clone(), |host| format!("{host}:{}", get.port)))
}

/// What the kubelet sent, and those fields of the probe that the injector did not leave to the kubelet.
fn fields(get: &HttpGet, asked: &HeaderMap) -> HeaderMap {
    let mut headers = asked.clone();
    for name in BETWEEN_US {
        headers.remove(name);
    }
    for name in get.headers.keys().filter(|name| **name != header::HOST && !asked.contains_key(*name)) {
        for value in get.headers.get_all(name) {
            headers.append(name, value.clone());
        }
    }
    headers
}

async fn once(
    ip: IpAddr,
    place: &Place,
    host: Option<&str>,
    headers: &HeaderMap,
) -> Result<Response<Incoming>, String> {
    let stream = dial::dial(ip, place.port).await?;
    let address = std::net::SocketAddr::new(ip, place.port);
    let own = address.to_string();
    let request = Ask { place, host: host.unwrap_or(&own), headers };
    let failed = |reason: String| format!("{} from {address}: {reason}", place.path);
    if !place.secure {
        return http1(stream, request).await.map_err(failed);
    }
    let config = anyone::config().map_err(|error| failed(error.to_string()))?;
    let handshake = TlsConnector::from(Arc::new(config)).connect(ServerName::from(ip), stream);
    let stream = handshake.await.map_err(|error| failed(format!("TLS: {error}")))?;
    if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
        http2(stream, request).await.map_err(failed)
    } else {
        http1(stream, request).await.map_err(failed)
    }
}

/// One request to be written.
#[derive(Clone, Copy)]
struct Ask<'a> {
    place: &'a Place,
    host: &'a str,
    headers: &'a HeaderMap,
}

impl Ask<'_> {
    fn request(self, uri: Uri) -> Request<Empty<Bytes>> {
        let mut request = Request::new(Empty::new());
        *request.uri_mut() = uri;
        *request.headers_mut() = self.headers.clone();
        request
    }
}

async fn http1(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ask: Ask<'_>,
) -> Result<Response<Incoming>, String> {
    let uri = ask.place.path.parse().map_err(|error: http::uri::InvalidUri| error.to_string())?;
    let mut request = ask.request(uri);
    let host = HeaderValue::from_str(ask.host).map_err(|error| format!("host {:?}: {error}", ask.host))?;
    request.headers_mut().insert(header::HOST, host);
    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(|error| error.to_string())?;
    // Ends when sender and body are dropped, with the probe at the latest.
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|error| crate::channel::causes(&error))
}

async fn http2(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    ask: Ask<'_>,
) -> Result<Response<Incoming>, String> {
    let uri = Uri::builder().scheme("https").authority(ask.host).path_and_query(ask.place.path.as_str());
    let request = ask.request(uri.build().map_err(|error| format!("host {:?}: {error}", ask.host))?);
    let (mut sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
        .await
        .map_err(|error| crate::channel::causes(&error))?;
    tokio::spawn(connection);
    sender.send_request(request).await.map_err(|error| crate::channel::causes(&error))
}

/// The beginning of a body; one that breaks off is as long as it came.
async fn beginning(mut body: Incoming) -> Bytes {
    let mut read = BytesMut::new();
    while read.len() < MAX_BODY_BYTES && !body.is_end_stream() {
        let Some(Ok(frame)) = body.frame().await else { break };
        if let Some(data) = frame.data_ref() {
            read.extend_from_slice(&data[..data.len().min(MAX_BODY_BYTES - read.len())]);
        }
    }
    read.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn probe(host: Option<&str>, headers: &[(&'static str, &'static str)]) -> HttpGet {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(*name, HeaderValue::from_static(value));
        }
        HttpGet { secure: false, port: 80, path: "/".into(), host: host.map(str::to_owned), headers: map }
    }

    #[test]
    fn the_application_reads_its_own_host() {
        let mut asked = HeaderMap::new();
        assert_eq!(host(&probe(None, &[]), &asked), None);
        asked.insert(header::HOST, HeaderValue::from_static("10.0.0.1:15020"));
        assert_eq!(host(&probe(None, &[]), &asked).as_deref(), Some("10.0.0.1:80"));
        assert_eq!(host(&probe(Some("a.test"), &[]), &asked).as_deref(), Some("a.test:80"));
        assert_eq!(host(&probe(Some("a.test"), &[("host", "b.test")]), &asked).as_deref(), Some("b.test"));
        asked.insert(header::HOST, HeaderValue::from_static("a.test:150"));
        assert_eq!(host(&probe(None, &[]), &asked).as_deref(), Some("a.test:150"));
    }

    #[test]
    fn fields_come_once_whoever_keeps_them() {
        let probe = probe(None, &[("x-a", "1"), ("x-a", "2"), ("x-b", "3")]);
        let mut asked = HeaderMap::new();
        asked.insert("connection", HeaderValue::from_static("close"));
        asked.insert("user-agent", HeaderValue::from_static("kube-probe/1.35"));
        asked.insert("x-b", HeaderValue::from_static("3"));
        let fields = fields(&probe, &asked);
        assert_eq!(fields.get_all("x-a").iter().count(), 2);
        assert_eq!(fields.get_all("x-b").iter().count(), 1);
        assert_eq!(fields["user-agent"], "kube-probe/1.35");
        assert!(!fields.contains_key("connection"));
    }
}
