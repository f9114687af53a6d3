//! What a gateway cannot do as its objects stand.

use std::sync::Arc;

use weft_api::{Code, Diagnostic, Object, Severity};
use weft_model::Snapshot;

use super::plan::{Conflict, plan};
use super::tls;
use crate::proxy::Proxy;

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
        warning(object, path, code, format!("not served: {conflict}"), None)
    });
    let servers = plan.ports.iter().flat_map(|port| &port.servers);
    let secrets = servers.filter_map(|server| {
        let own = server.server.tls.as_ref()?;
        let names = tls::secret_names(own);
        let name = names.first()?;
        let message = format!("nothing serves the secret {name:?} yet: connections are refused");
        let hint = "name files with serverCertificate and privateKey".to_owned();
        let path = format!("{}.tls", server.path());
        Some(warning(&server.gateway, &path, Code::Tls, message, Some(hint)))
    });
    conflicts.chain(secrets).collect()
}

fn warning(
    object: &Arc<Object>,
    path: &str,
    code: Code,
    message: String,
    hint: Option<String>,
) -> Diagnostic {
    Diagnostic {
        code,
        severity: Severity::Warning,
        file: object.source.file.clone(),
        line: object.source.line,
        column: 1,
        object: Some(object.reference.clone()),
        path: path.to_owned(),
        message,
        hint,
    }
}
