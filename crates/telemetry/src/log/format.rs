//! Lines of an access log.

use weft_tables::access_log::{JsonField, LogFormat};
use weft_tables::route::{Template, TemplatePart};

use super::operator::{FormatError, Part};
use super::record::LogRecord;
use super::value::Written;
use crate::json;

/// Envoy's default format.
pub const DEFAULT_FORMAT: &str = "[%START_TIME%] \"%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%\" \
    %RESPONSE_CODE% %RESPONSE_FLAGS% %BYTES_RECEIVED% %BYTES_SENT% %DURATION% \
    %RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% \"%REQ(X-FORWARDED-FOR)%\" \"%REQ(USER-AGENT)%\" \
    \"%REQ(X-REQUEST-ID)%\" \"%REQ(:AUTHORITY)%\" \"%UPSTREAM_HOST%\"\n";

/// A line's format, parsed.
#[derive(Clone, Debug)]
pub struct LineFormat(Form);

#[derive(Clone, Debug)]
enum Form {
    Text(Vec<Part>),
    Json(Node),
}

/// A JSON value to be made.
#[derive(Clone, Debug)]
enum Node {
    /// One operator: keeps its type, and is null when missing.
    Single(Part),
    /// A string of several parts.
    String(Vec<Part>),
    Object(Vec<(Box<str>, Node)>),
    List(Vec<Node>),
    Literal(Box<[u8]>),
}

impl LineFormat {
    /// Parses a text format. The line ends as the text does: Envoy adds no line break.
    ///
    /// # Errors
    /// The text is no format; the error has the position or the operator.
    pub fn parse(text: &str) -> Result<Self, FormatError> {
        parts(text).map(|parts| Self(Form::Text(parts)))
    }

    /// The format that configuration asks for. JSON lines end with a line break.
    ///
    /// # Errors
    /// A text in it is no format.
    pub fn new(format: &LogFormat) -> Result<Self, FormatError> {
        match format {
            LogFormat::Default => Self::parse(DEFAULT_FORMAT),
            LogFormat::Text(text) => Self::parse(text),
            LogFormat::Json(fields) => object(fields).map(|node| Self(Form::Json(node))),
        }
    }

    /// Appends the line for a record to `out`. `scratch` is a buffer that JSON needs; reuse it.
    pub fn write(&self, record: &LogRecord<'_>, out: &mut Vec<u8>, scratch: &mut Vec<u8>) {
        match &self.0 {
            Form::Text(parts) => write_parts(parts, record, out, b"-"),
            Form::Json(node) => {
                node.write(record, out, scratch);
                out.push(b'\n');
            }
        }
    }

    /// The line for a record.
    #[must_use]
    pub fn line(&self, record: &LogRecord<'_>) -> Vec<u8> {
        let mut out = Vec::new();
        self.write(record, &mut out, &mut Vec::new());
        out
    }
}

fn parts(text: &str) -> Result<Vec<Part>, FormatError> {
    compile(&Template::parse(text)?)
}

/// The parts of a template, resolved.
pub(crate) fn compile(template: &Template) -> Result<Vec<Part>, FormatError> {
    template.0.iter().map(Part::new).collect()
}

/// Appends all parts; `missing` stands for operators without a value.
pub(crate) fn write_parts(parts: &[Part], record: &LogRecord<'_>, out: &mut Vec<u8>, missing: &[u8]) {
    for part in parts {
        match part {
            Part::Text(text) => out.extend_from_slice(text),
            Part::Operator(operator) => {
                if operator.write(record, out).is_none() {
                    out.extend_from_slice(missing);
                }
            }
        }
    }
}

fn object(fields: &[(Box<str>, JsonField)]) -> Result<Node, FormatError> {
    let fields = fields.iter().map(|(name, field)| Ok((name.clone(), node(field)?)));
    fields.collect::<Result<_, _>>().map(Node::Object)
}

fn node(field: &JsonField) -> Result<Node, FormatError> {
    Ok(match field {
        JsonField::Format(text) => {
            let template = Template::parse(text)?;
            match template.0.as_slice() {
                [part @ TemplatePart::Operator { .. }] => Node::Single(Part::new(part)?),
                _ => Node::String(compile(&template)?),
            }
        }
        JsonField::Object(fields) => object(fields)?,
        JsonField::List(fields) => Node::List(fields.iter().map(node).collect::<Result<_, _>>()?),
        JsonField::Literal(text) => Node::Literal(text.as_bytes().into()),
    })
}

impl Node {
    fn write(&self, record: &LogRecord<'_>, out: &mut Vec<u8>, scratch: &mut Vec<u8>) {
        match self {
            Self::Single(Part::Operator(operator)) => {
                scratch.clear();
                match operator.write(record, scratch) {
                    None => out.extend_from_slice(b"null"),
                    // A shortened object would be no JSON any more.
                    Some(Written::Json) if operator.limit.is_none() => out.extend_from_slice(scratch),
                    Some(_) => json::write_string(out, scratch),
                }
            }
            Self::Single(Part::Text(text)) => json::write_string(out, text),
            Self::String(parts) => {
                scratch.clear();
                write_parts(parts, record, scratch, b"-");
                json::write_string(out, scratch);
            }
            Self::Literal(text) => out.extend_from_slice(text),
            Self::List(nodes) => {
                out.push(b'[');
                for (index, node) in nodes.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    node.write(record, out, scratch);
                }
                out.push(b']');
            }
            Self::Object(fields) => {
                out.push(b'{');
                for (index, (name, node)) in fields.iter().enumerate() {
                    if index > 0 {
                        out.push(b',');
                    }
                    json::write_string(out, name.as_bytes());
                    out.push(b':');
                    node.write(record, out, scratch);
                }
                out.push(b'}');
            }
        }
    }
}

#[cfg(test)]
#[path = "format_tests.rs"]
mod tests;
