//! The labels of a call.

use weft_tables::istio::MetricChange;

use super::UNKNOWN;

/// Which side reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reporter {
    /// The client's proxy.
    Source,
    /// The server's proxy.
    Destination,
}

/// One end of a call. What is empty is unknown.
#[derive(Clone, Copy, Debug, Default)]
pub struct Party<'a> {
    /// Name of the workload.
    pub workload: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
    /// Its identity, a SPIFFE id.
    pub principal: &'a str,
    /// Label `app`.
    pub app: &'a str,
    /// Label `version`.
    pub version: &'a str,
    /// Cluster of Kubernetes.
    pub cluster: &'a str,
    /// Canonical service.
    pub canonical_service: &'a str,
    /// Canonical revision; empty: `latest`.
    pub canonical_revision: &'a str,
}

/// The service that was called.
#[derive(Clone, Copy, Debug, Default)]
pub struct Service<'a> {
    /// Its host.
    pub host: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its namespace.
    pub namespace: &'a str,
}

/// Who called whom.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    /// Which side this is.
    pub reporter: Reporter,
    /// The client.
    pub source: Party<'a>,
    /// The server.
    pub destination: Party<'a>,
    /// The service.
    pub service: Service<'a>,
}

/// What was spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Protocol {
    /// HTTP.
    Http,
    /// gRPC.
    Grpc,
    /// Anything else.
    Tcp,
}

impl Protocol {
    fn name(self) -> &'static str {
        match self {
            Self::Http => "http",
            Self::Grpc => "grpc",
            Self::Tcp => "tcp",
        }
    }
}

/// How the connection was secured.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Security {
    /// Both ends proved who they are.
    MutualTls,
    /// They did not.
    None,
    /// The client's side does not say.
    Unknown,
}

impl Security {
    fn name(self) -> &'static str {
        match self {
            Self::MutualTls => "mutual_tls",
            Self::None => "none",
            Self::Unknown => UNKNOWN,
        }
    }
}

/// How it went.
#[derive(Clone, Copy, Debug)]
pub struct Outcome<'a> {
    /// What was spoken.
    pub protocol: Protocol,
    /// Status of HTTP; 0: no response. Of no meaning for TCP.
    pub code: u16,
    /// Status of gRPC; `None`: it was no gRPC.
    pub grpc_status: Option<u32>,
    /// Response flags, short names; `-`: none.
    pub flags: &'a str,
    /// How it was secured.
    pub security: Security,
}

/// Labels in the order of their making.
pub(super) type Labels = Vec<(Box<str>, Box<str>)>;

impl Call<'_> {
    /// Who and whom alone: the labels of message counts.
    pub(super) fn labels(&self) -> Labels {
        let (source, destination, service) = (&self.source, &self.destination, &self.service);
        let reporter = match self.reporter {
            Reporter::Source => "source",
            Reporter::Destination => "destination",
        };
        let revision = |party: &Party<'_>| or(party.canonical_revision, "latest");
        [
            ("reporter", reporter.into()),
            ("source_workload", known(source.workload)),
            ("source_canonical_service", known(source.canonical_service)),
            ("source_canonical_revision", revision(source)),
            ("source_workload_namespace", known(source.namespace)),
            ("source_principal", known(source.principal)),
            ("source_app", known(source.app)),
            ("source_version", known(source.version)),
            ("source_cluster", known(source.cluster)),
            ("destination_workload", known(destination.workload)),
            ("destination_workload_namespace", known(destination.namespace)),
            ("destination_principal", known(destination.principal)),
            ("destination_app", known(destination.app)),
            ("destination_version", known(destination.version)),
            ("destination_service", known(service.host)),
            ("destination_canonical_service", known(destination.canonical_service)),
            ("destination_canonical_revision", revision(destination)),
            ("destination_service_name", known(service.name)),
            ("destination_service_namespace", known(service.namespace)),
            ("destination_cluster", known(destination.cluster)),
        ]
        .map(|(name, value): (&str, Box<str>)| (name.into(), value))
        .into()
    }
}

impl Outcome<'_> {
    /// The labels that come with the end of the call.
    pub(super) fn labels(&self) -> Labels {
        let mut labels: Vec<(&str, Box<str>)> = vec![("request_protocol", self.protocol.name().into())];
        if self.protocol != Protocol::Tcp {
            labels.push(("response_code", self.code.to_string().into()));
            let status = self.grpc_status.map_or_else(String::new, |status| status.to_string());
            labels.push(("grpc_response_status", status.into()));
        }
        labels.push(("response_flags", self.flags.into()));
        labels.push(("connection_security_policy", self.security.name().into()));
        labels.into_iter().map(|(name, value)| (name.into(), value)).collect()
    }
}

/// The labels of one metric as configuration wants them; `None`: it is not kept. Later changes win.
pub(super) fn changed(labels: &Labels, metric: &str, changes: &[MetricChange]) -> Option<Labels> {
    let mut labels = labels.clone();
    let mut kept = true;
    for change in changes.iter().filter(|c| c.metric.is_empty() || &*c.metric == metric) {
        kept = kept && !change.drop;
        labels.retain(|(name, _)| !change.remove.contains(name));
        for (name, value) in &change.set {
            match labels.iter_mut().find(|(known, _)| known == name) {
                Some((_, old)) => *old = value.clone(),
                None => labels.push((name.clone(), value.clone())),
            }
        }
    }
    kept.then_some(labels)
}

fn known(text: &str) -> Box<str> {
    or(text, UNKNOWN)
}

fn or(text: &str, other: &str) -> Box<str> {
    if text.is_empty() { other.into() } else { text.into() }
}
