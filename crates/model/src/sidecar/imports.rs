//! Hosts that an egress listener names (SC-04).

use crate::host;
use crate::virtual_service::VirtualServiceView;

/// Hosts that an egress listener names, by namespace; `*` is any (SC-04).
#[derive(Debug)]
pub(super) struct Imports<'h>(Vec<(&'h str, String)>);

impl<'h> Imports<'h> {
    pub(super) fn new(hosts: &'h [String], own: &'h str) -> Self {
        let pairs = hosts.iter().filter_map(|text| {
            let (namespace, host) = text.split_once('/')?;
            let namespace = if namespace == "." { own } else { namespace };
            (namespace != "~").then(|| (namespace, host.trim_end_matches('.').to_ascii_lowercase()))
        });
        Self(pairs.collect())
    }

    fn of<'i>(&'i self, namespace: &'i str) -> impl Iterator<Item = &'i str> {
        self.0.iter().filter(move |(of, _)| *of == "*" || *of == namespace).map(|(_, host)| host.as_str())
    }

    pub(super) fn take_service(&self, namespace: &str, host: &str) -> bool {
        self.of(namespace).any(|import| host::covers(import, host))
    }

    pub(super) fn take_routes(&self, view: &VirtualServiceView) -> bool {
        let mut imports = self.of(&view.namespace);
        imports.any(|import| view.hosts.iter().any(|host| host::meets(import, host)))
    }
}
