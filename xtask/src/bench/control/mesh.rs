//! The mesh that is simulated: one file a service.

use anyhow::Result;
use std::fmt::Write as _;
use std::path::Path;

/// Services of a namespace.
const NAMESPACE: usize = 50;
/// HTTP ports that services spread over; each is a route configuration of its own.
const PORTS: usize = 10;

/// A mesh of that size.
#[derive(Debug, Clone)]
pub(super) struct Mesh {
    pub(super) services: usize,
    per_service: usize,
    pub(super) proxies: usize,
}

impl Mesh {
    pub(super) fn new(services: usize, endpoints: usize, proxies: usize) -> Self {
        Self { services, per_service: endpoints.div_ceil(services).clamp(1, 200), proxies }
    }

    pub(super) fn endpoints(&self) -> usize {
        self.services * self.per_service
    }

    /// Endpoints of a service.
    pub(super) fn per_service(&self) -> usize {
        self.per_service
    }

    /// Names of the route configurations.
    pub(super) fn routes(&self) -> Vec<String> {
        (0..PORTS.min(self.services)).map(|port| (8_000 + port).to_string()).collect()
    }

    pub(super) fn namespace(service: usize) -> String {
        format!("ns-{}", service / NAMESPACE)
    }

    pub(super) fn address(service: usize, pod: usize) -> String {
        let number = service * 200 + pod;
        format!("10.{}.{}.{}", 16 + number / 62_500, number / 250 % 250, 1 + number % 250)
    }

    /// Service and pod that a proxy is beside.
    pub(super) fn beside(&self, proxy: usize) -> (usize, usize) {
        let spread = proxy * self.services / self.proxies.max(1);
        match self.proxies > self.services {
            true => (proxy % self.services, proxy / self.services % self.per_service),
            false => (spread.min(self.services - 1), 0),
        }
    }

    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        for service in 0..self.services {
            std::fs::write(folder.join(file(service)), self.service(service, "a", None))?;
        }
        for service in (0..self.services).step_by(10) {
            std::fs::write(folder.join(format!("route-{service}.yaml")), route(service, 5))?;
            std::fs::write(folder.join(format!("rule-{service}.yaml")), rule(service))?;
        }
        Ok(())
    }

    /// Pods of a service, with a letter that tells a restart from the one before; one may be not ready.
    pub(super) fn service(&self, service: usize, letter: &str, unready: Option<usize>) -> String {
        let namespace = Self::namespace(service);
        let mut text = format!(
            "apiVersion: v1\nkind: Service\nmetadata: {{name: s{service}, namespace: {namespace}}}\nspec: {{clusterIP: 10.8.{}.{}, selector: {{app: s{service}}}, ports: [{{name: http, port: {}}}]}}\n",
            service / 250,
            1 + service % 250,
            8_000 + service % PORTS,
        );
        for pod in 0..self.per_service {
            let ready = if unready == Some(pod) { "False" } else { "True" };
            // A pod that is beside a proxy keeps its name.
            let name = if pod == 0 { "a" } else { letter };
            let _ = write!(
                text,
                "---\napiVersion: v1\nkind: Pod\nmetadata: {{name: s{service}-{name}-{pod}, namespace: {namespace}, labels: {{app: s{service}, version: v1, security.istio.io/tlsMode: istio}}}}\nspec: {{serviceAccountName: sa-{service}, containers: [{{name: app, image: app, ports: [{{containerPort: {}}}]}}]}}\nstatus: {{podIP: {}, phase: Running, conditions: [{{type: Ready, status: '{ready}'}}]}}\n",
                8_000 + service % PORTS,
                Self::address(service, pod + if name == "a" { 0 } else { 100 }),
            );
        }
        text
    }

    /// Who may call by which token.
    pub(super) fn tokens(&self) -> String {
        let mut text = String::new();
        for service in 0..self.services {
            let namespace = Self::namespace(service);
            let _ =
                writeln!(text, "token-{service},system:serviceaccount:{namespace}:sa-{service},{service}");
        }
        text
    }
}

pub(super) fn file(service: usize) -> String {
    format!("service-{service}.yaml")
}

/// A VirtualService with a time-out, seconds.
pub(super) fn route(service: usize, timeout: usize) -> String {
    let namespace = Mesh::namespace(service);
    format!(
        "apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {{name: s{service}, namespace: {namespace}}}\nspec:\n  hosts: [s{service}]\n  http:\n  - match: [{{uri: {{prefix: /old}}}}]\n    redirect: {{uri: /new}}\n  - timeout: {timeout}s\n    route: [{{destination: {{host: s{service}, subset: v1}}}}]\n"
    )
}

fn rule(service: usize) -> String {
    let namespace = Mesh::namespace(service);
    format!(
        "apiVersion: networking.istio.io/v1\nkind: DestinationRule\nmetadata: {{name: s{service}, namespace: {namespace}}}\nspec:\n  host: s{service}\n  trafficPolicy: {{connectionPool: {{tcp: {{maxConnections: 100}}}}}}\n  subsets: [{{name: v1, labels: {{version: v1}}}}]\n"
    )
}
