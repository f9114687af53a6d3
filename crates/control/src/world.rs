//! Objects of all folders, merged and made a snapshot of, again at each change.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, Result};
use tokio::sync::watch;
use weft_api::{Code, Diagnostic, Kind, Object, ObjectRef, Severity};
use weft_model::{Change, Made, MeshConfig, Snapshot};
use weft_source::{Update, Watch};

use crate::kubernetes::Cluster;

/// The mesh at one moment.
#[derive(Debug)]
pub struct World {
    /// What it is compiled from.
    pub snapshot: Arc<Snapshot>,
    /// All there is to say about files and objects.
    pub diagnostics: Arc<Vec<Diagnostic>>,
    /// Objects in force, by kind.
    pub objects: BTreeMap<String, usize>,
    /// When the changes were taken that it was made of; the debounce of their source is over then.
    pub begun: SystemTime,
    /// When it was made.
    pub made: SystemTime,
    /// How long that took.
    pub took: Duration,
    /// Objects that were looked at for all snapshots together.
    pub visited: u64,
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
    let mut builder = Builder::new(Merged::new(&names), mesh);
    // Each source has delivered what it holds.
    for message in updates.try_iter() {
        builder.take(message);
    }
    let first = builder.build().context("the objects cannot be made a snapshot of")?;
    let (worlds, receiver) = watch::channel(Arc::new(first));
    let thread = std::thread::Builder::new().name("weft-world".to_owned());
    let builder = thread.spawn(move || builder.follow(&updates, &worlds))?;
    Ok((Sources { watches, cluster, builder: Some(builder) }, receiver))
}

/// How long endpoints may change on without a look at what else there is to say about objects now.
const WORDS: Duration = Duration::from_secs(2);

struct Builder {
    merged: Merged,
    mesh: MeshConfig,
    generation: u64,
    /// What changed since the last snapshot; the first version and the last of each object.
    changes: BTreeMap<ObjectRef, Change>,
    /// Settings are others than those of the last snapshot.
    other_mesh: bool,
    last: Option<Arc<Snapshot>>,
    visited: u64,
    begun: SystemTime,
    /// Diagnostics as they were last put together.
    diagnostics: Arc<Vec<Diagnostic>>,
    /// Diagnostics that were printed and still hold.
    said: HashSet<Diagnostic>,
    /// Since when diagnostics are behind the snapshot; and the look at the whole that mends it.
    behind: Option<Instant>,
    look: Option<JoinHandle<Snapshot>>,
}

impl Builder {
    fn new(merged: Merged, mesh: MeshConfig) -> Self {
        Self {
            merged,
            mesh,
            generation: 0,
            changes: BTreeMap::new(),
            other_mesh: true,
            last: None,
            visited: 0,
            begun: SystemTime::now(),
            diagnostics: Arc::default(),
            said: HashSet::new(),
            behind: None,
            look: None,
        }
    }

    /// Makes worlds of what comes, until nothing can come any more.
    fn follow(mut self, updates: &mpsc::Receiver<Message>, worlds: &watch::Sender<Arc<World>>) {
        loop {
            let message = match (self.behind, &self.look) {
                (None, None) => updates.recv().map_err(|_| mpsc::RecvTimeoutError::Disconnected),
                _ => updates.recv_timeout(WORDS / 20),
            };
            let world = match message {
                Ok(message) => {
                    self.begun = SystemTime::now();
                    self.take(message);
                    for message in updates.try_iter() {
                        self.take(message);
                    }
                    self.build()
                }
                Err(mpsc::RecvTimeoutError::Timeout) => self.catch_up(),
                Err(mpsc::RecvTimeoutError::Disconnected) => return,
            };
            if let Some(world) = world {
                worlds.send_replace(Arc::new(world));
            }
        }
    }

    fn take(&mut self, message: Message) {
        match message {
            Message::Objects(index, update) => {
                for (reference, (before, after)) in self.merged.apply(index, update) {
                    self.changes.entry(reference).or_insert((before, None)).1 = after;
                }
            }
            Message::Mesh(mesh) => {
                self.other_mesh |= self.mesh != *mesh;
                self.mesh = *mesh;
            }
        }
    }

    /// `None` if it cannot be made: the last one stays in force.
    fn build(&mut self) -> Option<World> {
        let begun = Instant::now();
        self.generation += 1;
        let (generation, merged, mesh) = (self.generation, &self.merged, &self.mesh);
        let changes: Vec<Change> = std::mem::take(&mut self.changes).into_values().collect();
        let last = self.last.as_ref().filter(|_| !self.other_mesh);
        let build = || match last {
            Some(last) => last.after(&changes, || merged.objects(), generation),
            None => {
                let objects = merged.objects();
                let made = Made { visited: objects.len(), words_are_old: false };
                (Snapshot::build(&objects, mesh, generation), made)
            }
        };
        let Ok((snapshot, made)) = catch_unwind(AssertUnwindSafe(build)) else {
            tracing::error!(generation, "no snapshot: the last one stays in force");
            // What changed is in no snapshot: the next one looks at all.
            self.last = None;
            return None;
        };
        self.other_mesh = false;
        self.visited += made.visited as u64;
        self.behind = made.words_are_old.then(|| self.behind.unwrap_or(begun));
        Some(self.world(snapshot, begun))
    }

    /// Finds out what else there is to say about objects, beside the work on endpoints that change.
    fn catch_up(&mut self) -> Option<World> {
        if let Some(look) = self.look.take_if(|look| look.is_finished()) {
            // Whatever keeps it from counting: the next look is not at once.
            self.behind = Some(Instant::now());
            let Ok(whole) = look.join() else {
                tracing::error!("what there is to say about objects cannot be found: the last words stand");
                return None;
            };
            let last = self.last.clone()?;
            if whole.generation != last.generation {
                return None;
            }
            self.behind = None;
            return Some(self.world(last.with_words_of(&whole), Instant::now()));
        }
        if self.look.is_none() && self.behind.is_some_and(|since| since.elapsed() >= WORDS) {
            let (objects, mesh, generation) = (self.merged.objects(), self.mesh.clone(), self.generation);
            let thread = std::thread::Builder::new().name("weft-words".to_owned());
            let look = thread.spawn(move || Snapshot::build(&objects, &mesh, generation));
            self.look = look.inspect_err(|error| tracing::error!(%error, "no thread for words")).ok();
        }
        None
    }

    fn world(&mut self, snapshot: Snapshot, begun: Instant) -> World {
        let snapshot = Arc::new(snapshot);
        let same = |last: &Arc<Snapshot>| Arc::ptr_eq(&last.diagnostics, &snapshot.diagnostics);
        if self.merged.other_words || !self.last.as_ref().is_some_and(same) {
            self.merged.other_words = false;
            let mut diagnostics = self.merged.diagnostics();
            diagnostics.extend(snapshot.diagnostics.iter().cloned());
            self.print(&diagnostics);
            self.diagnostics = Arc::new(diagnostics);
        }
        self.last = Some(snapshot.clone());
        World {
            snapshot,
            diagnostics: self.diagnostics.clone(),
            objects: self.merged.counts.iter().map(|(kind, count)| (kind.to_string(), *count)).collect(),
            begun: self.begun,
            made: SystemTime::now(),
            took: begun.elapsed(),
            visited: self.visited,
        }
    }

    /// Prints what is new, a line each.
    fn print(&mut self, diagnostics: &[Diagnostic]) {
        let mut error = std::io::stderr().lock();
        for diagnostic in diagnostics.iter().filter(|diagnostic| !self.said.contains(diagnostic)) {
            let _ = writeln!(error, "{diagnostic}");
        }
        self.said = diagnostics.iter().cloned().collect();
    }
}

/// Objects of several folders: the first folder that holds a name has it.
#[derive(Debug)]
struct Merged {
    folders: Vec<Folder>,
    /// Those in force.
    objects: BTreeMap<ObjectRef, Arc<Object>>,
    counts: BTreeMap<Kind, usize>,
    /// Names that several folders hold.
    several: BTreeSet<ObjectRef>,
    /// There is something else to say about files than before.
    other_words: bool,
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
        Self {
            folders: folders.iter().map(folder).collect(),
            objects: BTreeMap::new(),
            counts: BTreeMap::new(),
            several: BTreeSet::new(),
            other_words: true,
        }
    }

    /// What is in force that was not, and the other way round.
    fn apply(&mut self, index: usize, update: Update) -> Vec<(ObjectRef, Change)> {
        let Some(folder) = self.folders.get_mut(index) else { return Vec::new() };
        let Update { changed, removed, diagnostics } = update;
        self.other_words |= folder.diagnostics != diagnostics;
        folder.diagnostics = diagnostics;
        let mut touched: BTreeSet<ObjectRef> = BTreeSet::new();
        for reference in removed {
            folder.objects.remove(&reference);
            touched.insert(reference);
        }
        for object in changed {
            touched.insert(object.reference.clone());
            folder.objects.insert(object.reference.clone(), object);
        }
        touched
            .into_iter()
            .filter_map(|reference| Some((reference.clone(), self.settle(&reference)?)))
            .collect()
    }

    /// Decides which folder has a name; `None` if it is as before.
    fn settle(&mut self, reference: &ObjectRef) -> Option<Change> {
        let mut holders = self.folders.iter().filter_map(|folder| folder.objects.get(reference));
        let after = holders.next().cloned();
        let contended = match holders.next() {
            Some(_) => self.several.insert(reference.clone()) || after.is_some(),
            None => self.several.remove(reference),
        };
        self.other_words |= contended;
        let before = match &after {
            Some(after) => self.objects.insert(reference.clone(), after.clone()),
            None => self.objects.remove(reference),
        };
        let count = self.counts.entry(reference.kind).or_default();
        *count = (*count + usize::from(after.is_some())).saturating_sub(usize::from(before.is_some()));
        if *count == 0 {
            self.counts.remove(&reference.kind);
        }
        let same = match (&before, &after) {
            (Some(before), Some(after)) => Arc::ptr_eq(before, after),
            (None, None) => true,
            _ => false,
        };
        (!same).then_some((before, after))
    }

    fn objects(&self) -> Vec<Arc<Object>> {
        self.objects.values().cloned().collect()
    }

    fn diagnostics(&self) -> Vec<Diagnostic> {
        let mut diagnostics: Vec<_> =
            self.folders.iter().flat_map(|f| f.diagnostics.iter().cloned()).collect();
        for reference in &self.several {
            let mut holders = self.folders.iter().filter_map(|f| Some((&f.path, f.objects.get(reference)?)));
            let Some((path, first)) = holders.next() else { continue };
            diagnostics.extend(holders.map(|(_, object)| duplicate(object, path, first)));
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
