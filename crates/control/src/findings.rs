//! What the compiler says of objects for the proxies that are connected: each once, however many have it.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::io::Write as _;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use weft_api::Diagnostic;

/// Most findings of one proxy that are kept.
pub const MAX_OF_A_PROXY: usize = 1_000;
/// Most findings that are remembered as printed.
const MAX_PRINTED: usize = 10_000;

/// Findings of all connected proxies.
#[derive(Debug, Default)]
pub struct Findings(Mutex<Inner>);

#[derive(Debug, Default)]
struct Inner {
    of: BTreeMap<u64, Vec<Arc<Diagnostic>>>,
    /// How many proxies have each.
    holders: HashMap<Arc<Diagnostic>, usize>,
    /// What was printed, and no proxy has lost by an edit since: one that comes back brings no news.
    printed: HashSet<Arc<Diagnostic>>,
}

impl Findings {
    /// Takes the place of what a stream's proxy had, and prints what is new, a line each.
    pub fn replace(&self, stream: u64, found: Vec<Diagnostic>) {
        let news = self.lock().replace(stream, found);
        let mut error = std::io::stderr().lock();
        for diagnostic in news {
            let _ = writeln!(error, "{diagnostic}");
        }
    }

    /// Forgets a stream that has ended.
    pub fn forget(&self, stream: u64) {
        let mut inner = self.lock();
        let old = inner.of.remove(&stream).unwrap_or_default();
        for gone in old {
            inner.release(&gone);
        }
    }

    /// All of them, each once, in order of their places.
    #[must_use]
    pub fn all(&self) -> Vec<Diagnostic> {
        let mut all: Vec<Diagnostic> = self.lock().holders.keys().map(|one| Diagnostic::clone(one)).collect();
        all.sort_by(|a, b| key(a).cmp(&key(b)));
        all
    }

    /// A panic elsewhere leaves it as good as it was.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    /// What has not been printed.
    fn replace(&mut self, stream: u64, found: Vec<Diagnostic>) -> Vec<Arc<Diagnostic>> {
        let mut new = Vec::new();
        for diagnostic in found.into_iter().collect::<HashSet<_>>().into_iter().take(MAX_OF_A_PROXY) {
            let known = self.holders.get_key_value(&diagnostic).map(|(known, _)| known.clone());
            let known = known.unwrap_or_else(|| Arc::new(diagnostic));
            *self.holders.entry(known.clone()).or_insert(0) += 1;
            new.push(known);
        }
        new.sort_by(|a, b| key(a).cmp(&key(b)));
        let old = self.of.insert(stream, new.clone()).unwrap_or_default();
        for gone in old {
            if self.release(&gone) {
                self.printed.remove(&gone);
            }
        }
        if self.printed.len() > MAX_PRINTED {
            let held = &self.holders;
            self.printed.retain(|one| held.contains_key(one));
        }
        new.retain(|one| self.printed.insert(one.clone()));
        new
    }

    /// Whether nobody has it any more.
    fn release(&mut self, diagnostic: &Arc<Diagnostic>) -> bool {
        let Some(holders) = self.holders.get_mut(diagnostic) else { return true };
        *holders = holders.saturating_sub(1);
        let none = *holders == 0;
        if none {
            self.holders.remove(diagnostic);
        }
        none
    }
}

/// Leaves out what is said of the mesh anyway.
#[must_use]
pub fn beyond(known: &HashSet<&Diagnostic>, found: Vec<Diagnostic>) -> Vec<Diagnostic> {
    found.into_iter().filter(|one| !known.contains(one)).collect()
}

fn key(d: &Diagnostic) -> impl Ord + '_ {
    (&d.file, d.line, d.column, &d.object, &d.path, d.code, &d.message)
}

#[cfg(test)]
mod tests {
    use weft_api::Code;

    use super::*;

    fn said(messages: &[&str]) -> Vec<Diagnostic> {
        messages.iter().map(|message| Diagnostic::of_file(Code::Policy, &"a.yaml".into(), *message)).collect()
    }

    fn news(inner: &mut Inner, stream: u64, messages: &[&str]) -> Vec<String> {
        inner.replace(stream, said(messages)).iter().map(|one| one.message.clone()).collect()
    }

    #[test]
    fn what_several_proxies_have_counts_once_and_until_the_last_has_lost_it() {
        let findings = Findings::default();
        assert_eq!(news(&mut findings.lock(), 1, &["b", "a", "a"]), ["a", "b"]);
        assert_eq!(news(&mut findings.lock(), 2, &["a", "c"]), ["c"]);
        assert_eq!(findings.all(), said(&["a", "b", "c"]));
        assert!(news(&mut findings.lock(), 1, &[]).is_empty());
        assert_eq!(findings.all(), said(&["a", "c"]));
        // It was mended, and is broken again.
        assert_eq!(news(&mut findings.lock(), 1, &["b"]), ["b"]);
        // A proxy that comes back brings no news.
        findings.forget(2);
        assert_eq!(findings.all(), said(&["b"]));
        assert!(news(&mut findings.lock(), 3, &["a", "c"]).is_empty());
        assert_eq!(findings.all(), said(&["a", "b", "c"]));
    }

    #[test]
    fn what_is_known_of_the_mesh_is_left_out() {
        let known = said(&["a"]);
        assert_eq!(beyond(&known.iter().collect(), said(&["a", "b"])), said(&["b"]));
    }
}
