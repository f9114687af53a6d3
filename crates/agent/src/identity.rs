//! The workload's certificate: obtained by token, renewed by itself, always the present one in a watch.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::{Code, Status};
use weft_ca::{AcceptError, CertificateRequest, WorkloadCertificate, rotation};
use weft_types::SpiffeId;
use weft_types::random::SplitMix;

use crate::backoff;
use crate::channel::{self, ConnectError, Server};
use crate::token::{self, TokenError};

/// How long the certificate service may take for an answer.
pub const ANSWER_TIMEOUT: Duration = Duration::from_secs(10);
/// Longest sleep at one go: the clock may be set, or the machine suspended, while we wait.
const LONGEST_SLEEP: Duration = Duration::from_secs(30);

/// Whose certificate, and from whom.
#[derive(Clone, Debug)]
pub struct IdentityConfig {
    /// The certificate service.
    pub server: Server,
    /// File with the token that proves who we are; read at each attempt that uses it.
    pub token: PathBuf,
    /// Who we are.
    pub id: SpiffeId,
    /// Name of the cluster, told to the service as `clusterid`; empty: not told.
    pub cluster_id: String,
    /// Life to ask for; `None` leaves it to the authority. Istio's `SECRET_TTL`, there 24 h.
    pub validity: Option<Duration>,
}

/// Why an attempt brought no certificate.
#[derive(Debug, thiserror::Error)]
pub enum ObtainError {
    /// No token to show.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// No connection.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// No request can be made.
    #[error("{0}")]
    Request(String),
    /// The service refused what proves us.
    #[error("{address} does not take our {proof}: {reason}")]
    Refused {
        /// The certificate service.
        address: String,
        /// What we showed.
        proof: Proof,
        /// Its words.
        reason: String,
    },
    /// The service failed otherwise.
    #[error("{address} gave no certificate: {code:?}: {reason}")]
    Service {
        /// The certificate service.
        address: String,
        /// Its code.
        code: Code,
        /// Its words.
        reason: String,
    },
    /// The service answered, but not with a certificate for us.
    #[error("{address} answered with what is no certificate of ours: {source}")]
    Answer {
        /// The certificate service.
        address: String,
        /// Why.
        source: AcceptError,
    },
    /// No answer within [`ANSWER_TIMEOUT`].
    #[error("{address} did not answer within {} s", ANSWER_TIMEOUT.as_secs())]
    Timeout {
        /// The certificate service.
        address: String,
    },
}

/// What proves who we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Proof {
    /// The token of the file.
    Token,
    /// The certificate that we have.
    Certificate,
}

impl std::fmt::Display for Proof {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Token => "token",
            Self::Certificate => "certificate",
        })
    }
}

/// What to show at an attempt: a certificate that is valid first, and the token every other time after
/// failures (the authority's root may have changed, so that the certificate will never do again).
#[must_use]
pub fn proof(failures: u32, certificate_valid: bool) -> Proof {
    if certificate_valid && failures.is_multiple_of(2) { Proof::Certificate } else { Proof::Token }
}

/// The present certificate; `None` before the first.
pub type Certificates = watch::Receiver<Option<Arc<WorkloadCertificate>>>;

/// Keeps a certificate for as long as it is held.
#[derive(Debug)]
pub struct Identity {
    certificates: Certificates,
    problem: watch::Receiver<Option<String>>,
    task: JoinHandle<()>,
}

impl Identity {
    /// Starts obtaining and renewing, on the present runtime. `random` gives jitter; seed it differently in
    /// each process.
    #[must_use]
    pub fn start(config: IdentityConfig, random: SplitMix) -> Self {
        let (sender, certificates) = watch::channel(None);
        let (trouble, problem) = watch::channel(None);
        let task = tokio::spawn(keep(config, random, sender, trouble));
        Self { certificates, problem, task }
    }

    /// The certificate, and word of each new one.
    #[must_use]
    pub fn certificates(&self) -> Certificates {
        self.certificates.clone()
    }

    /// What the last attempt failed of; `None` when it did not.
    #[must_use]
    pub fn problem(&self) -> watch::Receiver<Option<String>> {
        self.problem.clone()
    }
}

impl Drop for Identity {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn keep(
    config: IdentityConfig,
    mut random: SplitMix,
    sender: watch::Sender<Option<Arc<WorkloadCertificate>>>,
    trouble: watch::Sender<Option<String>>,
) {
    let mut failures = 0;
    loop {
        let current = sender.borrow().clone();
        let valid = current.as_ref().is_some_and(|c| SystemTime::now() < c.lifetime.until);
        let shown = match proof(failures, valid) {
            Proof::Certificate => current,
            Proof::Token => None,
        };
        match obtain(&config, shown.as_deref()).await {
            Ok(certificate) => {
                failures = 0;
                let renew_at = rotation::renew_at(&certificate.lifetime, backoff::dice(&mut random));
                tracing::info!(identity = %config.id, life = ?certificate.lifetime.length(), "certificate obtained");
                sender.send_replace(Some(Arc::new(certificate)));
                trouble.send_replace(None);
                sleep_until(renew_at).await;
            }
            Err(error) => {
                failures = failures.saturating_add(1);
                let wait = backoff::wait(failures, backoff::dice(&mut random));
                tracing::warn!(identity = %config.id, %error, failures, retry_in = ?wait, "no certificate");
                trouble.send_replace(Some(error.to_string()));
                tokio::time::sleep(wait).await;
            }
        }
    }
}

async fn sleep_until(time: SystemTime) {
    while let Ok(left) = time.duration_since(SystemTime::now()) {
        if left.is_zero() {
            return;
        }
        tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
    }
}

/// One attempt: shows `certificate`, or the token of the file if there is none.
///
/// # Errors
/// See [`ObtainError`].
pub async fn obtain(
    config: &IdentityConfig,
    certificate: Option<&WorkloadCertificate>,
) -> Result<WorkloadCertificate, ObtainError> {
    let address = || config.server.address.clone();
    let (proof, bearer) = match certificate {
        Some(_) => (Proof::Certificate, None),
        None => (Proof::Token, Some(token::bearer(&config.token).await?)),
    };
    let request =
        CertificateRequest::new(&config.id).map_err(|error| ObtainError::Request(error.to_string()))?;
    let channel = channel::connect(&config.server, certificate).await?;
    let cluster = config.cluster_id.parse().ok().filter(|_| !config.cluster_id.is_empty());
    let asking = weft_ca_service::client::create(channel, &request, config.validity, |message| {
        if let Some(bearer) = bearer {
            message.metadata_mut().insert("authorization", bearer);
        }
        if let Some(cluster) = cluster {
            message.metadata_mut().insert("clusterid", cluster);
        }
    });
    let answer = tokio::time::timeout(ANSWER_TIMEOUT, asking)
        .await
        .map_err(|_| ObtainError::Timeout { address: address() })?
        .map_err(|status| of_status(&status, address(), proof))?;
    request
        .accept(&answer, SystemTime::now())
        .map_err(|source| ObtainError::Answer { address: address(), source })
}

fn of_status(status: &Status, address: String, proof: Proof) -> ObtainError {
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => {
            ObtainError::Refused { address, proof, reason: status.message().to_owned() }
        }
        code => {
            // A broken connection hides its reason among the causes.
            let cause = std::error::Error::source(status).map(channel::causes);
            let reason = match cause {
                Some(cause) if !status.message().contains(&cause) => {
                    format!("{}: {cause}", status.message())
                }
                _ => status.message().to_owned(),
            };
            ObtainError::Service { address, code, reason }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_valid_certificate_comes_first_and_alternates_with_the_token() {
        assert_eq!(proof(0, false), Proof::Token);
        assert_eq!(proof(0, true), Proof::Certificate);
        assert_eq!(proof(1, true), Proof::Token);
        assert_eq!(proof(2, true), Proof::Certificate);
        assert_eq!(proof(2, false), Proof::Token);
    }
}
