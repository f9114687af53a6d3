//! What one stream has asked for, and what it has been sent.

use std::collections::BTreeMap;

use weft_ca::WorkloadCertificate;

use super::secrets::{self, Ready, Wanted};

/// Most names of one stream. Envoy opens one stream a secret.
pub const MAX_NAMES: usize = 100;
/// Longest name, bytes.
pub const MAX_NAME_BYTES: usize = 4096;

/// The names of a stream, each with the version that was sent.
#[derive(Debug, Default)]
pub(super) struct Subscriptions {
    names: BTreeMap<String, Entry>,
}

#[derive(Debug)]
struct Entry {
    wanted: Wanted,
    sent: Option<String>,
    complained: Option<String>,
}

impl Subscriptions {
    /// Adds names.
    ///
    /// # Errors
    /// A name is none that we serve, or there are too many.
    pub(super) fn add(&mut self, names: impl IntoIterator<Item = String>) -> Result<(), String> {
        for name in names {
            if self.names.contains_key(&name) {
                continue;
            }
            if name.len() > MAX_NAME_BYTES || self.names.len() >= MAX_NAMES {
                return Err(format!(
                    "more than {MAX_NAMES} names, or one longer than {MAX_NAME_BYTES} bytes"
                ));
            }
            let wanted = Wanted::parse(&name).ok_or_else(|| {
                format!(
                    "no secret {name:?} here: there are default, ROOTCA, file-cert:CERT~KEY and file-root:CA"
                )
            })?;
            self.names.insert(name, Entry { wanted, sent: None, complained: None });
        }
        Ok(())
    }

    /// Removes names.
    pub(super) fn remove(&mut self, names: &[String]) {
        for name in names {
            self.names.remove(name);
        }
    }

    /// Replaces the names by these, as state-of-the-world requests do.
    ///
    /// # Errors
    /// As [`Self::add`].
    pub(super) fn set(&mut self, names: Vec<String>) -> Result<(), String> {
        self.names.retain(|name, _| names.contains(name));
        self.add(names)
    }

    /// Sends a name again although it is not new (a delta client that asks once more).
    pub(super) fn forget(&mut self, names: &[String]) {
        for name in names {
            if let Some(entry) = self.names.get_mut(name) {
                entry.sent = None;
            }
        }
    }

    /// Whether files have to be looked at.
    pub(super) fn watch_files(&self) -> bool {
        self.names.values().any(|entry| entry.wanted.is_of_files())
    }

    /// What is new for this stream. `all` gives everything that there is once anything is new.
    pub(super) async fn due(&mut self, current: Option<&WorkloadCertificate>, all: bool) -> Vec<Ready> {
        let (mut ready, mut new) = (Vec::new(), false);
        for (name, entry) in &mut self.names {
            match secrets::find(name, &entry.wanted, current).await {
                Ok(None) => {}
                Ok(Some(secret)) => {
                    entry.complained = None;
                    let changed = entry.sent.as_ref() != Some(&secret.version);
                    if changed || all {
                        entry.sent = Some(secret.version.clone());
                        ready.push(secret);
                    }
                    new |= changed;
                }
                // Once per reason: files are looked at again every few seconds.
                Err(reason) if entry.complained.as_ref() != Some(&reason) => {
                    tracing::warn!(secret = name, reason, "a secret's file cannot be used");
                    entry.complained = Some(reason);
                }
                Err(_) => {}
            }
        }
        if new { ready } else { Vec::new() }
    }
}
