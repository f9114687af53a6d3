//! `weft demo`: Bookinfo through a mesh of its own.

mod folder;

use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use anyhow::Result;

use crate::args::DemoArgs;
use crate::child::Spec;
use crate::load;
use crate::mesh::Mesh;
use crate::proxies;
use crate::services::Contents;
use crate::session::{self, Course, Ending};
use crate::view::{self, View};
use crate::workload::Workload;

pub(crate) use folder::write_files;

/// Bookinfo's workloads.
const WORKLOADS: [(&str, &str); 6] = [
    ("details", "v1"),
    ("ratings", "v1"),
    ("reviews", "v1"),
    ("reviews", "v2"),
    ("reviews", "v3"),
    ("productpage", "v1"),
];
/// Port of every service.
const PORT: u16 = 9080;

/// Starts what the demo is made of, and runs it.
///
/// # Errors
/// If a part does not become ready, or the mesh cannot go on.
pub(crate) async fn run(mesh: &mut Mesh, view: &mut View, args: &DemoArgs) -> Result<Ending> {
    view::note(&format!(
        "configuration in {}; logs in {}",
        mesh.record.dir.display(),
        mesh.folder.path().display()
    ));
    mesh.start().await?;
    let contents = Contents::read(&[&mesh.record.dir, &mesh.folder.objects()]);
    for (service, version) in WORKLOADS {
        start_workload(mesh, &contents, service, version)?;
    }
    mesh.ready().await?;
    mesh.ready_through_ingress(load::PATH).await?;
    let ingress = format!("http://{}{}", mesh.ingress(), load::PATH);
    view::note(&format!(
        "Bookinfo is at {ingress}; the mesh's own page at http://127.0.0.1:{}",
        mesh.record.http
    ));
    let course = Course {
        end_after: args.end_after,
        every: args.every.unwrap_or(view.pace()),
        rate: args.rate,
        ingress,
    };
    session::run(mesh, view, &course).await
}

fn start_workload(mesh: &mut Mesh, contents: &Contents, service: &str, version: &str) -> Result<()> {
    let port = mesh.port()?;
    let workload = mesh.join(|address| workload(service, version, address, port))?;
    let mut environment = contents.environment(workload.address, &workload.namespace);
    environment.extend(proxies::way_into_mesh(&workload));
    environment.push(("PORT".to_owned(), port.to_string()));
    environment.push(("HOSTNAME".to_owned(), workload.name.clone()));
    environment.push(("CLUSTER_NAME".to_owned(), "Kubernetes".to_owned()));
    for callee in ["details", "reviews", "ratings"] {
        environment.push((format!("{}_HOSTNAME", callee.to_uppercase()), callee.to_owned()));
    }
    let spec = Spec {
        program: mesh.siblings().bookinfo.clone(),
        arguments: [service, "--version", version].map(Into::into).to_vec(),
        environment,
        log: mesh.folder.log(&workload.name),
        name: workload.name,
    };
    mesh.run(spec, port)
}

fn workload(service: &str, version: &str, address: Ipv4Addr, port: u16) -> Workload {
    let name = format!("{service}-{version}");
    let labels = [("app", service), ("version", version)];
    Workload {
        workload_name: name.clone(),
        name,
        namespace: weft_api::object::DEFAULT_NAMESPACE.to_owned(),
        service_account: format!("bookinfo-{service}"),
        labels: labels.into_iter().map(|(key, value)| (key.to_owned(), value.to_owned())).collect(),
        address,
        ports: BTreeMap::from([(PORT, port)]),
        bind: None,
        ready: true,
    }
}
