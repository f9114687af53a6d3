//! What the program is told.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser};

use crate::mesh_config;

/// Compiles a folder of Istio's and Kubernetes' objects to xDS, and certifies workloads.
#[derive(Clone, Debug, Parser)]
#[command(name = "weftd", version)]
pub struct Settings {
    /// Folder of objects (YAML or JSON, subfolders too), watched; may be given several times, the first
    /// folder wins where two hold an object of one name.
    #[arg(long = "config-dir", required_unless_present = "kubernetes", value_name = "DIR")]
    pub config_dirs: Vec<PathBuf>,
    /// Folder for what must outlive the process: the authority (in `ca`). The mesh's root is written to
    /// `root-cert.pem` in it.
    #[arg(long, value_name = "DIR")]
    pub state_dir: PathBuf,
    /// Address of xDS and the certificate service, by TLS; default: 127.0.0.1:15012, with --kubernetes
    /// 0.0.0.0:15012.
    #[arg(long, value_name = "ADDR")]
    pub grpc: Option<SocketAddr>,
    /// Address of xDS without TLS; default: none, with --kubernetes 0.0.0.0:15010. Callers show a token there too, and
    /// certificates are not issued (docs/differences.md).
    #[arg(long, value_name = "ADDR")]
    pub plain: Option<SocketAddr>,
    /// Address of readiness, debug pages and metrics, without TLS; default: 127.0.0.1:15014, with --kubernetes
    /// 0.0.0.0:15014. Debug pages are for callers on loopback alone.
    #[arg(long, value_name = "ADDR")]
    pub http: Option<SocketAddr>,
    /// Folder with an authority of your own, as Istio's secret `cacerts`; without it the mesh makes its own.
    #[arg(long, value_name = "DIR")]
    pub cacerts: Option<PathBuf>,
    /// Trust domain of identities; default: that of the mesh config, else cluster.local.
    #[arg(long, value_name = "DOMAIN")]
    pub trust_domain: Option<String>,
    /// Tokens that callers may show, as kube-apiserver's static token file: lines of
    /// `token,user,uid`, user being system:serviceaccount:NAMESPACE:NAME. Read again when it changes.
    #[arg(long, value_name = "FILE")]
    pub token_auth_file: Option<PathBuf>,
    /// Istio's MeshConfig, YAML. Read once.
    #[arg(long, value_name = "FILE")]
    pub mesh_config: Option<PathBuf>,
    /// What Kubernetes gives.
    #[command(flatten)]
    pub kubernetes: Kubernetes,
    /// What to log: error, warn, info, debug or trace, directives such as weft_xds=debug, or Istio's form
    /// such as default:info, whose scopes other than default are not ours and say nothing.
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    pub log_level: String,
    /// Writes log lines as JSON.
    #[arg(long)]
    pub log_json: bool,
    /// Age at which connections of proxies end, so that they spread over replicas, such as 30m; a tenth more or
    /// less by chance. Default: never.
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub keepalive_max_server_connection_age: Option<Duration>,
}

/// What Kubernetes gives. Sources: CP-01, CP-18, CP-19, CP-22.
#[derive(Args, Clone, Debug)]
pub struct Kubernetes {
    /// Follows a Kubernetes cluster, as a pod in it or by --kubeconfig: objects, tokens, authority.
    #[arg(long)]
    pub kubernetes: bool,
    /// Kubeconfig; default: KUBECONFIG, ~/.kube/config, else the pod's own account.
    #[arg(long, value_name = "FILE", requires = "kubernetes")]
    pub kubeconfig: Option<PathBuf>,
    /// Address of the webhooks, by TLS.
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:15017")]
    pub webhooks: SocketAddr,
    /// Address of /ready beside --http, without TLS.
    #[arg(long, value_name = "ADDR", default_value = "0.0.0.0:8080")]
    pub health: SocketAddr,
    /// Namespace of the control plane.
    #[arg(long, env = "POD_NAMESPACE", value_name = "NAME", default_value = "istio-system")]
    pub namespace: String,
    /// Revision of the control plane.
    #[arg(long, env = "REVISION", value_name = "NAME", default_value = "default")]
    pub revision: String,
    /// Name of the Service in front of the control plane.
    #[arg(long, env = "ISTIOD_SERVICE", value_name = "NAME", default_value = "istiod")]
    pub service: String,
    /// Name of the cluster.
    #[arg(long, env = "CLUSTER_ID", value_name = "NAME", default_value = "Kubernetes")]
    pub cluster_id: String,
    /// Domain of services.
    #[arg(long, env = "DOMAIN", value_name = "DOMAIN", default_value = "cluster.local")]
    pub domain: String,
    /// Audiences of tokens that callers may show, joined by commas.
    #[arg(
        long,
        env = "TOKEN_AUDIENCES",
        value_name = "LIST",
        default_value = "istio-ca",
        value_delimiter = ','
    )]
    pub token_audiences: Vec<String>,
    /// Whether each of Istio's objects is told in its own status whether it is in effect. Source: CP-29.
    #[arg(long, env = "PILOT_ENABLE_STATUS", value_name = "BOOL", default_value_t = true, action = clap::ArgAction::Set)]
    pub status: bool,
    /// Whether sidecars are init containers that stay; auto: from Kubernetes 1.33 on. Pods say otherwise by
    /// annotation (AN-30).
    #[arg(long, env = "ENABLE_NATIVE_SIDECARS", value_name = "WHEN", default_value = "auto")]
    pub native_sidecars: NativeSidecars,
}

/// When sidecars are init containers that stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum NativeSidecars {
    /// By the version of Kubernetes.
    Auto,
    /// Always.
    True,
    /// Never.
    False,
}

impl Kubernetes {
    /// What names of our objects end with: nothing, or `-REVISION`.
    #[must_use]
    pub fn suffix(&self) -> String {
        match self.revision.as_str() {
            "default" | "" => String::new(),
            revision => format!("-{revision}"),
        }
    }
}

/// Reads 90s, 30m or 1h.
fn duration(text: &str) -> Result<Duration, String> {
    mesh_config::duration(text).ok_or_else(|| "must be a duration such as 30m".to_owned())
}
