//! Changes of local replies (`local_reply_config`).

use bytes::Bytes;
use weft_filter::LocalReply;
use weft_route::headers::mutate;
use weft_tables::access_log::LogFormat;
use weft_telemetry::log::{LineFormat, LogRecord, passes};
use weft_types::ResponseHead;

use super::exchange::Downstream;
use super::report::with_record;
use super::values;

/// The form of a body, with its content type.
pub(crate) type Form = (LogFormat, Box<str>);

/// The reply after the first mapper that matches, and the form that its body takes.
pub(crate) fn map(mut reply: LocalReply, down: &Downstream) -> (LocalReply, Option<Form>) {
    let config = &down.conn.manager.local_reply;
    let mut form = config.body_format.clone();
    let status = reply.status;
    let found = config.mappers.iter().find(|mapper| {
        with_record(down, |record| {
            let record = LogRecord { status: Some(status), ..*record };
            passes(&mapper.filter, &record, &mut down.conn.worker.dice())
        })
    });
    if let Some(mapper) = found {
        if let Some(body) = &mapper.body {
            reply.body = body.clone();
        }
        let mut head = ResponseHead::new(reply.status);
        std::mem::swap(&mut head.headers, &mut reply.headers);
        for mutation in &mapper.headers {
            let value = values::render(&mutation.value, down, None, Some(&head));
            mutate(&mut head.headers, mutation, &value);
        }
        reply.headers = head.headers;
        if let Some(status) = mapper.status {
            reply.status = status;
        }
        if mapper.body_format.is_some() {
            form.clone_from(&mapper.body_format);
        }
    }
    (reply, form)
}

/// The body in that form; sets content type and length.
pub(crate) fn body(form: &Form, text: &Bytes, down: &Downstream, head: &mut ResponseHead) -> Bytes {
    let (format, kind) = form;
    let Ok(format) = LineFormat::new(format) else { return text.clone() };
    let mut line = with_record(down, |record| {
        let record =
            LogRecord { status: Some(head.status), response: Some(head), local_reply_body: text, ..*record };
        format.line(&record)
    });
    if kind.starts_with("application/json") && line.last() != Some(&b'\n') {
        line.push(b'\n');
    }
    head.headers.set("content-type", kind.as_bytes());
    head.headers.set("content-length", line.len().to_string());
    line.into()
}
