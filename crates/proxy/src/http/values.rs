//! Values of command operators in header changes.

use weft_tables::route::{Template, TemplatePart};
use weft_telemetry::log::LogRecord;
use weft_telemetry::log::template::format_template;
use weft_types::{RequestHead, ResponseHead};

use super::exchange::Downstream;

/// Writes a template out for this exchange; `request` and `response` stand in for the record's while
/// they are being changed.
pub(crate) fn render(
    template: &Template,
    down: &Downstream,
    request: Option<&RequestHead>,
    response: Option<&ResponseHead>,
) -> Vec<u8> {
    if let [TemplatePart::Text(text)] = &template.0[..] {
        return text.as_bytes().to_vec();
    }
    super::report::with_record(down, |record| {
        let record = LogRecord {
            request: request.or(record.request),
            response: response.or(record.response),
            status: response.map(|r| r.status).or(record.status),
            ..*record
        };
        format_template(template, &record)
    })
}
