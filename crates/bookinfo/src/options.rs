//! The command line and the environment of the sample's containers.

use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use clap::{Parser, ValueEnum};

use crate::client::{Target, Via};

/// How long reviews v2 waits for ratings.
const RATINGS_TIMEOUT_V2: Duration = Duration::from_secs(10);
/// How long reviews v3 waits for ratings; less than productpage waits for it, on purpose.
const RATINGS_TIMEOUT_V3: Duration = Duration::from_millis(2500);

/// One service of Istio's Bookinfo sample.
#[derive(Debug, Clone, Parser)]
#[command(name = "weft-bookinfo")]
pub struct Options {
    /// Which of the four services to be.
    pub service: Service,

    /// Address to listen on.
    #[arg(long, env = "HOST", default_value = "127.0.0.1", value_name = "IP")]
    pub host: IpAddr,

    /// Port to listen on; 0 takes a free one.
    #[arg(long, env = "PORT", default_value_t = 9080)]
    pub port: u16,

    /// Permit a wildcard address (0.0.0.0, ::) as `--host`.
    #[arg(long)]
    pub wildcard: bool,

    /// Version; reviews has three, the others v1 only.
    #[arg(long, env = "SERVICE_VERSION", default_value = "v1")]
    pub version: Version,

    /// Instance name that reviews gives as `podname` [default: SERVICE-VERSION].
    #[arg(long, env = "HOSTNAME", value_name = "NAME")]
    pub pod_name: Option<String>,

    /// Cluster name that reviews gives as `clustername`.
    #[arg(long, env = "CLUSTER_NAME", default_value = "null", value_name = "NAME")]
    pub cluster_name: String,

    /// Host name of details.
    #[arg(long, env = "DETAILS_HOSTNAME", default_value = "details", value_name = "NAME")]
    pub details_hostname: String,

    /// Port of details.
    #[arg(long, env = "DETAILS_SERVICE_PORT", default_value_t = 9080, value_name = "PORT")]
    pub details_port: u16,

    /// Host name of reviews.
    #[arg(long, env = "REVIEWS_HOSTNAME", default_value = "reviews", value_name = "NAME")]
    pub reviews_hostname: String,

    /// Port of reviews.
    #[arg(long, env = "REVIEWS_SERVICE_PORT", default_value_t = 9080, value_name = "PORT")]
    pub reviews_port: u16,

    /// Host name of ratings.
    #[arg(long, env = "RATINGS_HOSTNAME", default_value = "ratings", value_name = "NAME")]
    pub ratings_hostname: String,

    /// Port of ratings.
    #[arg(long, env = "RATINGS_SERVICE_PORT", default_value_t = 9080, value_name = "PORT")]
    pub ratings_port: u16,

    /// Domain put behind each host name, as in `reviews.DOMAIN`.
    #[arg(long, env = "SERVICES_DOMAIN", default_value = "", value_name = "DOMAIN")]
    pub services_domain: String,

    /// HTTP proxy for all calls, `http://HOST:PORT`, such as a sidecar; empty calls directly.
    #[arg(long, env = "http_proxy", default_value = "", value_name = "URL")]
    http_proxy: Via,

    /// How long requests are still taken after SIGTERM, in seconds: others hear of the end only then. A second signal
    /// ends it at once.
    #[arg(long, env = "SHUTDOWN_DELAY", value_parser = seconds, default_value = "0", value_name = "SECONDS")]
    pub shutdown_delay: Duration,

    /// How long productpage waits for one answer, in seconds; it asks reviews twice.
    #[arg(long, value_parser = seconds, default_value = "3", value_name = "SECONDS")]
    page_timeout: Duration,

    /// How long reviews waits for ratings, in seconds [default: 10 in v2, 2.5 in v3].
    #[arg(long, value_parser = seconds, value_name = "SECONDS")]
    ratings_timeout: Option<Duration>,
}

/// A service of the sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Service {
    /// The page, and the API of products.
    Productpage,
    /// Facts about a book.
    Details,
    /// What two readers said, with stars from v2 on.
    Reviews,
    /// How many stars.
    Ratings,
}

impl fmt::Display for Service {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Productpage => "productpage",
            Self::Details => "details",
            Self::Reviews => "reviews",
            Self::Ratings => "ratings",
        })
    }
}

/// A version of a service.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Version {
    /// The first; reviews without stars.
    V1,
    /// Reviews with black stars.
    V2,
    /// Reviews with red stars.
    V3,
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
            Self::V3 => "v3",
        })
    }
}

impl Options {
    pub(crate) fn details(&self) -> Target {
        self.target(&self.details_hostname, self.details_port)
    }

    pub(crate) fn reviews(&self) -> Target {
        self.target(&self.reviews_hostname, self.reviews_port)
    }

    pub(crate) fn ratings(&self) -> Target {
        self.target(&self.ratings_hostname, self.ratings_port)
    }

    fn target(&self, hostname: &str, port: u16) -> Target {
        let domain = &self.services_domain;
        let host = if domain.is_empty() { hostname.to_owned() } else { format!("{hostname}.{domain}") };
        Target { host, port }
    }

    pub(crate) fn via(&self) -> Via {
        self.http_proxy.clone()
    }

    pub(crate) fn page_timeout(&self) -> Duration {
        self.page_timeout
    }

    /// What reviews waits for ratings; of no meaning in v1, which does not call it.
    pub(crate) fn ratings_timeout(&self) -> Duration {
        self.ratings_timeout.unwrap_or(match self.version {
            Version::V1 | Version::V2 => RATINGS_TIMEOUT_V2,
            Version::V3 => RATINGS_TIMEOUT_V3,
        })
    }

    pub(crate) fn instance(&self) -> String {
        self.pod_name.clone().unwrap_or_else(|| format!("{}-{}", self.service, self.version))
    }
}

fn seconds(text: &str) -> Result<Duration, String> {
    let number: f64 = text.parse().map_err(|_| "not a number of seconds".to_owned())?;
    Duration::try_from_secs_f64(number).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> Options {
        Options::parse_from([&["weft-bookinfo"], arguments].concat())
    }

    #[test]
    fn waiting_times_are_those_of_the_sample() {
        assert_eq!(options(&["productpage"]).page_timeout(), Duration::from_secs(3));
        assert_eq!(options(&["reviews", "--version", "v2"]).ratings_timeout(), Duration::from_secs(10));
        assert_eq!(options(&["reviews", "--version", "v3"]).ratings_timeout(), Duration::from_millis(2500));
        let own = options(&["reviews", "--version", "v3", "--ratings-timeout", "0.25"]);
        assert_eq!(own.ratings_timeout(), Duration::from_millis(250));
    }

    #[test]
    fn a_domain_stands_behind_every_host_name() {
        let options = options(&["productpage", "--services-domain", "test.svc", "--reviews-port", "81"]);
        assert_eq!(options.details().to_string(), "details.test.svc:9080");
        assert_eq!(options.reviews().to_string(), "reviews.test.svc:81");
    }

    #[test]
    fn impossible_durations_and_proxies_are_refused() {
        for bad in [
            ["--page-timeout", "-1"],
            ["--page-timeout", "NaN"],
            ["--page-timeout", "soon"],
            ["--http-proxy", "https://127.0.0.1:1"],
            ["--http-proxy", "http://127.0.0.1:1/path"],
            ["--http-proxy", "no port"],
        ] {
            let arguments = ["weft-bookinfo", "productpage"].into_iter().chain(bad);
            assert!(Options::try_parse_from(arguments).is_err(), "{bad:?}");
        }
    }
}
