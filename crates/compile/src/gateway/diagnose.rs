//! What a gateway cannot do as its objects stand.

use weft_api::{Code, Diagnostic, Severity};
use weft_model::Snapshot;

use super::plan::{Conflict, plan};
use super::server::{Purpose, ServerView};
use super::tls;
use crate::proxy::Proxy;
use crate::security::diagnostic;

/// Servers that are left out, and secrets that nobody serves yet.
#[must_use]
pub fn diagnose(snapshot: &Snapshot, proxy: &Proxy) -> Vec<Diagnostic> {
    let plan = plan(snapshot, proxy);
    let conflicts = plan.conflicts.iter().map(|(object, path, conflict)| {
        let code = match conflict {
            Conflict::Port { .. } => Code::Port,
            Conflict::ServerName { .. } => Code::Host,
            Conflict::Protocol(_) => Code::Protocol,
        };
        diagnostic(Severity::Warning, object, path, code, format!("not served: {conflict}"))
    });
    let servers: Vec<&ServerView> = plan.ports.iter().flat_map(|port| &port.servers).collect();
    let secrets = servers.iter().filter(|_| !snapshot.mesh.secrets).filter_map(|server| {
        let own = server.server.tls.as_ref()?;
        let names = tls::secret_names(own);
        let name = names.first()?;
        let message = format!("nothing serves the secret {name:?} yet: connections are refused");
        let path = format!("{}.tls", server.path());
        let said = diagnostic(Severity::Warning, &server.gateway, &path, Code::Tls, message);
        Some(Diagnostic { hint: Some("name files with serverCertificate and privateKey".to_owned()), ..said })
    });
    let by_name = servers.iter().filter(|server| server.purpose() == Some(Purpose::AutoPassTls));
    let by_name = by_name.map(|server| {
        let message = "no cluster has a server name yet: connections are closed".to_owned();
        let path = format!("{}.tls.mode", server.path());
        diagnostic(Severity::Warning, &server.gateway, &path, Code::Tls, message)
    });
    conflicts.chain(secrets).chain(by_name).collect()
}
