//! Objects of all folders, merged and made a snapshot of, again at each change.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use tokio::sync::watch;
use weft_api::{Code, Diagnostic, Object, ObjectRef, Severity};
use weft_model::{MeshConfig, Snapshot};
use weft_source::{Update, Watch};

use crate::kubernetes::Cluster;

/// The mesh at one moment.
#[derive(Debug)]
pub struct World {
    /// What it is compiled from.
    pub snapshot: Arc<Snapshot>,
    /// All there is to say about files and objects.
    pub diagnostics: Vec<Diagnostic>,
    /// Objects in force, by kind.
    pub objects: BTreeMap<String, usize>,
    /// When it was made.
    pub made: SystemTime,
    /// How long that took.
    pub took: Duration,
}

/// What changes the mesh.
#[derive(Debug)]
pub enum Message {
    /// Objects of one source, by its place in the list of sources.
    Objects(usize, Update),
    /// Settings of the whole mesh.
    Mesh(Box<MeshConfig>),
}

/// The sources, watched; dropping it ends that.
#[derive(Debug)]
pub struct Sources {
    watches: Vec<Watch>,
    /// Its tasks end after it is dropped.
    cluster: Option<Cluster>,
    builder: Option<JoinHandle<()>>,
}

impl Drop for Sources {
    fn drop(&mut self) {
        // Their updates end, and with them the builder.
        self.watches.clear();
        self.cluster = None;
        if let Some(builder) = self.builder.take() {
            // Its panic has been printed where it happened.
            let _ = builder.join();
        }
    }
}

/// Reads all folders, and follows them from then on; beside them a cluster that has delivered all it holds,
/// whose objects come after those of folders.
///
/// # Errors
/// A folder cannot be looked into; names it.
pub fn follow(
    folders: &[PathBuf],
    cluster: Option<Cluster>,
    mesh: MeshConfig,
    (send, updates): (mpsc::Sender<Message>, mpsc::Receiver<Message>),
) -> Result<(Sources, watch::Receiver<Arc<World>>)> {
    let mut watches = Vec::new();
    for (index, folder) in folders.iter().enumerate() {
        let send = send.clone();
        // Nobody listens any more once we stop.
        let watch = Watch::start(folder, move |update| drop(send.send(Message::Objects(index, update))));
        watches.push(watch.with_context(|| format!("--config-dir {}", folder.display()))?);
    }
    drop(send);
    let mut names = folders.to_vec();
    names.extend(cluster.is_some().then(|| PathBuf::from("kubernetes")));
    let mut builder = Builder { merged: Merged::new(&names), mesh, generation: 0, said: Vec::new() };
    // Each source has delivered what it holds.
    for message in updates.try_iter() {
        builder.take(message);
    }
    let first = builder.build().context("the objects cannot be made a snapshot of")?;
    let (worlds, receiver) = watch::channel(Arc::new(first));
    let thread = std::thread::Builder::new().name("weft-world".to_owned());
    let builder = thread.spawn(move || {
        while let Ok(message) = updates.recv() {
            builder.take(message);
            for message in updates.try_iter() {
                builder.take(message);
            }
            if let Some(world) = builder.build() {
                worlds.send_replace(Arc::new(world));
            }
        }
    })?;
    Ok((Sources { watches, cluster, builder: Some(builder) }, receiver))
}

struct Builder {
    merged: Merged,
    mesh: MeshConfig,
    generation: u64,
    /// Diagnostics that were printed and still hold.
    said: Vec<Diagnostic>,
}

impl Builder {
    fn take(&mut self, message: Message) {
        match message {
            Message::Objects(index, update) => self.merged.apply(index, update),
            Message::Mesh(mesh) => self.mesh = *mesh,
        }
    }

    /// `None` if it cannot be made: the last one stays in force.
    fn build(&mut self) -> Option<World> {
        let begun = Instant::now();
        self.generation += 1;
        let objects = self.merged.objects();
        let build = || Snapshot::build(&objects, &self.mesh, self.generation);
        let Ok(snapshot) = catch_unwind(AssertUnwindSafe(build)) else {
            tracing::error!(generation = self.generation, "no snapshot: the last one stays in force");
            return None;
        };
        let mut diagnostics = self.merged.diagnostics();
        diagnostics.extend(snapshot.diagnostics.iter().cloned());
        self.print(&diagnostics);
        let mut kinds = BTreeMap::new();
        for object in &objects {
            *kinds.entry(object.reference.kind.to_string()).or_insert(0) += 1;
        }
        Some(World {
            snapshot: Arc::new(snapshot),
            diagnostics,
            objects: kinds,
            made: SystemTime::now(),
            took: begun.elapsed(),
        })
    }

    /// Prints what is new, a line each.
    fn print(&mut self, diagnostics: &[Diagnostic]) {
        let mut error = std::io::stderr().lock();
        for diagnostic in diagnostics.iter().filter(|diagnostic| !self.said.contains(diagnostic)) {
            let _ = writeln!(error, "{diagnostic}");
        }
        self.said = diagnostics.to_vec();
    }
}

/// Objects of several folders: the first folder that holds a name has it.
#[derive(Debug)]
struct Merged {
    folders: Vec<Folder>,
}

#[derive(Debug)]
struct Folder {
    path: PathBuf,
    objects: BTreeMap<ObjectRef, Arc<Object>>,
    diagnostics: Vec<Diagnostic>,
}

impl Merged {
    fn new(folders: &[PathBuf]) -> Self {
        let folder =
            |path: &PathBuf| Folder { path: path.clone(), objects: BTreeMap::new(), diagnostics: Vec::new() };
        Self { folders: folders.iter().map(folder).collect() }
    }

    fn apply(&mut self, index: usize, update: Update) {
        let Some(folder) = self.folders.get_mut(index) else { return };
        let Update { changed, removed, diagnostics } = update;
        for reference in removed {
            folder.objects.remove(&reference);
        }
        folder.objects.extend(changed.into_iter().map(|object| (object.reference.clone(), object)));
        folder.diagnostics = diagnostics;
    }

    fn objects(&self) -> Vec<Arc<Object>> {
        let mut merged: BTreeMap<&ObjectRef, &Arc<Object>> = BTreeMap::new();
        for (reference, object) in self.folders.iter().flat_map(|folder| &folder.objects) {
            merged.entry(reference).or_insert(object);
        }
        merged.into_values().cloned().collect()
    }

    fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut diagnostics: Vec<_> =
            self.folders.iter().flat_map(|f| f.diagnostics.iter().cloned()).collect();
        for (index, folder) in self.folders.iter().enumerate().skip(1) {
            for (reference, object) in &folder.objects {
                let before = self.folders.iter().take(index);
                let first = before.filter_map(|f| Some((&f.path, f.objects.get(reference)?))).next();
                if let Some((path, first)) = first {
                    diagnostics.push(duplicate(object, path, first));
                }
            }
        }
        diagnostics
    }
}

fn duplicate(object: &Object, folder: &Path, first: &Object) -> Diagnostic {
    let place = match first.source.file.is_empty() {
        true => folder.to_owned(),
        false => folder.join(&*first.source.file),
    };
    let message = format!("{}:{} holds the same object, and comes first", place.display(), first.source.line);
    Diagnostic {
        line: object.source.line,
        object: Some(object.reference.clone()),
        severity: Severity::Error,
        hint: Some("remove one of them".to_owned()),
        ..Diagnostic::of_file(Code::DuplicateObject, &object.source.file, message)
    }
}
