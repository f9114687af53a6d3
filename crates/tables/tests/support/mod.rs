//! What the tests share.
#![allow(dead_code, reason = "each test program uses a part")]

pub(crate) mod cases;

use std::collections::HashSet;
use std::sync::LazyLock;

use prost::{Message, Name};
use weft_tables::Finding;
use weft_tables::convert::{Context, KnownNames, NoData};

static CLUSTERS: LazyLock<KnownNames> =
    LazyLock::new(|| KnownNames::Only(HashSet::from(["a".into(), "b".into()])));
static SECRETS: LazyLock<KnownNames> = LazyLock::new(|| KnownNames::Only(HashSet::from(["known".into()])));

/// A world with the clusters `a` and `b`, the secret `known`, and no files.
pub(crate) fn context() -> Context<'static> {
    Context { files: &NoData, clusters: &CLUSTERS, secrets: &SECRETS }
}

/// Reads a message that must be well-formed YAML.
pub(crate) fn proto<M: Message + Name + Default>(yaml: &str) -> M {
    match weft_proto::text::parse_yaml::<M>(yaml).accepted() {
        Ok(message) => message,
        Err(problems) => panic!("{problems}\n{yaml}"),
    }
}

/// The paths of findings that refuse.
pub(crate) fn paths(findings: &[Finding]) -> Vec<&str> {
    findings.iter().filter(|f| f.is_refused()).map(|f| f.path.as_str()).collect()
}
