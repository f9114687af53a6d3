//! Sessions that a client may resume.
//!
//! One store belongs to one build of a client: one identity, one set of roots, one list of names. A ticket
//! therefore never serves another identity, and none outlives a change of secrets. Each ticket is used
//! once (RFC 8446 appendix C.4).

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use rustls::NamedGroup;
use rustls::client::{ClientSessionStore, Tls12ClientSessionValue, Tls13ClientSessionValue};
use rustls::pki_types::ServerName;

/// Tickets kept for one server name: so many connections can be opened at once without a full handshake.
const TICKETS_MAX: usize = 32;
/// Server names kept at least, however few sessions are configured.
const NAMES_MIN: usize = 16;

/// A store of sessions.
#[derive(Debug)]
pub(crate) struct Sessions {
    names_max: usize,
    servers: Mutex<Servers>,
}

#[derive(Default)]
struct Servers {
    by_name: HashMap<ServerName<'static>, Server>,
    /// Names in the order in which they came.
    order: VecDeque<ServerName<'static>>,
}

#[derive(Default)]
struct Server {
    group: Option<NamedGroup>,
    tls12: Option<Tls12ClientSessionValue>,
    tickets: VecDeque<Tls13ClientSessionValue>,
}

impl std::fmt::Debug for Servers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Its values are secrets.
        f.debug_struct("Servers").field("names", &self.order).finish_non_exhaustive()
    }
}

impl Sessions {
    /// A store for that many sessions (`max_session_keys`), rounded up so that bursts find some.
    pub(crate) fn new(keys: u32) -> Self {
        let names = usize::try_from(keys).unwrap_or(usize::MAX) / TICKETS_MAX;
        Self { names_max: names.max(NAMES_MIN), servers: Mutex::default() }
    }

    fn edit(&self, name: ServerName<'static>, change: impl FnOnce(&mut Server)) {
        let mut servers = self.lock();
        let Servers { by_name, order } = &mut *servers;
        if !by_name.contains_key(&name) {
            if order.len() >= self.names_max
                && let Some(oldest) = order.pop_front()
            {
                by_name.remove(&oldest);
            }
            order.push_back(name.clone());
        }
        change(by_name.entry(name).or_default());
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Servers> {
        self.servers.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientSessionStore for Sessions {
    fn set_kx_hint(&self, name: ServerName<'static>, group: NamedGroup) {
        if self.kx_hint(&name) != Some(group) {
            self.edit(name, |server| server.group = Some(group));
        }
    }

    fn kx_hint(&self, name: &ServerName<'_>) -> Option<NamedGroup> {
        self.lock().by_name.get(name)?.group
    }

    fn set_tls12_session(&self, name: ServerName<'static>, value: Tls12ClientSessionValue) {
        self.edit(name, |server| server.tls12 = Some(value));
    }

    fn tls12_session(&self, name: &ServerName<'_>) -> Option<Tls12ClientSessionValue> {
        self.lock().by_name.get(name)?.tls12.clone()
    }

    fn remove_tls12_session(&self, name: &ServerName<'static>) {
        if let Some(server) = self.lock().by_name.get_mut(name) {
            server.tls12 = None;
        }
    }

    fn insert_tls13_ticket(&self, name: ServerName<'static>, value: Tls13ClientSessionValue) {
        self.edit(name, |server| {
            if server.tickets.len() >= TICKETS_MAX {
                server.tickets.pop_front();
            }
            server.tickets.push_back(value);
        });
    }

    fn take_tls13_ticket(&self, name: &ServerName<'static>) -> Option<Tls13ClientSessionValue> {
        self.lock().by_name.get_mut(name)?.tickets.pop_back()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_bounded_and_the_oldest_goes_first() {
        let sessions = Sessions::new(1);
        let name = |at: usize| ServerName::try_from(format!("n{at}.example")).unwrap();
        for at in 0..NAMES_MIN + 3 {
            sessions.set_kx_hint(name(at), NamedGroup::X25519);
        }
        assert_eq!(sessions.kx_hint(&name(2)), None);
        assert_eq!(sessions.kx_hint(&name(3)), Some(NamedGroup::X25519));
        assert_eq!(sessions.lock().by_name.len(), NAMES_MIN);
        assert_eq!(sessions.lock().order.len(), NAMES_MIN);
    }
}
