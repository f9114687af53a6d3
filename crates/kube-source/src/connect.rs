//! The way to the API server.

use std::path::{Path, PathBuf};
use std::time::Duration;

use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};

/// Longest time to connect.
const CONNECT: Duration = Duration::from_secs(5);

/// There is no way to the API server.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    /// The file cannot be used.
    #[error("kubeconfig {}: {error}", path.display())]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        error: kube::config::KubeconfigError,
    },
    /// Neither a file nor a pod's own account.
    #[error("no cluster: give --kubeconfig, set KUBECONFIG, or run as a pod ({0})")]
    Infer(#[from] kube::config::InferConfigError),
    /// The client cannot be made.
    #[error("client of the API server: {0}")]
    Client(#[from] kube::Error),
}

/// A client by a kubeconfig; without one, by `KUBECONFIG` or `~/.kube/config`, else as the pod that we are.
/// Nothing is asked of the API server yet.
///
/// # Errors
/// The file that cannot be used, or that there is none.
pub async fn connect(kubeconfig: Option<&Path>) -> Result<Client, ConnectError> {
    let mut config = match kubeconfig {
        Some(path) => {
            let failed = |error| ConnectError::Kubeconfig { path: path.to_owned(), error };
            let file = Kubeconfig::read_from(path).map_err(failed)?;
            Config::from_custom_kubeconfig(file, &KubeConfigOptions::default()).await.map_err(failed)?
        }
        None => Config::infer().await?,
    };
    config.connect_timeout = Some(CONNECT);
    Ok(Client::try_from(config)?)
}
