//! Access logs, and the template engine that header values share with them.
//!
//! ```text
//! LogFormat ──► LineFormat::new ──► LineFormat ─┐
//! Template ───► CompiledTemplate                ├─► bytes ──► LogWriter (a worker) ──► LogFile (a thread)
//!                                   LogRecord ──┘
//! ```

pub mod file;
pub mod filter;
pub mod format;
pub mod grpc;
pub mod operator;
pub mod record;
pub mod template;
mod time;
mod value;

pub use file::{LogFile, LogWriter};
pub use filter::passes;
pub use format::LineFormat;
pub use operator::FormatError;
pub use record::{CertificateFacts, LogRecord, TimePoint, Times, TlsFacts};
pub use template::{CompiledTemplate, format_template};
