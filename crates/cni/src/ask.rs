//! What the plugin asks the agent: one line of JSON each way, over a Unix socket.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, Result};
use serde::{Deserialize, Serialize};

/// Longest line, bytes.
pub const MAX_LINE: u64 = 16 << 10;
/// Longest wait for the answer; the agent asks the API server.
const PATIENCE: Duration = Duration::from_secs(25);

/// A pod whose network has been made.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Question {
    /// Its namespace.
    pub namespace: String,
    /// Its name.
    pub name: String,
    /// File of its network namespace, as the runtime names it.
    pub netns: String,
}

/// What became of it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answer {
    /// Why the pod may not start yet; `None`: it may.
    pub error: Option<String>,
}

/// Asks.
///
/// # Errors
/// Nobody listens, or the answer is none.
pub fn ask(socket: &Path, question: &Question) -> Result<Answer> {
    let place = || format!("asking the node agent at {}", socket.display());
    let mut stream = UnixStream::connect(socket).with_context(place)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    stream.set_write_timeout(Some(PATIENCE))?;
    let mut line = serde_json::to_string(question)?;
    line.push('\n');
    stream.write_all(line.as_bytes()).with_context(place)?;
    let mut answer = String::new();
    BufReader::new(stream.take(MAX_LINE)).read_line(&mut answer).with_context(place)?;
    serde_json::from_str(&answer).with_context(place)
}
