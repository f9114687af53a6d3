//! `weft up DIR`: control plane and ingress gateway over a folder, for applications that join by `weft run`.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

use crate::args::UpArgs;
use crate::folder::Owned;
use crate::mesh::Mesh;
use crate::session::{self, Course, Ending};
use crate::view::{self, View};

/// The user's folder, which must be there.
///
/// # Errors
/// If it is not a folder.
pub(crate) fn existing(dir: &Path) -> Result<(PathBuf, Option<Owned>)> {
    let dir = dir.canonicalize().with_context(|| format!("no folder {}", dir.display()))?;
    if !dir.is_dir() {
        bail!("{} is not a folder; give the one that holds your YAML files", dir.display());
    }
    Ok((dir, None))
}

/// Starts it and runs it.
///
/// # Errors
/// If a part does not become ready, or the mesh cannot go on.
pub(crate) async fn run(mesh: &mut Mesh, view: &mut View, args: &UpArgs) -> Result<Ending> {
    mesh.start().await?;
    mesh.ready().await?;
    let ingress = format!("http://{}", mesh.ingress());
    view::note(&format!(
        "the mesh {:?} is up over {}: ingress {ingress}, its own page http://127.0.0.1:{}, logs in {}\n\
         start an application in it, in another terminal: weft run --service NAME --port 8080 -- COMMAND",
        args.name,
        mesh.record.dir.display(),
        mesh.record.http,
        mesh.folder.path().display()
    ));
    let course =
        Course { end_after: args.end_after, every: args.every.unwrap_or(view.pace()), rate: 0, ingress };
    session::run(mesh, view, &course).await
}
