//! The authority, and the certificate under which we serve.

use std::io::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use anyhow::{Context as _, Result};
use arc_swap::ArcSwap;
use tokio::sync::watch;
use weft_ca::rotation::{RootStep, renew_at, root_step};
use weft_ca::{Authority, ServingCertificate};
use weft_ca_store::Origin;
use weft_tables::tls::Secret;
use weft_tables::tls::{SecretSource, ServerTls, TlsCommon, TlsVersion, Validation, ValidationSource};
use weft_tls::{SecretStore, ServerContext};
use weft_types::random::{Random as _, SplitMix};

/// Names under which proxies know the control plane. Source: CP-22.
pub const DNS_NAMES: [&str; 4] =
    ["istiod.istio-system.svc", "istiod.istio-system", "istiod.istio-system.svc.cluster.local", "localhost"];
/// Name of the root's file in the state folder.
pub const ROOT_FILE: &str = "root-cert.pem";
/// Longest time between two looks at what is to be renewed: clocks jump, machines sleep.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);
/// Pause after a renewal that failed.
const RETRY: Duration = Duration::from_secs(10);

const OWN: &str = "own";
const ROOTS: &str = "roots";

/// The authority and what hangs on it.
#[derive(Debug)]
pub struct Certificates {
    authority: Arc<ArcSwap<Authority>>,
    /// Where a root of ours is kept; `None`: it is the user's, and so is its renewal.
    own: Option<PathBuf>,
    root_file: PathBuf,
    addresses: Vec<IpAddr>,
    store: Arc<SecretStore>,
    context: ServerContext,
    webhooks: ServerContext,
    /// Names in our own certificate.
    names: Vec<String>,
    roots: watch::Sender<String>,
}

impl Certificates {
    /// Opens the authority (makes one in `state/ca` if there is none), writes its root to
    /// [`ROOT_FILE`], and issues our own certificate for [`DNS_NAMES`] and the address that we listen on.
    ///
    /// # Errors
    /// The state folder cannot be written, or the authority cannot serve; names the file.
    pub fn open(
        state: &Path,
        cacerts: Option<PathBuf>,
        trust_domain: &str,
        listens: SocketAddr,
    ) -> Result<(Self, ServingCertificate)> {
        std::fs::create_dir_all(state).with_context(|| format!("--state-dir {}", state.display()))?;
        let folder = state.join("ca");
        let options =
            weft_ca_store::Options { cacerts, ..weft_ca_store::Options::new(folder.clone(), trust_domain) };
        let (authority, origin) = weft_ca_store::open(&options, SystemTime::now()).context("authority")?;
        for left_out in authority.left_out() {
            tracing::warn!("authority: {left_out}");
        }
        let own = (origin != Origin::Given).then_some(folder);
        Self::with(authority, own, state, listens, DNS_NAMES.map(str::to_owned).to_vec())
    }

    /// The same with an authority that somebody else keeps, as long as `own` names no folder, and with names of
    /// our own.
    ///
    /// # Errors
    /// The state folder cannot be written, or the authority cannot serve.
    pub fn with(
        authority: Authority,
        own: Option<PathBuf>,
        state: &Path,
        listens: SocketAddr,
        names: Vec<String>,
    ) -> Result<(Self, ServingCertificate)> {
        std::fs::create_dir_all(state).with_context(|| format!("--state-dir {}", state.display()))?;
        let mut addresses = vec![IpAddr::from([127, 0, 0, 1])];
        if !listens.ip().is_unspecified() && !addresses.contains(&listens.ip()) {
            addresses.push(listens.ip());
        }
        let store = Arc::new(SecretStore::new());
        let authority_roots = authority.roots_pem();
        let this = Self {
            authority: Arc::new(ArcSwap::from_pointee(authority)),
            own,
            names,
            roots: watch::Sender::new(authority_roots),
            webhooks: ServerContext::new(server_tls("http/1.1"), store.clone()),
            root_file: state.join(ROOT_FILE),
            addresses,
            context: ServerContext::new(server_tls("h2"), store.clone()),
            store,
        };
        this.publish_roots()?;
        let serving = this.serve().context("own certificate")?;
        Ok((this, serving))
    }

    /// The authority, as the certificate service wants it.
    #[must_use]
    pub fn authority(&self) -> Arc<ArcSwap<Authority>> {
        self.authority.clone()
    }

    /// TLS of our port: HTTP/2, client certificates optional, verified against the mesh's roots when shown.
    #[must_use]
    pub fn context(&self) -> &ServerContext {
        &self.context
    }

    /// TLS of the webhooks: HTTP/1.1.
    #[must_use]
    pub fn webhooks(&self) -> &ServerContext {
        &self.webhooks
    }

    /// The mesh's roots, PEM, and each change of them.
    #[must_use]
    pub fn roots(&self) -> watch::Receiver<String> {
        self.roots.subscribe()
    }

    /// Puts another authority in the place of ours; connections live on.
    ///
    /// # Errors
    /// The roots cannot be written, or the authority cannot serve.
    pub fn replace(&self, authority: Authority) -> Result<()> {
        self.authority.store(Arc::new(authority));
        self.publish_roots()?;
        self.serve().map(drop)
    }

    /// Writes the roots for proxies, and trusts them in clients.
    fn publish_roots(&self) -> Result<()> {
        let authority = self.authority.load();
        let roots = authority.roots_pem();
        replace_file(&self.root_file, roots.as_bytes())
            .with_context(|| format!("writing {}", self.root_file.display()))?;
        self.roots.send_if_modified(|told| {
            let differs = *told != roots;
            told.clone_from(&roots);
            differs
        });
        let crl = authority.revocation_list_pem().map(|crl| crl.as_bytes().to_vec());
        let validation = Validation { roots: Some(roots.into_bytes()), crl, ..Validation::default() };
        self.store.set(ROOTS.into(), Arc::new(Secret::Validation(validation)));
        Ok(())
    }

    /// Takes a new certificate of our own into use; connections live on.
    fn serve(&self) -> Result<ServingCertificate> {
        let serving = self.authority.load().serve(&self.names, &self.addresses, SystemTime::now())?;
        let (chain, key) = (serving.chain.as_bytes().to_vec(), serving.key.pem().as_bytes().to_vec());
        self.store.set(OWN.into(), Arc::new(Secret::Certificate { chain, key }));
        Ok(serving)
    }

    /// Renews our own certificate at half of its life, and a root of ours in the last fifth of its. Runs until
    /// dropped.
    pub async fn keep(&self, mut serving: ServingCertificate) {
        let seed = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let mut random = SplitMix::new(seed.subsec_nanos().into());
        loop {
            let dice = |random: &mut SplitMix| f64::from(random.next_u64() as u32) / f64::from(u32::MAX);
            let due = renew_at(&serving.lifetime, dice(&mut random));
            self.sleep_until(due, &mut random).await;
            match self.serve() {
                Ok(renewed) => serving = renewed,
                Err(error) => {
                    tracing::error!("own certificate is not renewed: {error:#}");
                    tokio::time::sleep(RETRY).await;
                }
            }
        }
    }

    async fn sleep_until(&self, due: SystemTime, random: &mut SplitMix) {
        let mut look = SystemTime::now();
        while let Ok(left) = due.duration_since(SystemTime::now()) {
            if left.is_zero() {
                return;
            }
            if SystemTime::now() >= look {
                look = self.look_at_root(random);
            }
            tokio::time::sleep(left.min(LONGEST_SLEEP)).await;
        }
    }

    /// Renews the root if it is time; says when to look again.
    fn look_at_root(&self, random: &mut SplitMix) -> SystemTime {
        let now = SystemTime::now();
        let dice = f64::from(random.next_u64() as u32) / f64::from(u32::MAX);
        let Some(folder) = &self.own else { return now + Duration::from_secs(3600) };
        match root_step(&self.authority.load().lifetime(), now, dice) {
            RootStep::Keep { look_again } => look_again,
            RootStep::Renew => {
                if let Err(error) = self.renew_root(folder, now) {
                    tracing::error!("the root is not renewed: {error:#}");
                }
                now + RETRY
            }
        }
    }

    fn renew_root(&self, folder: &Path, now: SystemTime) -> Result<()> {
        let renewed = self.authority.load().renewed(now, weft_ca::authority::ROOT_VALIDITY)?;
        weft_ca_store::replace_root(folder, &renewed)?;
        self.authority.store(Arc::new(renewed));
        self.publish_roots()?;
        self.serve()?;
        tracing::warn!("the mesh's root has been renewed: same key, new life");
        Ok(())
    }
}

fn server_tls(protocol: &str) -> ServerTls {
    let named = |name: &str| SecretSource::Named(name.into());
    ServerTls {
        common: TlsCommon {
            min_version: TlsVersion::V1_2,
            max_version: TlsVersion::V1_3,
            cipher_suites: Vec::new(),
            curves: Vec::new(),
            alpn: vec![protocol.into()],
            certificates: vec![named(OWN)],
            validation: ValidationSource::One(named(ROOTS)),
        },
        require_client_certificate: false,
        require_sni: false,
        // Who is resumed would not be verified anew.
        disable_tickets: true,
    }
}

/// Replaces a file by one rename; anybody may read it.
fn replace_file(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let mut file = tempfile::NamedTempFile::new_in(folder)?;
    file.write_all(bytes)?;
    file.as_file().set_permissions(std::fs::Permissions::from_mode(0o644))?;
    file.as_file().sync_all()?;
    file.persist(path)?;
    Ok(())
}
