//! Metrics of proxy, application and agent as one text. Source: SD-18, CP-15.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::SystemTime;

use serde::Deserialize;
use weft_ca::WorkloadCertificate;

/// Where the application's metrics are: what the injector keeps of its annotations in
/// `ISTIO_PROMETHEUS_ANNOTATIONS`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scrape {
    /// Where it listens.
    pub address: SocketAddr,
    /// Path, by default `/metrics`.
    pub path: String,
}

/// The variable's JSON.
#[derive(Deserialize)]
#[serde(default)]
struct Annotations {
    scrape: String,
    path: String,
    port: String,
}

impl Default for Annotations {
    fn default() -> Self {
        Self { scrape: String::new(), path: "/metrics".to_owned(), port: "80".to_owned() }
    }
}

impl Scrape {
    /// Reads the variable; `None` when the application is not to be scraped.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn read(text: &str) -> Result<Option<Self>, String> {
        let refused = |reason: String| format!("ISTIO_PROMETHEUS_ANNOTATIONS: {text:?}: {reason}");
        let Annotations { scrape, path, port } =
            serde_json::from_str(text).map_err(|error| refused(error.to_string()))?;
        if scrape != "true" {
            return Ok(None);
        }
        let port: u16 = port.parse().map_err(|_| refused("port is no number".to_owned()))?;
        // The agent's own port would ask itself for ever.
        if port == crate::bootstrap::AGENT_PORT {
            return Err(refused("port is the agent's own".to_owned()));
        }
        let path = if path.starts_with('/') { path } else { format!("/{path}") };
        Ok(Some(Self { address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)), path }))
    }
}

/// The agent's own metrics: how long the certificate lasts.
#[must_use]
pub fn own(certificate: Option<&WorkloadCertificate>, now: SystemTime) -> String {
    let Some(certificate) = certificate else { return String::new() };
    let seconds = match certificate.lifetime.until.duration_since(now) {
        Ok(left) => left.as_secs_f64(),
        Err(over) => -over.duration().as_secs_f64(),
    };
    format!(
        "# HELP istio_agent_cert_expiry_seconds Time until the certificate ends.\n\
         # TYPE istio_agent_cert_expiry_seconds gauge\n\
         istio_agent_cert_expiry_seconds{{resource_name=\"default\"}} {seconds}\n"
    )
}

/// Joins texts of metrics: each ends its last line, and an end mark of OpenMetrics, which only the last
/// line of all may be, is dropped.
#[must_use]
pub fn merge(texts: &[&[u8]]) -> Vec<u8> {
    let mut all = Vec::with_capacity(texts.iter().map(|text| text.len() + 1).sum());
    for text in texts {
        let text = text.trim_ascii_end();
        let text = text.strip_suffix(b"# EOF").unwrap_or(text);
        all.extend_from_slice(text);
        if !all.is_empty() && !all.ends_with(b"\n") {
            all.push(b'\n');
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_application_is_scraped_as_its_annotations_say() {
        let read = Scrape::read(r#"{"scrape":"true","path":"m","port":"9090"}"#).unwrap().unwrap();
        assert_eq!((read.address.to_string().as_str(), read.path.as_str()), ("127.0.0.1:9090", "/m"));
        assert_eq!(Scrape::read(r#"{"scrape":"false"}"#).unwrap(), None);
        assert!(Scrape::read(r#"{"scrape":"true","port":"15020"}"#).unwrap_err().contains("own"));
        assert!(Scrape::read("{").is_err());
    }

    #[test]
    fn texts_are_joined_line_by_line() {
        let merged = merge(&[b"a 1\n# EOF\n", b"", b"b 2", b"c 3\n"]);
        assert_eq!(merged, b"a 1\nb 2\nc 3\n");
    }
}
