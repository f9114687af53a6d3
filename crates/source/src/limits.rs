//! What a folder may cost.

use std::time::Duration;

/// Largest file, bytes. One that is larger is not read, and what it held before stays.
pub const MAX_FILE_BYTES: u64 = 4 << 20;

/// Most files of a folder, those of its subfolders included; the first by path are read.
pub const MAX_FILES: usize = 10_000;

/// Deepest nesting of subfolders.
pub const MAX_DEPTH: usize = 32;

/// Most objects of a folder.
pub const MAX_OBJECTS: usize = 200_000;

/// Time without events after which changes are read.
pub const QUIET: Duration = Duration::from_millis(100);

/// Longest time that events can put reading off.
pub const LATEST: Duration = Duration::from_secs(1);

/// Time between looks at the folder without any event: some file systems tell of none.
pub const RESCAN: Duration = Duration::from_secs(5);

/// The same where the system does not watch for us.
pub const POLL: Duration = Duration::from_millis(500);

/// Most paths that are remembered until changes are read; beyond it, all files are read again.
pub const MAX_PENDING: usize = 4_096;
