//! A bootstrap file becomes tables, with all that is to be said about it.

use std::path::{Path, PathBuf};

use prost::Name as _;
use weft_filter::OpenFilters;
use weft_proto::envoy::config::bootstrap::v3::Bootstrap;
use weft_proto::envoy::config::core::v3::Node;
use weft_proto::schema::MessageType;
use weft_proto::text::{self, Dialect, Encoded, Limits, Problem, ProblemKind, Severity};
use weft_tables::chain::Terminal;
use weft_tables::convert::{self, DataSource};
use weft_tables::filter::HttpFilterConfig;
use weft_tables::listener::Listener;
use weft_tables::{Finding, Tables};
use weft_types::Name;

use crate::listen::active::chains;

/// A file that was read.
#[derive(Debug)]
pub(crate) struct Loaded {
    /// What the proxy runs by.
    pub(crate) tables: Tables,
    /// What is wrong with the text, warnings included.
    pub(crate) problems: Vec<Problem>,
    /// Fields that are ignored, and resources that are refused.
    pub(crate) findings: Vec<Finding>,
    /// Who the proxy says it is.
    pub(crate) node: Node,
}

impl Loaded {
    /// Whether Envoy would start with it: nothing is worse than a remark.
    pub(crate) fn is_clean(&self) -> bool {
        !self.problems.iter().any(|p| p.severity() == Severity::Error)
            && !self.findings.iter().any(Finding::is_refused)
    }
}

/// Why a file could not be read at all.
#[derive(Debug, thiserror::Error)]
#[error("cannot read {}: {source}", path.display())]
pub(crate) struct LoadError {
    path: PathBuf,
    source: std::io::Error,
}

/// Files and environment of the process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct System;

impl DataSource for System {
    fn read(&self, path: &str) -> Result<Vec<u8>, String> {
        std::fs::read(path).map_err(|error| error.to_string())
    }

    fn variable(&self, name: &str) -> Option<String> {
        std::env::var(name).ok()
    }
}

/// Reads and converts a bootstrap; `.json` files as JSON, others as YAML. What only reading needed is
/// given back to the system.
pub(crate) fn load(path: &Path) -> Result<Loaded, LoadError> {
    let text = std::fs::read_to_string(path).map_err(|source| LoadError { path: path.to_owned(), source })?;
    let json = path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json"));
    let loaded = read(text, if json { Dialect::Json } else { Dialect::Yaml });
    weft_net::memory::give_back();
    Ok(loaded)
}

/// Each form of the bootstrap goes before the one after the next is made: text, bytes, tables.
fn read(text: String, dialect: Dialect) -> Loaded {
    let Some(bootstrap) = MessageType::find(&Bootstrap::full_name()) else { return of(Bootstrap::default()) };
    let Encoded { wire, mut problems } = text::encode(bootstrap, &text, dialect, &Limits::default());
    drop(text);
    match convert::bootstrap_bytes(wire, &System) {
        Ok((tables, findings, rest)) => {
            Loaded { tables, problems, findings, node: rest.node.unwrap_or_default() }
        }
        Err(error) => {
            let kind = ProblemKind::Undecodable { message: error.to_string() };
            problems.push(Problem { path: String::new(), line: 0, column: 0, kind });
            Loaded { problems, ..of(Bootstrap::default()) }
        }
    }
}

/// Converts a bootstrap that was not read from a file.
pub(crate) fn of(bootstrap: Bootstrap) -> Loaded {
    let (tables, findings) = convert::bootstrap(&bootstrap, &System);
    Loaded { tables, problems: Vec::new(), findings, node: bootstrap.node.unwrap_or_default() }
}

/// Kinds of filters that the configuration names and the program does not bring.
pub(crate) fn missing_filters(tables: &Tables, known: &OpenFilters) -> Vec<Name> {
    tables.listeners.values().flat_map(|listener| missing_in(listener, known)).collect()
}

/// The same for one listener.
pub(crate) fn missing_in(listener: &Listener, known: &OpenFilters) -> Vec<Name> {
    let managers = chains(listener).filter_map(|chain| match &chain.terminal {
        Terminal::Http(manager) => Some(manager),
        _ => None,
    });
    let mut missing: Vec<Name> = managers
        .flat_map(|manager| &manager.filters)
        .filter_map(|filter| match &filter.config {
            HttpFilterConfig::Open(open) if !known.0.contains_key(&open.kind) => Some(open.kind.clone()),
            _ => None,
        })
        .collect();
    missing.dedup();
    missing
}

/// The remarks on a file as lines for people, worst first.
pub(crate) fn remarks(loaded: &Loaded, path: &Path) -> Vec<String> {
    let mut lines: Vec<(bool, String)> = Vec::new();
    for problem in &loaded.problems {
        let error = problem.severity() == Severity::Error;
        lines.push((
            error,
            format!("{}: {}: {problem}", path.display(), if error { "error" } else { "warning" }),
        ));
    }
    for finding in &loaded.findings {
        lines.push((finding.is_refused(), format!("{}: {finding}", path.display())));
    }
    lines.sort_by_key(|(worse, _)| !worse);
    lines.into_iter().map(|(_, line)| line).collect()
}
