//! Worlds and rows, and how they are read from files.

use super::{Call, Expect, Move, Reply, Step};
use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// One bootstrap, the backends behind it and the rows that are run against it.
#[derive(Debug, Clone)]
pub struct World {
    /// `feature/file`, from the file's place in the table.
    pub name: String,
    /// Bootstrap in Envoy's own shape, before macros and placeholders are expanded.
    pub bootstrap: Value,
    /// Scripted servers by name.
    pub backends: BTreeMap<String, BackendSpec>,
    /// Worker counts at which this world is run; both 1 and 2 when empty.
    pub workers: Vec<u32>,
    /// The rows, in the order in which they are run.
    pub rows: Vec<Row>,
}

/// The part of a world's file that is checked at once; rows are read one by one for better errors.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WorldFile {
    #[serde(default, rename = "about")]
    _about: String,
    #[serde(default)]
    backends: BTreeMap<String, BackendSpec>,
    #[serde(default)]
    workers: Vec<u32>,
    bootstrap: Value,
    rows: Vec<Value>,
    /// Anchors that rows of this file refer to; not read.
    #[serde(default, rename = "shared")]
    _shared: Value,
}

/// One scripted server.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct BackendSpec {
    /// What it speaks.
    pub kind: Kind,
    /// TLS in front of it.
    pub tls: Option<BackendTls>,
    /// The answer to every request for which the row gives no script.
    pub reply: Reply,
    /// Answers to active health checks in order, of which the last one repeats; checks are not among
    /// what the backend has seen. A row gives others under `NAME checks`.
    pub checks: Vec<Reply>,
    /// What a `tcp` backend does with each connection.
    pub moves: Vec<Move>,
}

/// What a backend speaks.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// HTTP/1.1, or HTTP/2 when the client's preface (or ALPN) says so.
    #[default]
    Http,
    /// The `moves` of the spec.
    Tcp,
    /// The port is bound, but nobody listens: connection refused.
    Refuse,
    /// The accept queue is full and stays so: connecting never ends.
    Blackhole,
}

/// TLS of a backend.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackendTls {
    /// Name of the server certificate (see [`crate::certs`]).
    pub cert: String,
    /// Ask for a client certificate and check it against this root.
    #[serde(default)]
    pub client_ca: Option<String>,
    /// Protocols offered by ALPN.
    #[serde(default)]
    pub alpn: Vec<String>,
}

/// One story: what backends will answer, what is called, and what must come out.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Row {
    /// Unique within its world.
    pub name: String,
    /// Answers of each backend in order, for this row; the last one repeats.
    pub given: BTreeMap<String, Vec<Reply>>,
    /// A single call; short for one step.
    pub call: Option<Call>,
    /// Several steps in order.
    pub steps: Vec<Step>,
    /// Milliseconds to wait after the last step (mirrored requests, logs of the far end).
    pub settle: u64,
    /// What must come out, on both proxies.
    pub expect: Expect,
    /// ID of an entry in `docs/differences.md` that allows `weft-proxy` to differ from Envoy here.
    pub difference: Option<String>,
    /// What must come out of `weft-proxy`, where `difference` is given.
    pub weft: Option<Expect>,
    /// Worker counts at which this row is run; the world's when empty.
    pub workers: Vec<u32>,
}

impl Row {
    /// The steps of the row, whichever way they were written.
    pub fn steps(&self) -> Vec<Step> {
        self.call
            .clone()
            .map(|call| Step::Call(Box::new(call)))
            .into_iter()
            .chain(self.steps.iter().cloned())
            .collect()
    }

    /// Whether the row is run at this worker count.
    pub fn runs_at(&self, workers: u32) -> bool {
        self.workers.is_empty() || self.workers.contains(&workers)
    }
}

/// Reads every world under `root`, sorted by name; `filter` keeps rows whose `world/row` contains it.
///
/// # Errors
/// When a file cannot be read or does not hold a world; the error names file and row.
pub fn load(root: &Path, filter: &str) -> Result<Vec<World>> {
    let mut files = Vec::new();
    collect(root, &mut files)?;
    files.sort();
    let mut worlds = Vec::new();
    for file in files {
        let mut world = read(root, &file).with_context(|| file.display().to_string())?;
        world.rows.retain(|row| format!("{}: {}", world.name, row.name).contains(filter));
        if !world.rows.is_empty() {
            worlds.push(world);
        }
    }
    Ok(worlds)
}

fn collect(dir: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    for entry in std::fs::read_dir(dir).with_context(|| dir.display().to_string())? {
        let path = entry?.path();
        if path.is_dir() {
            collect(&path, files)?;
        } else if path.extension().is_some_and(|ext| ext == "yaml") {
            files.push(path);
        }
    }
    Ok(())
}

fn read(root: &Path, file: &Path) -> Result<World> {
    let text = std::fs::read_to_string(file)?;
    let tree: Value = serde_saphyr::from_str(&text).map_err(|error| anyhow::anyhow!("{error}"))?;
    let world: WorldFile = serde_json::from_value(tree)?;
    let mut rows: Vec<Row> = Vec::new();
    for (index, mut value) in world.rows.into_iter().enumerate() {
        inflate(&mut value);
        let label = format!("row {index} {}", value.get("name").unwrap_or(&Value::Null));
        let row: Row = serde_json::from_value(value).with_context(|| label.clone())?;
        if row.name.is_empty() || rows.iter().any(|other| other.name == row.name) {
            bail!("{label}: a row needs a name of its own");
        }
        for backend in row.given.keys() {
            let name = backend.strip_suffix(" checks").unwrap_or(backend);
            if !world.backends.contains_key(name) {
                bail!("{label}: no backend {backend}");
            }
        }
        rows.push(row);
    }
    let name = file.strip_prefix(root)?.with_extension("").display().to_string();
    Ok(World { name, bootstrap: world.bootstrap, backends: world.backends, workers: world.workers, rows })
}

/// Writes out `{{x*N}}`, which stands for N letters, so that files stay readable.
fn inflate(tree: &mut Value) {
    match tree {
        Value::Array(items) => items.iter_mut().for_each(inflate),
        Value::Object(map) => map.values_mut().for_each(inflate),
        Value::String(text) => {
            while let Some((before, number, after)) = text.split_once("{{x*").and_then(|(before, rest)| {
                rest.split_once("}}").map(|(number, after)| (before, number, after))
            }) {
                let letters = "x".repeat(number.parse().unwrap_or(0));
                *text = format!("{before}{letters}{after}");
            }
        }
        _ => {}
    }
}
