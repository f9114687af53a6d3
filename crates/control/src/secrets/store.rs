//! The Secrets that are named now, each watched once however many gateways want it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::watch;
use weft_kube_source::access::may_list_secrets;
use weft_kube_source::{Client, named};
use weft_proto::envoy::extensions::transport_sockets::tls::v3::Secret;

use super::read::{Part, read};

/// Most Secrets that are watched at a time.
const MOST: usize = 2_000;
/// How long the API server's yes to an account holds. Source: Istio.
const HOLDS: Duration = Duration::from_secs(60);

type Data = BTreeMap<String, Vec<u8>>;
type Place = (String, String);

/// A Secret as far as is known.
#[derive(Clone)]
enum Known {
    /// Nothing yet.
    Unasked,
    /// There is none.
    Missing,
    There(Arc<Data>),
}

/// A Secret that is watched while this is held.
pub(super) struct Followed {
    place: Place,
    known: watch::Receiver<Known>,
}

impl fmt::Display for Followed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.place.0, self.place.1)
    }
}

impl Followed {
    /// Whether it is known that there is none.
    pub(super) fn is_missing(&self) -> bool {
        matches!(&*self.known.borrow(), Known::Missing)
    }

    /// Reads a part; `None` while there is none.
    pub(super) fn read(&self, name: &str, part: Part) -> Result<Option<Secret>, String> {
        match &*self.known.borrow() {
            Known::Unasked | Known::Missing => Ok(None),
            Known::There(data) => {
                read(name, data, part).map(Some).map_err(|why| format!("Secret {self}: {why}"))
            }
        }
    }
}

/// Watched Secrets.
pub(super) struct Store {
    client: Client,
    watched: Arc<Mutex<HashMap<Place, watch::Sender<Known>>>>,
    /// Until when accounts may read.
    permitted: Mutex<HashMap<Place, Instant>>,
    news: watch::Sender<()>,
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Store").finish_non_exhaustive()
    }
}

impl Store {
    pub(super) fn new(client: Client) -> Self {
        let news = watch::Sender::new(());
        Self { client, watched: Arc::default(), permitted: Mutex::default(), news }
    }

    /// Told when any of them has changed.
    pub(super) fn news(&self) -> watch::Receiver<()> {
        self.news.subscribe()
    }

    /// Whether an account may list the Secrets of its namespace; no, where that cannot be asked.
    pub(super) async fn permits(&self, namespace: &str, account: &str) -> bool {
        let place = (namespace.to_owned(), account.to_owned());
        let known = lock(&self.permitted).get(&place).is_some_and(|until| Instant::now() < *until);
        if known {
            return true;
        }
        let allowed = match may_list_secrets(&self.client, namespace, account).await {
            Ok(allowed) => allowed,
            Err(error) => {
                tracing::warn!(namespace, account, %error, "whether it may read Secrets is not known");
                false
            }
        };
        let mut permitted = lock(&self.permitted);
        permitted.retain(|_, until| Instant::now() < *until);
        if allowed && permitted.len() < MOST {
            permitted.insert(place, Instant::now() + HOLDS);
        }
        allowed
    }

    /// Watches a Secret, until the last who holds it lets go.
    pub(super) fn follow(&self, namespace: &str, name: &str) -> Result<Followed, String> {
        let place = (namespace.to_owned(), name.to_owned());
        let mut watched = lock(&self.watched);
        if let Some(known) = watched.get(&place) {
            return Ok(Followed { place, known: known.subscribe() });
        }
        if watched.len() >= MOST {
            return Err(format!("more than {MOST} Secrets are named"));
        }
        let (send, known) = watch::channel(Known::Unasked);
        watched.insert(place.clone(), send.clone());
        let (client, all, news) = (self.client.clone(), self.watched.clone(), self.news.clone());
        let (namespace, name) = place.clone();
        tokio::spawn(async move {
            loop {
                let watching = named::follow_secret(client.clone(), &namespace, &name, |data| {
                    let known = data.map_or(Known::Missing, |data| Known::There(Arc::new(data)));
                    send.send_replace(known);
                    news.send_replace(());
                });
                tokio::select! {
                    () = watching => {}
                    () = send.closed() => {}
                }
                // Under the lock nobody can come to it any more.
                let mut all = lock(&all);
                if send.is_closed() {
                    all.remove(&(namespace, name));
                    return;
                }
            }
        });
        Ok(Followed { place, known })
    }
}

/// A panic elsewhere leaves it as good as it was.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
