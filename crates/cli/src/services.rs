//! The Services of a mesh, as `weft` needs them: what selects a pod, and what an application's environment
//! says of them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use weft_api::{ObjectRef, Spec};
use weft_types::embedded::virtual_address;

/// Most files that are read; the control plane's own limits are what counts.
const MAX_FILES: usize = 10_000;
/// Longest file that is read, in bytes.
const MAX_FILE_BYTES: u64 = 4 << 20;

/// A Service.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Service {
    name: String,
    namespace: String,
    selector: BTreeMap<String, String>,
    ports: Vec<(Option<String>, u16)>,
}

impl Service {
    /// Whether a pod with these labels is behind it.
    #[must_use]
    pub(crate) fn selects(&self, namespace: &str, labels: &BTreeMap<String, String>) -> bool {
        let all = |(key, value): (&String, &String)| labels.get(key) == Some(value);
        self.namespace == namespace && !self.selector.is_empty() && self.selector.iter().all(all)
    }

    /// Its name and ports.
    #[must_use]
    pub(crate) fn describe(&self) -> String {
        let ports: Vec<String> = self.ports.iter().map(|(_, port)| port.to_string()).collect();
        format!("{}.{}:{}", self.name, self.namespace, ports.join(","))
    }

    /// Whether it has this port.
    #[must_use]
    pub(crate) fn has_port(&self, port: u16) -> bool {
        self.ports.iter().any(|(_, own)| *own == port)
    }

    /// Whether it is called this.
    #[must_use]
    pub(crate) fn is(&self, namespace: &str, name: &str) -> bool {
        self.namespace == namespace && self.name == name
    }
}

/// What folders define.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Every object's kind and name.
    pub(crate) objects: BTreeSet<ObjectRef>,
    /// The Services.
    pub(crate) services: Vec<Service>,
}

impl Contents {
    /// Reads folders as the control plane does, without its diagnostics.
    #[must_use]
    pub(crate) fn read(folders: &[&Path]) -> Self {
        let mut contents = Self::default();
        let mut left = MAX_FILES;
        for folder in folders {
            contents.read_folder(folder, &mut left);
        }
        contents
    }

    /// Kubernetes' variables for the Services of a namespace: `NAME_SERVICE_HOST` is where the pod's own
    /// sidecar takes requests for it.
    #[must_use]
    pub(crate) fn environment(&self, pod: Ipv4Addr, namespace: &str) -> Vec<(String, String)> {
        let mut variables = Vec::new();
        for service in self.services.iter().filter(|service| service.namespace == namespace) {
            let prefix = service.name.to_uppercase().replace('-', "_");
            let host = format!("{}.{namespace}.svc.cluster.local", service.name);
            variables.push((format!("{prefix}_SERVICE_HOST"), virtual_address(pod, &host).to_string()));
            for (at, (name, port)) in service.ports.iter().enumerate() {
                if at == 0 {
                    variables.push((format!("{prefix}_SERVICE_PORT"), port.to_string()));
                }
                if let Some(name) = name {
                    let name = name.to_uppercase().replace('-', "_");
                    variables.push((format!("{prefix}_SERVICE_PORT_{name}"), port.to_string()));
                }
            }
        }
        variables
    }

    fn read_folder(&mut self, folder: &Path, left: &mut usize) {
        let mut entries: Vec<PathBuf> =
            fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
        entries.sort();
        for path in entries {
            let hidden = path.file_name().is_none_or(|name| name.to_string_lossy().starts_with('.'));
            // A link to a folder above would never end.
            let Ok(found) = fs::symlink_metadata(&path) else { continue };
            if hidden {
            } else if found.is_dir() {
                self.read_folder(&path, left);
            } else if is_config(&path) && *left > 0 {
                *left -= 1;
                if fs::metadata(&path).is_ok_and(|file| file.is_file() && file.len() <= MAX_FILE_BYTES)
                    && let Ok(text) = fs::read_to_string(&path)
                {
                    self.read_text(&text, &path.to_string_lossy());
                }
            }
        }
    }

    fn read_text(&mut self, text: &str, file: &str) {
        for object in weft_api::decode(text, file).into_iter().filter_map(|decoded| decoded.object) {
            if !self.objects.insert(object.reference.clone()) {
                continue;
            }
            if let Spec::Service(service) = &object.spec {
                let port =
                    |port: &weft_api::kube::service::ServicePort| (port.name.clone(), port.port.number());
                self.services.push(Service {
                    name: object.reference.name.to_string(),
                    namespace: object.reference.namespace.to_string(),
                    selector: service.spec.selector.clone(),
                    ports: service.spec.ports.iter().map(port).collect(),
                });
            }
        }
    }
}

fn is_config(path: &Path) -> bool {
    path.extension()
        .is_some_and(|own| ["yaml", "yml", "json"].iter().any(|ext| own.eq_ignore_ascii_case(ext)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn applications_find_services_by_kubernetes_variables() {
        let mut contents = Contents::default();
        contents.read_text(
            "apiVersion: v1\nkind: Service\nmetadata: {name: my-db}\nspec:\n  selector: {app: db}\n  \
             ports: [{name: tcp-sql, port: 3306}, {name: http, port: 80}]\n",
            "a.yaml",
        );
        let pod = Ipv4Addr::new(127, 64, 0, 10);
        let variables: BTreeMap<_, _> = contents.environment(pod, "default").into_iter().collect();
        let address = virtual_address(pod, "my-db.default.svc.cluster.local").to_string();
        assert_eq!(variables["MY_DB_SERVICE_HOST"], address);
        assert_eq!(variables["MY_DB_SERVICE_PORT"], "3306");
        assert_eq!(variables["MY_DB_SERVICE_PORT_HTTP"], "80");
        assert!(contents.environment(pod, "other").is_empty());

        let labels = |app: &str| BTreeMap::from([("app".to_owned(), app.to_owned())]);
        assert!(contents.services[0].selects("default", &labels("db")));
        assert!(!contents.services[0].selects("default", &labels("web")));
        assert!(!contents.services[0].selects("other", &labels("db")));
    }
}
