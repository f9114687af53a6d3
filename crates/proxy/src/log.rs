//! Access logs of this worker: lines are formatted into a buffer of its own and written by batch.

use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use weft_tables::access_log::{AccessLog, LogFilter, LogSink};
use weft_telemetry::log::{LineFormat, LogFile, LogRecord, LogWriter, passes};

use crate::worker::Worker;

/// Time after which waiting lines are written at the latest.
const FLUSH: Duration = Duration::from_millis(100);

/// The open log files of the process: one thread each.
#[derive(Debug, Default)]
pub(crate) struct LogFiles(Mutex<HashMap<LogSink, Arc<LogFile>>>);

impl LogFiles {
    fn open(&self, sink: &LogSink) -> Option<Arc<LogFile>> {
        let mut files = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(open) = files.get(sink) {
            return Some(open.clone());
        }
        match LogFile::open(sink) {
            Ok(file) => Some(files.entry(sink.clone()).or_insert(Arc::new(file)).clone()),
            Err(error) => {
                tracing::error!(?sink, %error, "an access log cannot be opened; its lines are lost");
                None
            }
        }
    }

    /// Closes all files, everything written, once no worker holds a writer.
    pub(crate) fn close(&self) {
        let files = std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner));
        for file in files.into_values() {
            if let Ok(file) = Arc::try_unwrap(file) {
                file.close();
            }
        }
    }

    /// Opens all files anew, for rotation.
    pub(crate) fn reopen(&self) {
        for file in self.0.lock().unwrap_or_else(PoisonError::into_inner).values() {
            file.reopen();
        }
    }
}

/// The writers of a worker, one a file.
#[derive(Debug, Default)]
pub(crate) struct Sinks(RefCell<HashMap<LogSink, Rc<RefCell<LogWriter>>>>);

impl Sinks {
    fn writer(&self, sink: &LogSink, files: &LogFiles) -> Option<Rc<RefCell<LogWriter>>> {
        if let Some(writer) = self.0.borrow().get(sink) {
            return Some(writer.clone());
        }
        let writer = Rc::new(RefCell::new(files.open(sink)?.writer()));
        self.0.borrow_mut().insert(sink.clone(), writer.clone());
        Some(writer)
    }

    /// Hands over all lines.
    pub(crate) fn flush(&self) {
        for writer in self.0.borrow().values() {
            writer.borrow_mut().flush();
        }
    }
}

/// One log with its format parsed.
#[derive(Debug)]
struct Log {
    filter: Option<LogFilter>,
    format: LineFormat,
    writer: Rc<RefCell<LogWriter>>,
}

/// The logs of one connection manager, listener or TCP proxy.
#[derive(Debug, Default)]
pub(crate) struct Logs(Vec<Log>);

impl Logs {
    pub(crate) fn new(configs: &[AccessLog], worker: &Worker) -> Self {
        let open = |config: &AccessLog| {
            let format = match LineFormat::new(&config.format) {
                Ok(format) => format,
                Err(error) => {
                    // Conversion refuses such formats; without it the log would be silent.
                    tracing::error!(%error, "an access log format cannot be used");
                    return None;
                }
            };
            let writer = worker.sinks.writer(&config.sink, &worker.process.log_files)?;
            Some(Log { filter: config.filter.clone(), format, writer })
        };
        Self(configs.iter().filter_map(open).collect())
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Writes a line to each log whose filter lets the record pass.
    pub(crate) fn write(&self, record: &LogRecord<'_>, worker: &Worker) {
        let mut scratch = Vec::new();
        for log in &self.0 {
            let mut dice = worker.dice();
            if log.filter.as_ref().is_some_and(|f| !passes(f, record, &mut dice)) {
                continue;
            }
            log.writer.borrow_mut().append(|out| log.format.write(record, out, &mut scratch));
        }
    }
}

/// Writes waiting lines out every now and then.
pub(crate) async fn flush_now_and_then(worker: Rc<Worker>) {
    loop {
        tokio::time::sleep(FLUSH).await;
        worker.flush_logs();
    }
}
