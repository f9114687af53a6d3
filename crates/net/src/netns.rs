//! Network namespaces.

use std::fmt;
use std::fs::File;
use std::hash::{Hash, Hasher};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::sync::mpsc::{SyncSender, sync_channel};
use std::sync::{Arc, Mutex, PoisonError};

use nix::sched::{CloneFlags, setns};

/// Jobs that may wait for a namespace's thread; further callers wait for a place.
const QUEUE: usize = 64;

type Job = Box<dyn FnOnce() + Send>;

/// A network namespace, held open by a file descriptor. A socket belongs for its whole life to the
/// namespace in which it was made, so only making it needs to happen inside: a thread of its own
/// enters the namespace for good, and no worker thread ever leaves its own.
#[derive(Clone)]
pub struct Namespace(Arc<Held>);

struct Held {
    file: OwnedFd,
    id: (u64, u64),
    thread: Mutex<Option<SyncSender<Job>>>,
}

impl Namespace {
    /// Opens a namespace by path, for example `/run/netns/NAME` or `/proc/PID/ns/net`.
    ///
    /// # Errors
    /// The path cannot be opened.
    pub fn open(path: &Path) -> io::Result<Self> {
        Self::from_fd(File::open(path)?.into())
    }

    /// Takes a namespace by descriptor.
    ///
    /// # Errors
    /// The descriptor is not valid.
    pub fn from_fd(file: OwnedFd) -> io::Result<Self> {
        let stat = nix::sys::stat::fstat(&file)?;
        let id = (stat.st_dev, stat.st_ino);
        Ok(Self(Arc::new(Held { file, id, thread: Mutex::new(None) })))
    }

    /// Device and inode: the same namespace has the same id, however it was opened.
    #[must_use]
    pub fn id(&self) -> (u64, u64) {
        self.0.id
    }

    /// Runs `job` inside the namespace and waits for it. The job should be short: system calls that
    /// do not block. A panic of the job is an error here.
    ///
    /// # Errors
    /// The namespace cannot be entered (needs CAP_SYS_ADMIN), or the job panicked.
    pub fn run<T: Send + 'static>(&self, job: impl FnOnce() -> T + Send + 'static) -> io::Result<T> {
        let (done, result) = sync_channel(1);
        let boxed: Job = Box::new(move || {
            let _ = done.send(job());
        });
        // A thread that died by a panicking job is replaced for the next one.
        let sent = self.thread()?.send(boxed);
        let outcome = sent.ok().and_then(|()| result.recv().ok());
        if outcome.is_none() {
            *self.0.thread.lock().unwrap_or_else(PoisonError::into_inner) = None;
        }
        outcome.ok_or_else(|| io::Error::other("job in network namespace panicked"))
    }

    fn thread(&self) -> io::Result<SyncSender<Job>> {
        let mut thread = self.0.thread.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(sender) = &*thread {
            return Ok(sender.clone());
        }
        let file = self.0.file.try_clone()?;
        let (sender, jobs) = sync_channel::<Job>(QUEUE);
        let (entered, answer) = sync_channel(1);
        std::thread::Builder::new().name("netns".into()).spawn(move || {
            let result = setns(file.as_fd(), CloneFlags::CLONE_NEWNET);
            let ok = result.is_ok();
            let _ = entered.send(result);
            if ok {
                jobs.into_iter().for_each(|job| job());
            }
        })?;
        answer.recv().map_err(io::Error::other)??;
        Ok(thread.insert(sender).clone())
    }
}

impl PartialEq for Namespace {
    fn eq(&self, other: &Self) -> bool {
        self.0.id == other.0.id
    }
}

impl Eq for Namespace {}

impl Hash for Namespace {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.id.hash(state);
    }
}

impl fmt::Display for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.0.id.0, self.0.id.1)
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Namespace({self})")
    }
}
