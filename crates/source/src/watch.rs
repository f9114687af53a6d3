//! A folder, watched.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use notify::event::{AccessKind, AccessMode, EventKind, ModifyKind};
use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

use crate::debounce::{Debounce, Due, Event};
use crate::folder::Update;
use crate::limits::{POLL, RESCAN};
use crate::tree::Tree;

/// A folder cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// It cannot be looked into.
    #[error("{}: {error}", path.display())]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
    /// There is no thread to be had.
    #[error("no thread to watch {}: {error}", path.display())]
    Thread {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        error: std::io::Error,
    },
}

/// Watches a folder until dropped.
#[derive(Debug)]
pub struct Watch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

/// What the system's thread and ours share.
#[derive(Debug, Default)]
struct Shared {
    state: Mutex<State>,
    wake: Condvar,
}

#[derive(Debug, Default)]
struct State {
    debounce: Debounce,
    stop: bool,
}

impl Shared {
    /// The state; a panic elsewhere leaves it as good as it was.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Watch {
    /// Reads a folder and watches it from then on. `deliver` gets the first update before this function
    /// returns, even if it is empty, and later ones on a thread of its own, in order.
    ///
    /// # Errors
    /// The path is no folder that can be looked into, or the system has no thread left. That a folder
    /// cannot be *watched* is no error: it is then looked at twice a second.
    pub fn start(
        folder: impl AsRef<Path>,
        mut deliver: impl FnMut(Update) + Send + 'static,
    ) -> Result<Self, WatchError> {
        let folder = folder.as_ref().to_owned();
        std::fs::read_dir(&folder).map_err(|error| WatchError::Folder { path: folder.clone(), error })?;
        let shared = Arc::new(Shared::default());
        // Watched first and read then, so that no change falls between.
        let watcher = SystemWatch::start(&folder, &shared);
        let mut tree = Tree::new(&folder);
        deliver(tree.refresh(&Due::default()).unwrap_or_default());
        let thread = std::thread::Builder::new().name("weft-source".to_owned());
        let theirs = shared.clone();
        let thread = thread
            .spawn(move || run(&theirs, watcher, &mut tree, &mut deliver))
            .map_err(|error| WatchError::Thread { path: folder, error })?;
        Ok(Self { shared, thread: Some(thread) })
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.shared.lock().stop = true;
        self.shared.wake.notify_all();
        if let Some(thread) = self.thread.take() {
            // Its panic has been printed where it happened.
            let _ = thread.join();
        }
    }
}

/// Reads what is due, until stopped.
fn run(shared: &Arc<Shared>, mut watcher: SystemWatch, tree: &mut Tree, deliver: &mut impl FnMut(Update)) {
    while let Some(due) = wait(shared, watcher.pace()) {
        watcher.follow(shared);
        if let Some(update) = tree.refresh(&due) {
            deliver(update);
        }
    }
}

/// Waits until something is due; `None` to stop.
fn wait(shared: &Shared, pace: Duration) -> Option<Due> {
    let rescan = Instant::now() + pace;
    let mut state = shared.lock();
    loop {
        if state.stop {
            return None;
        }
        let now = Instant::now();
        let next = state.debounce.due().unwrap_or(rescan).min(rescan);
        if next <= now {
            return Some(state.debounce.take(now));
        }
        let waited = shared.wake.wait_timeout(state, next - now);
        state = waited.unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// The system's own watch on a folder, if it has one for us.
#[derive(Debug)]
struct SystemWatch {
    folder: PathBuf,
    /// Which folder the path led to when the watch began.
    target: Option<(u64, u64)>,
    watcher: Option<RecommendedWatcher>,
}

impl SystemWatch {
    fn start(folder: &Path, shared: &Arc<Shared>) -> Self {
        let target = identity(folder);
        let ours = shared.clone();
        let watcher = notify::recommended_watcher(move |event| note(&ours, event)).and_then(|mut watcher| {
            watcher.watch(folder, RecursiveMode::Recursive)?;
            Ok(watcher)
        });
        let watcher = watcher
            .inspect_err(|error| {
                tracing::warn!(folder = %folder.display(), %error, "folder cannot be watched; polling it");
            })
            .ok();
        Self { folder: folder.to_owned(), target, watcher }
    }

    /// Begins anew if the path leads to another folder than it did: the folder was made again, or is a
    /// link that was turned.
    fn follow(&mut self, shared: &Arc<Shared>) {
        let now = identity(&self.folder);
        if now.is_some() && self.target != now && self.watcher.is_some() {
            *self = Self::start(&self.folder, shared);
        } else {
            self.target = now;
        }
    }

    /// Time between looks without an event; short while there is no folder to get events from.
    fn pace(&self) -> Duration {
        if self.watcher.is_some() && self.target.is_some() { RESCAN } else { POLL }
    }
}

fn identity(path: &Path) -> Option<(u64, u64)> {
    use std::os::unix::fs::MetadataExt as _;
    std::fs::metadata(path).ok().map(|metadata| (metadata.dev(), metadata.ino()))
}

/// Notes what the system told.
fn note(shared: &Shared, event: notify::Result<notify::Event>) {
    let now = Instant::now();
    let mut state = shared.lock();
    match event {
        // Our own reading opens and closes files.
        Ok(event) if is_reading(event.kind) => return,
        Ok(event) => {
            if event.need_rescan() {
                state.debounce.note(Event::Lost, now);
            }
            for path in event.paths {
                let event = match event.kind {
                    EventKind::Access(_) => Event::Closed(path),
                    EventKind::Modify(ModifyKind::Data(_)) => Event::Written(path),
                    _ => Event::Touched(path),
                };
                state.debounce.note(event, now);
            }
        }
        Err(error) => {
            tracing::warn!(%error, "events about a watched folder were lost");
            state.debounce.note(Event::Lost, now);
        }
    }
    drop(state);
    shared.wake.notify_all();
}

fn is_reading(kind: EventKind) -> bool {
    matches!(kind, EventKind::Access(access) if access != AccessKind::Close(AccessMode::Write))
}
