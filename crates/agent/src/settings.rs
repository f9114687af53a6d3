//! Flags and environment → one checked value.
//!
//! The flags are shared by `weft-proxy sidecar`, `router` and `agent`. Each has as default the variable that
//! Istio's injector sets (CP-13), so that an injected pod needs none.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use serde_json::Value as Json;

use crate::channel::Server;
use crate::identity::IdentityConfig;
use crate::node::{NodeArgs, Role};

/// Address of the control plane when nothing names one.
pub const DEFAULT_DISCOVERY: &str = "istiod.istio-system.svc:15012";
/// Name that the control plane's certificate carries.
pub const DEFAULT_DISCOVERY_NAME: &str = "istiod.istio-system.svc";
/// Where the injector mounts the mesh's root.
pub const DEFAULT_ROOT_CERT: &str = "./var/run/secrets/istio/root-cert.pem";
/// Where the injector mounts the token.
pub const DEFAULT_TOKEN: &str = "./var/run/secrets/tokens/istio-token";
/// Where the injector mounts the pod's labels (downward API).
pub const POD_LABELS: &str = "./etc/istio/pod/labels";

/// The flags as given.
#[derive(Clone, Debug, Default, clap::Args)]
pub struct Flags {
    /// Control plane, `host:port` (env WEFT_DISCOVERY, else discoveryAddress of PROXY_CONFIG).
    #[arg(long, value_name = "ADDR")]
    pub discovery: Option<String>,
    /// Certificate service, `host:port` (env CA_ADDR; default: the control plane).
    #[arg(long, value_name = "ADDR")]
    pub ca: Option<String>,
    /// Name that the control plane's certificate must carry [default: istiod.istio-system.svc].
    #[arg(long, value_name = "NAME")]
    pub discovery_name: Option<String>,
    /// File with the mesh's root certificate [default: ./var/run/secrets/istio/root-cert.pem].
    #[arg(long, value_name = "FILE")]
    pub root_cert: Option<PathBuf>,
    /// File with the token of the service account [default: ./var/run/secrets/tokens/istio-token].
    #[arg(long, value_name = "FILE")]
    pub token: Option<PathBuf>,
    /// Name of the pod (env POD_NAME).
    #[arg(long, value_name = "NAME")]
    pub pod_name: Option<String>,
    /// Namespace (env POD_NAMESPACE).
    #[arg(long, value_name = "NAME")]
    pub namespace: Option<String>,
    /// Service account (env SERVICE_ACCOUNT) [default: default].
    #[arg(long, value_name = "NAME")]
    pub service_account: Option<String>,
    /// Address of the workload, or several with commas (env INSTANCE_IP).
    #[arg(long, value_name = "IP")]
    pub ip: Option<String>,
    /// Labels, `k=v,k=v` (env ISTIO_METAJSON_LABELS, JSON; else the file etc/istio/pod/labels).
    #[arg(long, value_name = "LABELS")]
    pub labels: Option<String>,
    /// Name of the Deployment (env ISTIO_META_WORKLOAD_NAME).
    #[arg(long, value_name = "NAME")]
    pub workload_name: Option<String>,
    /// Name of the cluster (env ISTIO_META_CLUSTER_ID) [default: Kubernetes].
    #[arg(long, value_name = "NAME")]
    pub cluster_id: Option<String>,
    /// Network (env ISTIO_META_NETWORK, else the label topology.istio.io/network).
    #[arg(long, value_name = "NAME")]
    pub network: Option<String>,
    /// Name of the mesh (env ISTIO_META_MESH_ID).
    #[arg(long, value_name = "NAME")]
    pub mesh_id: Option<String>,
    /// How traffic reaches the proxy: REDIRECT, TPROXY or NONE (env ISTIO_META_INTERCEPTION_MODE) [default: REDIRECT].
    #[arg(long, value_name = "MODE", value_parser = ["REDIRECT", "TPROXY", "NONE"])]
    pub interception_mode: Option<String>,
    /// Trust domain (env TRUST_DOMAIN) [default: cluster.local].
    #[arg(long, value_name = "DOMAIN")]
    pub trust_domain: Option<String>,
    /// Address for ports 15020, 15021 and 15090.
    #[arg(long, value_name = "IP", default_value = "0.0.0.0")]
    pub bind: Option<IpAddr>,
    /// Admin page.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:15000")]
    pub admin: Option<SocketAddr>,
    /// Worker threads; 0 is one a core (env ISTIO_CPU_LIMIT).
    #[arg(long, value_name = "N")]
    pub concurrency: Option<usize>,
    /// How long open connections may go on, seconds [default: 45].
    #[arg(long, value_name = "SECONDS")]
    pub drain_time_s: Option<u64>,
    /// Log filter [default: warn].
    #[arg(long, value_name = "FILTER")]
    pub log_level: Option<String>,
}

/// Settings as they are in force.
#[derive(Clone, Debug, PartialEq)]
pub struct Settings {
    /// Who the proxy is.
    pub node: NodeArgs,
    /// Control plane, `host:port`.
    pub discovery: String,
    /// Certificate service, `host:port`.
    pub ca: String,
    /// Name that both must show.
    pub discovery_name: String,
    /// Roots to know them by.
    pub root_cert: PathBuf,
    /// Token file.
    pub token: PathBuf,
    /// Life of certificates that is asked for (env SECRET_TTL in seconds or as `24h`); `None`: the authority's.
    pub secret_ttl: Option<Duration>,
    /// Address for ports 15020, 15021 and 15090.
    pub bind: IpAddr,
    /// Admin page.
    pub admin: SocketAddr,
    /// Worker threads; 0 is one a core.
    pub concurrency: usize,
    /// Time for open connections (Envoy's `--drain-time-s`).
    pub drain_time: Duration,
    /// Time between SIGTERM and the end (env TERMINATION_DRAIN_DURATION_SECONDS, else
    /// terminationDrainDuration of PROXY_CONFIG; 5 s). Source: SD-19.
    pub termination_drain: Duration,
    /// Log filter.
    pub log_level: String,
}

/// Why settings are not taken.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// Nothing gives a value that must be there.
    #[error("no {what}: give {flag} or the environment variable {variable}")]
    Missing {
        /// What.
        what: &'static str,
        /// Its flag.
        flag: &'static str,
        /// Its variable.
        variable: &'static str,
    },
    /// A value cannot be read.
    #[error("{from}: {value:?}: {reason}")]
    Malformed {
        /// Flag, variable or file.
        from: String,
        /// What it says.
        value: String,
        /// Why it cannot be read.
        reason: String,
    },
}

impl Settings {
    /// Puts flags, environment and the pod's label file together; flags win.
    ///
    /// # Errors
    /// Pod name, namespace or address are missing, or something cannot be read.
    pub fn resolve(
        flags: Flags,
        role: Role,
        environment: &BTreeMap<String, String>,
        pod_labels: Option<&str>,
    ) -> Result<Self, SettingsError> {
        let variable = |name: &str| environment.get(name).filter(|text| !text.is_empty()).cloned();
        let required = |flag: Option<String>, what, name, variable_name| {
            flag.or_else(|| variable(variable_name))
                .filter(|text| !text.is_empty())
                .ok_or(SettingsError::Missing { what, flag: name, variable: variable_name })
        };
        let proxy_config = variable("PROXY_CONFIG").map(|text| json("PROXY_CONFIG", &text)).transpose()?;
        let configured = |key: &str| {
            let value = proxy_config.as_ref().and_then(|config| config.get(key));
            value.and_then(Json::as_str).map(str::to_owned)
        };
        let labels =
            labels(flags.labels.as_deref(), variable("ISTIO_METAJSON_LABELS").as_deref(), pod_labels)?;
        let ips: Vec<String> = required(flags.ip, "workload address", "--ip", "INSTANCE_IP")?
            .split(',')
            .map(|ip| address(ip.trim()))
            .collect::<Result<_, _>>()?;
        let discovery = flags
            .discovery
            .or_else(|| variable("WEFT_DISCOVERY"))
            .or_else(|| configured("discoveryAddress"))
            .unwrap_or_else(|| DEFAULT_DISCOVERY.to_owned());
        let trust_domain = flags
            .trust_domain
            .or_else(|| variable("TRUST_DOMAIN"))
            .unwrap_or_else(|| "cluster.local".to_owned());
        let termination_drain = variable("TERMINATION_DRAIN_DURATION_SECONDS")
            .map(|text| duration("TERMINATION_DRAIN_DURATION_SECONDS", &text))
            .or_else(|| {
                configured("terminationDrainDuration")
                    .map(|text| duration("terminationDrainDuration of PROXY_CONFIG", &text))
            })
            .transpose()?;
        let concurrency = flags
            .concurrency
            .or_else(|| variable("ISTIO_CPU_LIMIT").and_then(|text| text.trim().parse().ok()));
        let node = NodeArgs {
            role,
            ips,
            pod: required(flags.pod_name, "pod name", "--pod-name", "POD_NAME")?,
            namespace: required(flags.namespace, "namespace", "--namespace", "POD_NAMESPACE")?,
            service_account: flags
                .service_account
                .or_else(|| variable("SERVICE_ACCOUNT"))
                .unwrap_or_else(|| "default".to_owned()),
            workload: flags
                .workload_name
                .or_else(|| variable("ISTIO_META_WORKLOAD_NAME"))
                .unwrap_or_default(),
            cluster_id: flags
                .cluster_id
                .or_else(|| variable("ISTIO_META_CLUSTER_ID"))
                .unwrap_or_else(|| "Kubernetes".to_owned()),
            network: flags
                .network
                .or_else(|| variable("ISTIO_META_NETWORK"))
                .or_else(|| labels.get("topology.istio.io/network").cloned())
                .unwrap_or_default(),
            mesh_id: flags.mesh_id.or_else(|| variable("ISTIO_META_MESH_ID")).unwrap_or_default(),
            interception_mode: flags
                .interception_mode
                .or_else(|| variable("ISTIO_META_INTERCEPTION_MODE"))
                .unwrap_or_else(|| "REDIRECT".to_owned()),
            domain: "cluster.local".to_owned(),
            trust_domain,
            labels,
            proxy_config,
            extra: extra(environment)?,
        };
        Ok(Self {
            node,
            ca: flags.ca.or_else(|| variable("CA_ADDR")).unwrap_or_else(|| discovery.clone()),
            discovery,
            discovery_name: flags.discovery_name.unwrap_or_else(|| DEFAULT_DISCOVERY_NAME.to_owned()),
            root_cert: flags.root_cert.unwrap_or_else(|| DEFAULT_ROOT_CERT.into()),
            token: flags.token.unwrap_or_else(|| DEFAULT_TOKEN.into()),
            secret_ttl: variable("SECRET_TTL").map(|text| duration("SECRET_TTL", &text)).transpose()?,
            bind: flags.bind.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
            admin: flags.admin.unwrap_or_else(|| SocketAddr::from((Ipv4Addr::LOCALHOST, 15000))),
            concurrency: concurrency.unwrap_or(0),
            drain_time: Duration::from_secs(flags.drain_time_s.unwrap_or(45)),
            termination_drain: termination_drain.unwrap_or(Duration::from_secs(5)),
            log_level: flags.log_level.unwrap_or_else(|| "warn".to_owned()),
        })
    }

    /// The workload's first address; the loopback address if there is none.
    #[must_use]
    pub fn pod_ip(&self) -> IpAddr {
        let first = self.node.ips.first().and_then(|ip| ip.parse().ok());
        first.unwrap_or(IpAddr::V4(Ipv4Addr::LOCALHOST))
    }

    /// The control plane as ADS server.
    #[must_use]
    pub fn discovery_server(&self) -> Server {
        self.server(&self.discovery)
    }

    /// What the identity is obtained with.
    #[must_use]
    pub fn identity(&self) -> IdentityConfig {
        IdentityConfig {
            server: self.server(&self.ca),
            token: self.token.clone(),
            id: self.node.identity(),
            cluster_id: self.node.cluster_id.clone(),
            validity: self.secret_ttl,
        }
    }

    fn server(&self, address: &str) -> Server {
        Server {
            address: address.to_owned(),
            name: self.discovery_name.clone(),
            roots: self.root_cert.clone(),
        }
    }
}

fn malformed(from: &str, value: &str, reason: impl Into<String>) -> SettingsError {
    SettingsError::Malformed { from: from.to_owned(), value: value.to_owned(), reason: reason.into() }
}

fn json(from: &str, text: &str) -> Result<Json, SettingsError> {
    let value: Json = serde_json::from_str(text).map_err(|error| malformed(from, text, error.to_string()))?;
    if value.is_object() { Ok(value) } else { Err(malformed(from, text, "not a JSON object")) }
}

fn address(text: &str) -> Result<String, SettingsError> {
    let ip: IpAddr = text.parse().map_err(|error: std::net::AddrParseError| {
        malformed("--ip or INSTANCE_IP", text, error.to_string())
    })?;
    Ok(ip.to_string())
}

/// `15`, `15s`, `500ms`, `10m` or `24h`.
fn duration(from: &str, text: &str) -> Result<Duration, SettingsError> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| malformed(from, text, "not a duration such as 5s"))?;
    match unit {
        "" | "s" => Ok(Duration::from_secs(number)),
        "ms" => Ok(Duration::from_millis(number)),
        "m" => Ok(Duration::from_secs(number.saturating_mul(60))),
        "h" => Ok(Duration::from_secs(number.saturating_mul(3600))),
        "h0m0s" => Ok(Duration::from_secs(number.saturating_mul(3600))),
        _ => Err(malformed(from, text, "not a duration such as 5s")),
    }
}

fn labels(
    flag: Option<&str>,
    variable: Option<&str>,
    file: Option<&str>,
) -> Result<BTreeMap<String, String>, SettingsError> {
    if let Some(text) = flag {
        return text
            .split(',')
            .filter(|part| !part.is_empty())
            .map(|part| match part.split_once('=') {
                Some((key, value)) => Ok((key.to_owned(), value.to_owned())),
                None => Err(malformed("--labels", part, "wanted key=value")),
            })
            .collect();
    }
    if let Some(text) = variable {
        return serde_json::from_str(text)
            .map_err(|error| malformed("ISTIO_METAJSON_LABELS", text, error.to_string()));
    }
    // The downward API writes key="value", the value quoted as in Go, which for labels is as in JSON.
    file.unwrap_or_default()
        .lines()
        .filter_map(|line| line.split_once('='))
        .map(|(key, value)| {
            let value = serde_json::from_str(value)
                .map_err(|error| malformed(POD_LABELS, value, error.to_string()))?;
            Ok((key.to_owned(), value))
        })
        .collect()
}

/// `ISTIO_META_X` and `ISTIO_METAJSON_X` as metadata `X`, as Istio's agent does.
fn extra(environment: &BTreeMap<String, String>) -> Result<BTreeMap<String, Json>, SettingsError> {
    let mut extra = BTreeMap::new();
    for (name, text) in environment {
        if let Some(key) = name.strip_prefix("ISTIO_META_") {
            extra.insert(key.to_owned(), Json::String(text.clone()));
        } else if name.starts_with("ISTIO_METAJSON_") && name != "ISTIO_METAJSON_LABELS" {
            // The variable's own name does not matter: its JSON names the keys, but for this one.
            let value = json(name, text)?;
            match name.as_str() {
                "ISTIO_METAJSON_ANNOTATIONS" => {
                    extra.insert("ANNOTATIONS".to_owned(), value);
                }
                _ => extra.extend(value.as_object().cloned().unwrap_or_default()),
            }
        }
    }
    Ok(extra)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn environment(pairs: &[(&str, &str)]) -> BTreeMap<String, String> {
        let base = [("POD_NAME", "a-1"), ("POD_NAMESPACE", "ns"), ("INSTANCE_IP", "10.1.2.3")];
        base.iter().chain(pairs).map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    fn resolve(flags: Flags, pairs: &[(&str, &str)]) -> Result<Settings, SettingsError> {
        Settings::resolve(flags, Role::Sidecar, &environment(pairs), Some("app=\"x\"\nversion=\"v\\\"1\""))
    }

    #[test]
    fn an_injected_pod_needs_no_flags() {
        let config =
            r#"{"discoveryAddress":"istiod-r.istio-system.svc:15012","terminationDrainDuration":"7s"}"#;
        let settings = resolve(
            Flags::default(),
            &[
                ("PROXY_CONFIG", config),
                ("ISTIO_META_CLUSTER_ID", "c1"),
                ("ISTIO_META_OWNER", "kubernetes://x"),
                ("ISTIO_METAJSON_ANNOTATIONS", r#"{"a":"b"}"#),
                ("SECRET_TTL", "24h0m0s"),
            ],
        )
        .unwrap();
        assert_eq!(settings.discovery, "istiod-r.istio-system.svc:15012");
        assert_eq!(settings.ca, settings.discovery);
        assert_eq!(settings.termination_drain, Duration::from_secs(7));
        assert_eq!(settings.secret_ttl, Some(Duration::from_secs(86400)));
        assert_eq!(settings.node.id(), "sidecar~10.1.2.3~a-1.ns~ns.svc.cluster.local");
        assert_eq!(settings.node.labels["version"], "v\"1");
        assert_eq!(settings.node.cluster_id, "c1");
        assert_eq!(settings.node.extra["ANNOTATIONS"], json!({"a": "b"}));
        assert_eq!(settings.node.extra["OWNER"], json!("kubernetes://x"));
        assert_eq!(settings.identity().id.to_string(), "spiffe://cluster.local/ns/ns/sa/default");
    }

    #[test]
    fn flags_win_over_the_environment() {
        let flags = Flags {
            discovery: Some("127.0.0.1:1".into()),
            labels: Some("app=y".into()),
            ip: Some("127.64.0.1, ::1".into()),
            ..Flags::default()
        };
        let settings =
            resolve(flags, &[("WEFT_DISCOVERY", "other:1"), ("ISTIO_METAJSON_LABELS", r#"{"app":"z"}"#)])
                .unwrap();
        assert_eq!(settings.discovery, "127.0.0.1:1");
        assert_eq!(settings.node.labels, BTreeMap::from([("app".into(), "y".into())]));
        assert_eq!(settings.node.ips, ["127.64.0.1", "::1"]);
    }

    #[test]
    fn what_cannot_be_read_is_named() {
        let empty = BTreeMap::new();
        let missing = Settings::resolve(Flags::default(), Role::Sidecar, &empty, None).unwrap_err();
        assert_eq!(
            missing.to_string(),
            "no workload address: give --ip or the environment variable INSTANCE_IP"
        );
        for (name, value, said) in [
            ("INSTANCE_IP", "ten", "--ip or INSTANCE_IP: \"ten\": invalid IP"),
            ("PROXY_CONFIG", "[]", "not a JSON object"),
            ("ISTIO_METAJSON_LABELS", "{", "ISTIO_METAJSON_LABELS"),
            ("SECRET_TTL", "soon", "SECRET_TTL: \"soon\": not a duration"),
        ] {
            let refused = resolve(Flags::default(), &[(name, value)]).unwrap_err().to_string();
            assert!(refused.contains(said), "{refused}");
        }
    }
}
