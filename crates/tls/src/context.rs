//! Contexts that follow their secrets.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use rustls::crypto::CryptoProvider;
use weft_tables::tls::{ClientTls, Secret, SecretSource, ServerTls, TlsCommon, Validation, ValidationSource};
use weft_types::Name;

use crate::chain::Role;
use crate::client::ClientConnector;
use crate::error::ContextError;
use crate::material::{self, Identity};
use crate::server::ServerAcceptor;
use crate::store::SecretStore;
use crate::verify::Verifier;

/// Looks a named secret up.
pub(crate) type Lookup<'l> = &'l dyn Fn(&Name) -> Option<Arc<Secret>>;

/// Which side we are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Server,
    Client,
}

fn find(source: &SecretSource, lookup: Lookup<'_>) -> Result<Arc<Secret>, ContextError> {
    match source {
        SecretSource::Inline(secret) => Ok(Arc::clone(secret)),
        SecretSource::Named(name) => lookup(name).ok_or_else(|| ContextError::Pending(Arc::clone(name))),
    }
}

/// Own certificates.
pub(crate) fn identities(
    common: &TlsCommon,
    lookup: Lookup<'_>,
    provider: &CryptoProvider,
) -> Result<Vec<Identity>, ContextError> {
    common
        .certificates
        .iter()
        .map(|source| material::identity(source, &*find(source, lookup)?, provider))
        .collect()
}

/// Check of the peer.
pub(crate) fn verifier(
    common: &TlsCommon,
    lookup: Lookup<'_>,
    provider: &CryptoProvider,
    side: Side,
) -> Result<Verifier, ContextError> {
    let (validation, secret) = match &common.validation {
        ValidationSource::None => (None, String::new()),
        ValidationSource::One(source) => (Some(validation(source, lookup)?), material::name_of(source)),
        ValidationSource::Combined { default, dynamic } => {
            let merged = merge(default, validation(dynamic, lookup)?);
            (Some(merged), material::name_of(dynamic))
        }
    };
    // The peer of a server is a client.
    let role = if side == Side::Server { Role::Client } else { Role::Server };
    Verifier::new(role, validation.as_ref(), &secret, provider.signature_verification_algorithms)
}

fn validation(source: &SecretSource, lookup: Lookup<'_>) -> Result<Validation, ContextError> {
    match &*find(source, lookup)? {
        Secret::Validation(validation) => Ok(validation.clone()),
        Secret::Certificate { .. } => Err(ContextError::WrongKind {
            secret: material::name_of(source),
            expected: "a validation context",
        }),
    }
}

/// As protobuf merges: lists are joined, single fields of the dynamic part win where they are set.
fn merge(default: &Validation, dynamic: Validation) -> Validation {
    let join = |a: &[[u8; 32]], b: Vec<[u8; 32]>| a.iter().copied().chain(b).collect();
    Validation {
        roots: dynamic.roots.or_else(|| default.roots.clone()),
        san_matchers: default.san_matchers.iter().cloned().chain(dynamic.san_matchers).collect(),
        certificate_hashes: join(&default.certificate_hashes, dynamic.certificate_hashes),
        spki_hashes: join(&default.spki_hashes, dynamic.spki_hashes),
        crl: dynamic.crl.or_else(|| default.crl.clone()),
        allow_expired: default.allow_expired || dynamic.allow_expired,
        accept_untrusted: default.accept_untrusted || dynamic.accept_untrusted,
    }
}

/// Configuration of one side that is built from secrets.
trait Build {
    type Built;
    fn build(&self, lookup: Lookup<'_>) -> Result<Self::Built, ContextError>;
}

impl Build for ServerTls {
    type Built = ServerAcceptor;
    fn build(&self, lookup: Lookup<'_>) -> Result<ServerAcceptor, ContextError> {
        ServerAcceptor::new(self, lookup)
    }
}

impl Build for ClientTls {
    type Built = ClientConnector;
    fn build(&self, lookup: Lookup<'_>) -> Result<ClientConnector, ContextError> {
        ClientConnector::new(self, lookup)
    }
}

#[derive(Debug)]
struct State<T> {
    /// Of the store when this was decided.
    generation: Option<u64>,
    /// The secrets that it was built from.
    used: Vec<(Name, Arc<Secret>)>,
    built: Option<Arc<T>>,
    error: Option<ContextError>,
}

/// A side that is rebuilt when one of its secrets changed: looked at when a connection needs it, so
/// that there is no task per context and a change costs nothing where nobody connects.
#[derive(Debug)]
struct Live<C, T> {
    config: C,
    store: Arc<SecretStore>,
    state: ArcSwap<State<T>>,
    building: Mutex<()>,
}

impl<C: Build<Built = T>, T> Live<C, T> {
    fn new(config: C, store: Arc<SecretStore>) -> Self {
        let state = State { generation: None, used: Vec::new(), built: None, error: None };
        Self { config, store, state: ArcSwap::from_pointee(state), building: Mutex::new(()) }
    }

    fn current(&self) -> Result<Arc<T>, ContextError> {
        let mut state = self.state.load_full();
        if state.generation != Some(self.store.generation()) {
            state = self.refresh();
        }
        match (&state.built, &state.error) {
            (Some(built), _) => Ok(Arc::clone(built)),
            (None, Some(error)) => Err(error.clone()),
            (None, None) => Err(ContextError::NoCertificate),
        }
    }

    fn refresh(&self) -> Arc<State<T>> {
        let _building = self.building.lock().unwrap_or_else(PoisonError::into_inner);
        // Before the secrets are read: what changes meanwhile is seen next time.
        let generation = Some(self.store.generation());
        let old = self.state.load_full();
        if old.generation == generation {
            return old;
        }
        let same = |(name, secret): &(Name, Arc<Secret>)| {
            self.store.get(name).is_some_and(|now| Arc::ptr_eq(&now, secret))
        };
        let unchanged = old.built.is_some() && old.error.is_none() && old.used.iter().all(same);
        let new = if unchanged {
            State { generation, used: old.used.clone(), built: old.built.clone(), error: None }
        } else {
            let used = RefCell::new(Vec::new());
            let lookup = |name: &Name| {
                let secret = self.store.get(name)?;
                used.borrow_mut().push((Arc::clone(name), Arc::clone(&secret)));
                Some(secret)
            };
            match self.config.build(&lookup) {
                Ok(built) => {
                    State { generation, used: used.take(), built: Some(Arc::new(built)), error: None }
                }
                // A bad or vanished secret does not stop what works.
                Err(error) => {
                    State { generation, used: old.used.clone(), built: old.built.clone(), error: Some(error) }
                }
            }
        };
        let new = Arc::new(new);
        self.state.store(Arc::clone(&new));
        new
    }

    fn error(&self) -> Option<ContextError> {
        let _ = self.current();
        self.state.load().error.clone()
    }

    async fn ready(&self) -> Arc<T> {
        let mut changes = self.store.watch();
        loop {
            changes.mark_unchanged();
            if let Ok(built) = self.current() {
                return built;
            }
            if changes.changed().await.is_err() {
                // The store lives as long as we do.
                std::future::pending::<()>().await;
            }
        }
    }
}

macro_rules! context {
    ($(#[$doc:meta])* $name:ident, $config:ty, $built:ty, $get:ident) => {
        $(#[$doc])*
        #[derive(Debug)]
        pub struct $name(Live<$config, $built>);

        impl $name {
            /// A context that takes its named secrets from `store`.
            #[must_use]
            pub fn new(config: $config, store: Arc<SecretStore>) -> Self {
                Self(Live::new(config, store))
            }

            /// The current state; cheap when nothing changed. A secret that turned bad leaves the last
            /// good state in place.
            ///
            /// # Errors
            /// There never was a good state: a secret is still to come ([`ContextError::is_pending`];
            /// the connection is closed) or the configuration is bad.
            pub fn $get(&self) -> Result<Arc<$built>, ContextError> {
                self.0.current()
            }

            /// Why the newest secrets are not in use, if so.
            #[must_use]
            pub fn error(&self) -> Option<ContextError> {
                self.0.error()
            }

            /// Waits until there is a good state: a listener is warming until then.
            pub async fn ready(&self) -> Arc<$built> {
                self.0.ready().await
            }
        }
    };
}

context! {
    /// The server side of a filter chain over all states of its secrets.
    ServerContext, ServerTls, ServerAcceptor, acceptor
}

context! {
    /// The client side of a cluster transport over all states of its secrets.
    ClientContext, ClientTls, ClientConnector, connector
}
