//! Data that lies in the configuration or beside it.

use super::reader::{Read, Reader};
use super::unset::ignore_set;
use crate::pb::envoy::config::core::v3::{self as core, data_source::Specifier};

/// Where files and environment variables come from. Conversion itself does no I/O (invariant 1).
pub trait DataSource {
    /// The contents of a file.
    ///
    /// # Errors
    /// Why it cannot be read, in words.
    fn read(&self, path: &str) -> Result<Vec<u8>, String>;

    /// The value of an environment variable; `None` if it is not set.
    fn variable(&self, name: &str) -> Option<String>;
}

/// A source without files and variables.
#[derive(Clone, Copy, Debug, Default)]
pub struct NoData;

impl DataSource for NoData {
    fn read(&self, _path: &str) -> Result<Vec<u8>, String> {
        Err("files are not read here".to_owned())
    }

    fn variable(&self, _name: &str) -> Option<String> {
        None
    }
}

/// Reads a data source's bytes.
pub(crate) fn bytes(r: &mut Reader<'_>, proto: &core::DataSource) -> Read<Vec<u8>> {
    let core::DataSource { watched_directory, specifier } = proto;
    ignore_set!(r, "files are read when the configuration is loaded", watched_directory);
    match specifier {
        Some(Specifier::Filename(path)) => {
            let path = r.text("filename", path)?;
            r.context
                .files
                .read(path)
                .map_err(|error| r.refuse_at("filename", format!("cannot read {path:?}: {error}")))
        }
        Some(Specifier::InlineBytes(bytes)) => Ok(bytes.clone()),
        Some(Specifier::InlineString(text)) => Ok(text.clone().into_bytes()),
        Some(Specifier::EnvironmentVariable(name)) => {
            let name = r.text("environment_variable", name)?;
            let value = r.context.files.variable(name);
            value.map(String::into_bytes).ok_or_else(|| {
                r.refuse_at("environment_variable", format!("the variable {name:?} is not set"))
            })
        }
        None => Err(r.refuse("a data source needs a specifier")),
    }
}

/// Reads a data source that must be UTF-8.
pub(crate) fn text(r: &mut Reader<'_>, proto: &core::DataSource) -> Read<String> {
    let bytes = bytes(r, proto)?;
    String::from_utf8(bytes).map_err(|_| r.refuse("the data is not UTF-8"))
}
