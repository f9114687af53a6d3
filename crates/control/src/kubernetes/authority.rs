//! The authority in Secrets. Source: CP-19.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use anyhow::{Context as _, Result, bail};
use weft_ca::authority::ROOT_VALIDITY;
use weft_ca::{Authority, AuthorityFiles, PemFile};
use weft_ca_store::{CA_CERT, CA_CRL, CA_KEY, CERT_CHAIN, ROOT_CERT};
use weft_kube_source::{Client, named};

use crate::certificates::Certificates;

/// The user's own authority.
const GIVEN: &str = "cacerts";
/// Ours.
const OWN: &str = "istio-ca-secret";
/// Its type.
const TYPE: &str = "istio.io/ca-root";

type Data = BTreeMap<String, Vec<u8>>;

/// Opens the authority; of several of us who find none, the first makes it for all.
pub(super) async fn open(client: &Client, namespace: &str, trust_domain: &str) -> Result<Authority> {
    if let Some(authority) = find(client, namespace, GIVEN).await? {
        return Ok(authority);
    }
    if let Some(authority) = find(client, namespace, OWN).await? {
        return Ok(authority);
    }
    let made = Authority::self_signed(trust_domain, SystemTime::now(), ROOT_VALIDITY)?;
    let data = Data::from([
        (CA_CERT.to_owned(), made.certificate_pem().into_bytes()),
        (CA_KEY.to_owned(), made.key_pem().as_bytes().to_vec()),
        (CERT_CHAIN.to_owned(), made.chain_pem().into_bytes()),
        (ROOT_CERT.to_owned(), made.roots_pem().into_bytes()),
    ]);
    let created = named::create_secret(client, namespace, OWN, TYPE, data).await;
    if created.with_context(|| format!("making Secret {namespace}/{OWN}"))? {
        return Ok(made);
    }
    match find(client, namespace, OWN).await? {
        Some(authority) => Ok(authority),
        None => bail!("Secret {namespace}/{OWN} came and went"),
    }
}

async fn find(client: &Client, namespace: &str, name: &str) -> Result<Option<Authority>> {
    let data = named::secret(client, namespace, name).await;
    let data = data.with_context(|| format!("reading Secret {namespace}/{name}"))?;
    data.map(|data| read(&format!("Secret {namespace}/{name}"), &data)).transpose()
}

/// Reads Istio's keys, else those of a TLS secret.
fn read(secret: &str, data: &Data) -> Result<Authority> {
    let get = |key: &str| data.get(key).filter(|bytes| !bytes.is_empty());
    let istio = get(CA_CERT).is_some() || get(CA_KEY).is_some();
    let [certificate, key, roots] =
        if istio { [CA_CERT, CA_KEY, ROOT_CERT] } else { ["tls.crt", "tls.key", "ca.crt"] };
    let named = |key: &str| format!("{secret}: {key}");
    let names = [named(certificate), named(key), named(roots), named(CERT_CHAIN), named(CA_CRL)];
    let needed = |key: &str| get(key).with_context(|| format!("{secret}: no {key}"));
    // Istio's own self-signed authority leaves the root out: it is the certificate itself.
    let root = match get(roots) {
        Some(root) => root,
        None => needed(certificate)?,
    };
    let files = AuthorityFiles {
        certificate: PemFile { name: &names[0], text: needed(certificate)? },
        key: PemFile { name: &names[1], text: needed(key)? },
        chain: get(CERT_CHAIN).map(|text| PemFile { name: &names[3], text }),
        roots: PemFile { name: &names[2], text: root },
        revocation_list: get(CA_CRL).map(|text| PemFile { name: &names[4], text }),
    };
    Ok(Authority::from_pem(&files, SystemTime::now())?)
}

/// Takes the Secret of the user's into use when it comes or changes. One that goes, or cannot serve, leaves the
/// authority in use.
pub(super) async fn follow(client: Client, namespace: String, certificates: Arc<Certificates>) {
    let secret = format!("Secret {namespace}/{GIVEN}");
    named::follow_secret(client, &namespace, GIVEN, |data| {
        let Some(data) = data else { return };
        let taken = read(&secret, &data).and_then(|authority| {
            let used = certificates.authority();
            let used = used.load();
            let same = authority.certificate_pem() == used.certificate_pem()
                && authority.roots_pem() == used.roots_pem()
                && authority.revocation_list_pem() == used.revocation_list_pem();
            if same {
                return Ok(());
            }
            tracing::warn!("{secret}: another authority is taken into use");
            certificates.replace(authority)
        });
        if let Err(error) = taken {
            tracing::error!("{error:#}; the authority in use stays");
        }
    })
    .await;
}
