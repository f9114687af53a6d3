//! Where log lines go: a thread for each file, and a buffer for each worker.
//!
//! A write to a file or pipe can block for as long as it likes; a worker never waits for one. It hands
//! full buffers over, and drops them when too many wait.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use weft_tables::access_log::LogSink;

/// A worker hands its buffer over when it has so many bytes (Envoy: 64 KiB).
pub const BUFFER_BYTES: usize = 64 * 1024;
/// Buffers that may wait for the thread, all workers together: 16 MiB.
pub const MAX_WAITING_BUFFERS: usize = 256;
/// Longest line; longer ones are cut off.
pub const MAX_LINE_BYTES: usize = 64 * 1024;

/// An open log, shared by all workers. Its thread ends, all written, when the last writer and this
/// are dropped.
#[derive(Debug)]
pub struct LogFile {
    orders: SyncSender<Order>,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug)]
enum Order {
    Write(Vec<u8>),
    Reopen,
}

#[derive(Debug, Default)]
struct Counts {
    dropped_lines: AtomicU64,
    failed_writes: AtomicU64,
    written_bytes: AtomicU64,
}

impl LogFile {
    /// Opens a sink and starts its thread. Files are appended to, and made if they are not there.
    ///
    /// # Errors
    /// The file cannot be opened, or no thread can be started.
    pub fn open(sink: &LogSink) -> io::Result<Self> {
        let output = Output::open(sink)?;
        let counts = Arc::new(Counts::default());
        let (orders, queue) = sync_channel(MAX_WAITING_BUFFERS);
        let thread = std::thread::Builder::new().name("access-log".to_owned()).spawn({
            let counts = Arc::clone(&counts);
            let sink = sink.clone();
            move || serve(&queue, &sink, output, &counts)
        })?;
        Ok(Self { orders, counts, thread: Some(thread) })
    }

    /// A writer for one worker.
    #[must_use]
    pub fn writer(&self) -> LogWriter {
        LogWriter {
            buffer: Vec::new(),
            lines: 0,
            orders: self.orders.clone(),
            counts: Arc::clone(&self.counts),
        }
    }

    /// Opens the file anew, after what was handed over until now: for log rotation.
    pub fn reopen(&self) {
        // A full queue means that the thread is stuck in a write; the next request to reopen will do.
        let _ = self.orders.try_send(Order::Reopen);
    }

    /// Lines dropped because the sink stalled.
    #[must_use]
    pub fn dropped_lines(&self) -> u64 {
        self.counts.dropped_lines.load(Relaxed)
    }

    /// Buffers that could not be written.
    #[must_use]
    pub fn failed_writes(&self) -> u64 {
        self.counts.failed_writes.load(Relaxed)
    }

    /// Bytes written.
    #[must_use]
    pub fn written_bytes(&self) -> u64 {
        self.counts.written_bytes.load(Relaxed)
    }

    /// Waits until all that was handed over is written. Drop all writers first, or it waits for them.
    pub fn close(mut self) {
        let Some(thread) = self.thread.take() else { return };
        drop(self);
        // The thread's panic, if any, has been reported by the runtime; there is nothing to undo.
        let _ = thread.join();
    }
}

/// One worker's end of a log.
#[derive(Debug)]
pub struct LogWriter {
    buffer: Vec<u8>,
    lines: u64,
    orders: SyncSender<Order>,
    counts: Arc<Counts>,
}

impl LogWriter {
    /// Adds a line that `write` appends to the buffer; hands the buffer over when it is full. A line
    /// beyond [`MAX_LINE_BYTES`] is cut off, its line break kept.
    pub fn append(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let start = self.buffer.len();
        write(&mut self.buffer);
        if self.buffer.len() - start > MAX_LINE_BYTES {
            let ends_line = self.buffer.last() == Some(&b'\n');
            self.buffer.truncate(start + MAX_LINE_BYTES - 1);
            if ends_line {
                self.buffer.push(b'\n');
            }
        }
        self.lines += 1;
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush();
        }
    }

    /// Hands over what is there; call it on a timer (Envoy: each 10 s, `--file-flush-interval-msec`)
    /// and before the worker ends.
    pub fn flush(&mut self) {
        if self.buffer.is_empty() {
            return;
        }
        let lines = std::mem::take(&mut self.lines);
        let buffer = std::mem::take(&mut self.buffer);
        match self.orders.try_send(Order::Write(buffer)) {
            Ok(()) => {}
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => {
                self.counts.dropped_lines.fetch_add(lines, Relaxed);
            }
        }
    }
}

impl Drop for LogWriter {
    fn drop(&mut self) {
        self.flush();
    }
}

/// An open sink.
#[derive(Debug)]
enum Output {
    File(File),
    Stdout,
    Stderr,
}

impl Output {
    fn open(sink: &LogSink) -> io::Result<Self> {
        Ok(match sink {
            LogSink::File(path) => Self::File(append_to(path)?),
            LogSink::Stdout => Self::Stdout,
            LogSink::Stderr => Self::Stderr,
        })
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::File(file) => file.write_all(bytes),
            Self::Stdout => {
                let mut out = io::stdout().lock();
                out.write_all(bytes)?;
                out.flush()
            }
            Self::Stderr => io::stderr().lock().write_all(bytes),
        }
    }
}

fn append_to(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn serve(queue: &Receiver<Order>, sink: &LogSink, mut output: Output, counts: &Counts) {
    for order in queue {
        match order {
            Order::Write(buffer) => match output.write_all(&buffer) {
                Ok(()) => drop(counts.written_bytes.fetch_add(buffer.len() as u64, Relaxed)),
                Err(_) => drop(counts.failed_writes.fetch_add(1, Relaxed)),
            },
            // Without a new file the old one goes on being written: better than none.
            Order::Reopen => match Output::open(sink) {
                Ok(opened) => output = opened,
                Err(_) => drop(counts.failed_writes.fetch_add(1, Relaxed)),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(writer: &mut LogWriter, text: &str) {
        writer.append(|out| out.extend_from_slice(text.as_bytes()));
    }

    #[test]
    fn lines_of_all_workers_arrive_whole() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let file = LogFile::open(&LogSink::File(path.clone())).unwrap();
        std::thread::scope(|scope| {
            for worker in 0..3 {
                let mut writer = file.writer();
                scope.spawn(move || (0..2000).for_each(|n| line(&mut writer, &format!("{worker} {n}\n"))));
            }
        });
        let counted = file.dropped_lines();
        file.close();
        let text = std::fs::read_to_string(path).unwrap();
        assert_eq!(text.lines().count(), 6000);
        assert_eq!(counted, 0);
        for worker in 0..3 {
            let own: Vec<_> = text.lines().filter(|l| l.starts_with(&format!("{worker} "))).collect();
            assert_eq!(own, (0..2000).map(|n| format!("{worker} {n}")).collect::<Vec<_>>());
        }
    }

    #[test]
    fn reopens_for_rotation() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let moved = directory.path().join("access.log.1");
        let file = LogFile::open(&LogSink::File(path.clone())).unwrap();
        let mut writer = file.writer();
        line(&mut writer, "one\n");
        writer.flush();
        while file.written_bytes() < 4 {
            std::thread::yield_now();
        }
        std::fs::rename(&path, &moved).unwrap();
        file.reopen();
        line(&mut writer, "two\n");
        drop(writer);
        file.close();
        assert_eq!(std::fs::read_to_string(moved).unwrap(), "one\n");
        assert_eq!(std::fs::read_to_string(path).unwrap(), "two\n");
    }

    #[test]
    fn a_stalled_sink_drops_lines_and_never_blocks_a_worker() {
        // A queue whose thread never takes anything stands for a pipe that nobody reads.
        let (orders, queue) = sync_channel(2);
        let counts = Arc::new(Counts::default());
        let mut writer = LogWriter { buffer: Vec::new(), lines: 0, orders, counts: Arc::clone(&counts) };
        for _ in 0..5 {
            line(&mut writer, "x\n");
            line(&mut writer, "y\n");
            writer.flush();
        }
        assert_eq!(counts.dropped_lines.load(Relaxed), 6);
        assert!(writer.buffer.is_empty());
        drop(queue);
    }

    #[test]
    fn a_line_has_a_limit() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("access.log");
        let file = LogFile::open(&LogSink::File(path.clone())).unwrap();
        let mut writer = file.writer();
        line(&mut writer, &format!("{}\n", "x".repeat(2 * MAX_LINE_BYTES)));
        line(&mut writer, "y\n");
        drop(writer);
        file.close();
        let text = std::fs::read_to_string(path).unwrap();
        let lengths: Vec<_> = text.lines().map(str::len).collect();
        assert_eq!(lengths, [MAX_LINE_BYTES - 1, 1]);
    }
}
