//! Header values with command operators.

use weft_tables::route::Template;

use super::format::{compile, write_parts};
use super::operator::{FormatError, Part};
use super::record::LogRecord;

/// A template with its operators resolved; make it when configuration is applied.
#[derive(Clone, Debug)]
pub struct CompiledTemplate(Vec<Part>);

impl CompiledTemplate {
    /// Resolves a template.
    ///
    /// # Errors
    /// An operator cannot do with its argument.
    pub fn new(template: &Template) -> Result<Self, FormatError> {
        compile(template).map(Self)
    }

    /// Appends the value for a record. Operators without a value give nothing, so the result may be
    /// empty, and then the header is not to be added unless it is to be kept empty.
    pub fn write(&self, record: &LogRecord<'_>, out: &mut Vec<u8>) {
        write_parts(&self.0, record, out, b"");
    }
}

/// The value of a template for a record. Resolves the operators each time: [`CompiledTemplate`] is for
/// where that counts. A template that cannot be resolved gives nothing; conversion has refused it.
#[must_use]
pub fn format_template(template: &Template, record: &LogRecord<'_>) -> Vec<u8> {
    let mut out = Vec::new();
    if let Some(text) = template.as_literal() {
        out.extend_from_slice(text.as_bytes());
    } else if let Ok(compiled) = CompiledTemplate::new(template) {
        compiled.write(record, &mut out);
    }
    out
}
