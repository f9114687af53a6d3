//! What the program is told.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Parser;

/// Compiles a folder of Istio's and Kubernetes' objects to xDS, and certifies workloads.
#[derive(Clone, Debug, Parser)]
#[command(name = "weftd", version)]
pub struct Settings {
    /// Folder of objects (YAML or JSON, subfolders too), watched; may be given several times, the first
    /// folder wins where two hold an object of one name.
    #[arg(long = "config-dir", required = true, value_name = "DIR")]
    pub config_dirs: Vec<PathBuf>,
    /// Folder for what must outlive the process: the authority (in `ca`). The mesh's root is written to
    /// `root-cert.pem` in it.
    #[arg(long, value_name = "DIR")]
    pub state_dir: PathBuf,
    /// Address of xDS and the certificate service, by TLS.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:15012")]
    pub grpc: SocketAddr,
    /// Address of readiness, debug pages and metrics, without TLS.
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:15014")]
    pub http: SocketAddr,
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
    /// What to log: error, warn, info, debug or trace, or directives such as weft_xds=debug.
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    pub log_level: String,
}
