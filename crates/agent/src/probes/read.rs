//! What the injector keeps of a pod's probes: JSON, path → probe.

use std::collections::BTreeMap;
use std::time::Duration;

use http::header::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Map, Value as Json};

use super::{HOOK_TIMEOUT, Handler, HttpGet, PROBE_TIMEOUT, Prober};

/// The variable of the proxy's container that holds the probes.
pub const VARIABLE: &str = "ISTIO_KUBE_APP_PROBERS";

/// Why the variable is not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{VARIABLE}{}{at}: {reason}; the injector writes this variable: inject the pod anew", if at.is_empty() { "" } else { ": " })]
pub struct MalformedProbe {
    /// Path of the probe and its field; empty: the whole.
    pub at: String,
    /// What is wrong with it.
    pub reason: String,
}

fn malformed(at: impl Into<String>, reason: impl Into<String>) -> MalformedProbe {
    MalformedProbe { at: at.into(), reason: reason.into() }
}

/// Reads it.
///
/// # Errors
/// Which probe and field is wrong, and how.
pub(super) fn read(text: &str) -> Result<BTreeMap<String, Prober>, MalformedProbe> {
    let all: Map<String, Json> =
        serde_json::from_str(text).map_err(|error| malformed("", error.to_string()))?;
    all.into_iter().map(|(path, probe)| prober(&path, &probe).map(|probe| (path, probe))).collect()
}

fn prober(path: &str, probe: &Json) -> Result<Prober, MalformedProbe> {
    let default = default_timeout(path).ok_or_else(|| {
        malformed(
            path,
            "wanted /app-health/CONTAINER/(livez|readyz|startupz) or /app-lifecycle/CONTAINER/(prestopz|poststartz)",
        )
    })?;
    let probe = At { path: path.to_owned(), of: object(path, probe)? };
    let kinds = ["httpGet", "tcpSocket", "grpc"].map(|kind| probe.of.get(kind).filter(|it| !it.is_null()));
    let handler = match kinds {
        [Some(get), None, None] => Handler::Http(probe.inner("httpGet", get)?.http_get()?),
        [None, Some(socket), None] => Handler::Tcp { port: probe.inner("tcpSocket", socket)?.port()? },
        [None, None, Some(grpc)] => {
            let grpc = probe.inner("grpc", grpc)?;
            Handler::Grpc {
                port: grpc.port()?,
                service: grpc.text("service")?.unwrap_or_default().to_owned(),
            }
        }
        _ => return Err(malformed(path, "wanted one of httpGet, tcpSocket and grpc")),
    };
    let timeout = match probe.of.get("timeoutSeconds") {
        None | Some(Json::Null) => default,
        Some(seconds) => match seconds.as_u64() {
            Some(0) => default,
            Some(seconds) => Duration::from_secs(seconds).min(HOOK_TIMEOUT),
            None => {
                let reason = format!("wanted whole seconds, not {seconds}");
                return Err(malformed(format!("{path}: timeoutSeconds"), reason));
            }
        },
    };
    Ok(Prober { handler, timeout })
}

/// Time-out by what the path is for; `None`: it is no probe's path.
fn default_timeout(path: &str) -> Option<Duration> {
    let mut parts = path.strip_prefix('/')?.split('/');
    let (kind, container, end) = (parts.next()?, parts.next()?, parts.next()?);
    let default = match (kind, end) {
        ("app-health", "livez" | "readyz" | "startupz") => PROBE_TIMEOUT,
        ("app-lifecycle", "prestopz" | "poststartz") => HOOK_TIMEOUT,
        _ => return None,
    };
    (!container.is_empty() && parts.next().is_none()).then_some(default)
}

fn object<'a>(at: &str, json: &'a Json) -> Result<&'a Map<String, Json>, MalformedProbe> {
    json.as_object().ok_or_else(|| malformed(at, format!("wanted an object, not {json}")))
}

/// An object and where it stands.
struct At<'a> {
    path: String,
    of: &'a Map<String, Json>,
}

impl<'a> At<'a> {
    fn inner(&self, field: &str, json: &'a Json) -> Result<At<'a>, MalformedProbe> {
        let path = format!("{}: {field}", self.path);
        let of = object(&path, json)?;
        Ok(At { path, of })
    }

    fn at(&self, field: &str) -> String {
        format!("{}.{field}", self.path)
    }

    fn port(&self) -> Result<u16, MalformedProbe> {
        let port = self.of.get("port").unwrap_or(&Json::Null);
        let number = port.as_u64().and_then(|port| u16::try_from(port).ok()).filter(|port| *port > 0);
        number
            .ok_or_else(|| malformed(self.at("port"), format!("wanted a number from 1 to 65535, not {port}")))
    }

    fn text(&self, field: &str) -> Result<Option<&'a str>, MalformedProbe> {
        match self.of.get(field) {
            None | Some(Json::Null) => Ok(None),
            Some(Json::String(text)) => Ok(Some(text.as_str()).filter(|text| !text.is_empty())),
            Some(other) => Err(malformed(self.at(field), format!("wanted a string, not {other}"))),
        }
    }

    fn http_get(&self) -> Result<HttpGet, MalformedProbe> {
        let secure = match self.text("scheme")? {
            None | Some("HTTP") => false,
            Some("HTTPS") => true,
            Some(other) => {
                return Err(malformed(self.at("scheme"), format!("wanted HTTP or HTTPS, not {other:?}")));
            }
        };
        let host = self.text("host")?.map(str::to_owned);
        if host.as_ref().is_some_and(|host| HeaderValue::from_str(host).is_err()) {
            return Err(malformed(self.at("host"), "cannot stand in a field Host"));
        }
        let path = path_of(self.text("path")?.unwrap_or_default());
        if let Err(error) = path.parse::<http::uri::PathAndQuery>() {
            return Err(malformed(self.at("path"), format!("{path:?}: {error}")));
        }
        Ok(HttpGet { secure, port: self.port()?, path, host, headers: self.headers()? })
    }

    fn headers(&self) -> Result<HeaderMap, MalformedProbe> {
        let mut headers = HeaderMap::new();
        let list = match self.of.get("httpHeaders") {
            None | Some(Json::Null) => return Ok(headers),
            Some(Json::Array(list)) => list,
            Some(other) => {
                return Err(malformed(self.at("httpHeaders"), format!("wanted a list, not {other}")));
            }
        };
        for (index, field) in list.iter().enumerate() {
            let path = self.at(&format!("httpHeaders[{index}]"));
            let field = At { of: object(&path, field)?, path };
            let name = field.text("name")?.unwrap_or_default();
            let value = field.text("value")?.unwrap_or_default();
            let name: HeaderName = name
                .parse()
                .map_err(|_| malformed(field.at("name"), format!("{name:?} is no field name")))?;
            let value = HeaderValue::from_str(value)
                .map_err(|_| malformed(field.at("value"), format!("{value:?} cannot stand in a field")))?;
            let full = headers.try_append(name, value);
            full.map_err(|_| malformed(self.at("httpHeaders"), "too many"))?;
        }
        Ok(headers)
    }
}

/// As it stands in a request: with its slash, and what may not stand there in percent signs.
fn path_of(path: &str) -> String {
    let mut out = String::with_capacity(path.len() + 1);
    if !path.starts_with('/') {
        out.push('/');
    }
    for byte in path.bytes() {
        match byte {
            b'!' | b'$'..=b';' | b'=' | b'?'..=b'[' | b']' | b'_' | b'a'..=b'z' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_are_read_as_the_injector_writes_them() {
        let read = read(
            r#"{"/app-health/a/livez":{"httpGet":{"path":"health it?x=%20","port":80,"scheme":"HTTPS","host":"h",
                 "httpHeaders":[{"name":"X-A","value":"1"}]},"timeoutSeconds":3},
                "/app-health/a/readyz":{"tcpSocket":{"port":81}},
                "/app-health/a/startupz":{"grpc":{"port":82,"service":null}},
                "/app-lifecycle/a/prestopz":{"httpGet":{"port":83},"later":true}}"#,
        )
        .unwrap();
        let get = |secure, port, path: &str| HttpGet {
            secure,
            port,
            path: path.into(),
            host: None,
            headers: HeaderMap::new(),
        };
        let headers = HeaderMap::from_iter([(HeaderName::from_static("x-a"), HeaderValue::from_static("1"))]);
        let first = HttpGet { host: Some("h".into()), headers, ..get(true, 80, "/health%20it?x=%20") };
        let prober = |handler, timeout| Prober { handler, timeout };
        assert_eq!(read["/app-health/a/livez"], prober(Handler::Http(first), Duration::from_secs(3)));
        assert_eq!(read["/app-health/a/readyz"], prober(Handler::Tcp { port: 81 }, PROBE_TIMEOUT));
        let grpc = Handler::Grpc { port: 82, service: String::new() };
        assert_eq!(read["/app-health/a/startupz"], prober(grpc, PROBE_TIMEOUT));
        let hook = Handler::Http(get(false, 83, "/"));
        assert_eq!(read["/app-lifecycle/a/prestopz"], prober(hook, HOOK_TIMEOUT));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, said) in [
            ("{", "ISTIO_KUBE_APP_PROBERS: EOF"),
            ("[]", "ISTIO_KUBE_APP_PROBERS: invalid type"),
            (r#"{"/app-health/a/b/livez":{}}"#, "/app-health/a/b/livez: wanted /app-health/CONTAINER/"),
            (r#"{"/app-health/a/livez":[]}"#, "/app-health/a/livez: wanted an object, not []"),
            (r#"{"/app-health/a/livez":{}}"#, "livez: wanted one of httpGet, tcpSocket and grpc"),
            (r#"{"/app-health/a/livez":{"grpc":{"port":1},"tcpSocket":{"port":1}}}"#, "wanted one of"),
            (
                r#"{"/app-health/a/livez":{"httpGet":{"port":"http"}}}"#,
                "livez: httpGet.port: wanted a number from 1 to 65535, not \"http\"",
            ),
            (
                r#"{"/app-health/a/livez":{"httpGet":{"port":1,"scheme":"http"}}}"#,
                "httpGet.scheme: wanted HTTP",
            ),
            (
                r#"{"/app-health/a/livez":{"httpGet":{"port":1,"httpHeaders":[{"name":"a b"}]}}}"#,
                "httpGet.httpHeaders[0].name: \"a b\" is no field name",
            ),
            (
                r#"{"/app-health/a/livez":{"grpc":{"port":1},"timeoutSeconds":-1}}"#,
                "livez: timeoutSeconds: wanted",
            ),
        ] {
            let said_now = read(text).unwrap_err().to_string();
            assert!(said_now.contains(said), "{text}: {said_now}");
        }
    }
}
