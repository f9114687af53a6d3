//! Whose token it is, as the API server says (TokenReview). Source: CP-18.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use aws_lc_rs::digest::{SHA256, digest};
use k8s_openapi::api::authentication::v1::{TokenReview, TokenReviewSpec};
use kube::Client;
use kube::api::{Api, PostParams};

/// How long an answer holds. A token that is taken back is refused after that.
pub const HOLDS: Duration = Duration::from_secs(30);
/// Most answers that are kept.
const MAX_KEPT: usize = 50_000;
/// Longest wait for an answer.
const LIMIT: Duration = Duration::from_secs(5);
/// What users that are service accounts begin with.
const ACCOUNT: &str = "system:serviceaccount:";

/// A service account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Account {
    /// Namespace.
    pub namespace: String,
    /// Name.
    pub name: String,
}

/// The API server cannot be asked.
#[derive(Debug, thiserror::Error)]
pub enum ReviewError {
    /// It refuses, or does not answer.
    #[error("TokenReview: {0}")]
    Api(#[from] kube::Error),
    /// It takes too long.
    #[error("TokenReview: no answer within {LIMIT:?}")]
    Late,
}

/// Asks the API server about tokens for some audiences, and remembers for [`HOLDS`] what it said of good ones.
pub struct Reviews {
    api: Api<TokenReview>,
    audiences: Vec<String>,
    /// By SHA-256 of the token: tokens themselves are not kept.
    kept: Mutex<HashMap<[u8; 32], (Account, Instant)>>,
}

impl std::fmt::Debug for Reviews {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reviews").field("audiences", &self.audiences).finish_non_exhaustive()
    }
}

impl Reviews {
    /// Of tokens for any of these audiences.
    #[must_use]
    pub fn new(client: Client, audiences: Vec<String>) -> Self {
        Self { api: Api::all(client), audiences, kept: Mutex::default() }
    }

    fn kept(&self) -> MutexGuard<'_, HashMap<[u8; 32], (Account, Instant)>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whose token it is; `None` if it is nobody's, or no service account's.
    ///
    /// # Errors
    /// The API server cannot be asked.
    pub async fn review(&self, token: &str) -> Result<Option<Account>, ReviewError> {
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, token.as_bytes()).as_ref());
        let now = Instant::now();
        if let Some((account, until)) = self.kept().get(&hash)
            && now < *until
        {
            return Ok(Some(account.clone()));
        }
        let spec = TokenReviewSpec { token: token.to_owned(), audiences: Some(self.audiences.clone()) };
        let review = TokenReview { spec, ..TokenReview::default() };
        let posted = PostParams::default();
        let asked = tokio::time::timeout(LIMIT, self.api.create(&posted, &review));
        let answer = asked.await.map_err(|_| ReviewError::Late)??;
        let account = self.account(&answer);
        if let Some(account) = &account {
            let mut kept = self.kept();
            if kept.len() >= MAX_KEPT {
                kept.retain(|_, (_, until)| now < *until);
            }
            if kept.len() < MAX_KEPT {
                kept.insert(hash, (account.clone(), now + HOLDS));
            }
        }
        Ok(account)
    }

    fn account(&self, answer: &TokenReview) -> Option<Account> {
        let status = answer.status.as_ref()?;
        // An API server that does not know audiences names none: its word is not for us.
        let ours = status.audiences.iter().flatten().any(|audience| self.audiences.contains(audience));
        if status.authenticated != Some(true) || !ours {
            return None;
        }
        let user = status.user.as_ref()?.username.as_deref()?;
        let (namespace, name) = user.strip_prefix(ACCOUNT)?.split_once(':')?;
        Some(Account { namespace: namespace.to_owned(), name: name.to_owned() })
    }
}
