//! Writes the selection as Rust statics of plain integers over one string of names.
//!
//! No pointer is stored, so the table lies in read-only memory as it is: nothing is built or
//! relocated when the program starts. The row types are in `src/schema/rows.rs`.

use std::collections::HashMap;
use std::fmt::Write;

use prost_types::field_descriptor_proto::{Label, Type};
use prost_types::{DescriptorProto, FieldDescriptorProto, FieldOptions, MessageOptions};

use crate::extra::EXTRA_FIELDS;
use crate::select::{SelectedMessage, Selection};
use crate::sensitive::SensitiveFields;

const NO_ONEOF: u8 = u8::MAX;
const REPEATED: u8 = 1;
const PRESENCE: u8 = 2;
const DEPRECATED: u8 = 4;
const SENSITIVE: u8 = 8;
const WITHOUT_EFFECT: u8 = 16;
const MAP_ENTRY: u8 = 1;

/// The source text of the table.
///
/// # Errors
/// A descriptor does not fit: a type that is not supported (groups), an unusual JSON name, or more
/// rows than an index holds.
pub(crate) fn emit(selection: &Selection<'_>, sensitive: &SensitiveFields) -> Result<String, String> {
    let message_index: HashMap<&str, usize> =
        selection.messages.keys().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
    let enum_index: HashMap<&str, usize> =
        selection.enums.keys().enumerate().map(|(index, name)| (name.as_str(), index)).collect();
    let mut names = Names::default();
    let (mut messages, mut fields, mut field_count) = (String::new(), String::new(), 0_usize);
    for (name, message) in &selection.messages {
        let descriptor = message.descriptor;
        let (offset, length) = names.add(name)?;
        let flags = if is_map_entry(descriptor) { MAP_ENTRY } else { 0 };
        let count = descriptor.field.len();
        write_row(&mut messages, format_args!("M({offset},{length},{field_count},{count},{flags})"));
        let mut sorted: Vec<&FieldDescriptorProto> = descriptor.field.iter().collect();
        sorted.sort_by_key(|field| field.number());
        for field in sorted {
            let target = match field.type_name.as_deref().map(|name| name.trim_start_matches('.')) {
                None => 0,
                Some(target) => *message_index
                    .get(target)
                    .or_else(|| enum_index.get(target))
                    .ok_or_else(|| format!("{target} is not selected"))?,
            };
            let flags = field_flags(name, message, field, sensitive);
            fields.push_str(&field_row(name, field, target, flags, &mut names)?);
        }
        field_count += count;
    }
    let (mut enums, mut values, mut value_count) = (String::new(), String::new(), 0_usize);
    for (name, found) in &selection.enums {
        let (offset, length) = names.add(name)?;
        let count = found.value.len();
        write_row(&mut enums, format_args!("E({offset},{length},{value_count},{count})"));
        for value in &found.value {
            let (offset, length) = names.add(value.name())?;
            write_row(&mut values, format_args!("V({offset},{length},{})", value.number()));
        }
        value_count += count;
    }
    let (message_count, enum_count) = (selection.messages.len(), selection.enums.len());
    u16::try_from(message_count.max(enum_count).max(field_count).max(value_count))
        .map_err(|_| "more rows than a u16 can index".to_owned())?;
    let text = names.text;
    Ok(format!(
        "pub(super) static NAMES: &str = {text:?};\n\
         pub(super) static MESSAGES: [M; {message_count}] = [\n{messages}];\n\
         pub(super) static FIELDS: [F; {field_count}] = [\n{fields}];\n\
         pub(super) static ENUMS: [E; {enum_count}] = [\n{enums}];\n\
         pub(super) static VALUES: [V; {value_count}] = [\n{values}];\n"
    ))
}

fn field_flags(
    message: &str,
    selected: &SelectedMessage<'_>,
    field: &FieldDescriptorProto,
    sensitive: &SensitiveFields,
) -> u8 {
    let repeated = field.label() == Label::Repeated;
    // Keys and values of a map are always written.
    let always = is_map_entry(selected.descriptor);
    let optional = !selected.proto3 || field.oneof_index.is_some() || field.r#type() == Type::Message;
    let extra = |known: &crate::extra::ExtraField| known.message == message && known.number == field.number();
    [
        (repeated, REPEATED),
        (always || (!repeated && optional), PRESENCE),
        (field.options.as_ref().is_some_and(FieldOptions::deprecated), DEPRECATED),
        (sensitive.contains(&(message.to_owned(), field.number())), SENSITIVE),
        (EXTRA_FIELDS.iter().any(extra), WITHOUT_EFFECT),
    ]
    .iter()
    .fold(0, |flags, (set, flag)| if *set { flags | flag } else { flags })
}

fn field_row(
    message: &str,
    field: &FieldDescriptorProto,
    target: usize,
    flags: u8,
    names: &mut Names,
) -> Result<String, String> {
    let name = field.name();
    if field.json_name.as_deref().is_some_and(|json| json != lower_camel(name)) {
        return Err(format!(
            "{message}.{name}: JSON name {} is not derived from the name",
            field.json_name()
        ));
    }
    if field.r#type() == Type::Group {
        return Err(format!("{message}.{name}: groups are not supported"));
    }
    let oneof = match field.oneof_index {
        Some(index) if !field.proto3_optional() => {
            u8::try_from(index).map_err(|_| format!("{message}.{name}: too many oneofs"))?
        }
        _ => NO_ONEOF,
    };
    let (offset, length) = names.add(name)?;
    let (number, kind) = (field.number(), field.r#type() as i32);
    let mut row = String::new();
    write_row(&mut row, format_args!("F({offset},{number},{target},{length},{kind},{oneof},{flags})"));
    Ok(row)
}

fn write_row(out: &mut String, row: std::fmt::Arguments<'_>) {
    // Writing to a String cannot fail.
    let _ = writeln!(out, "{row},");
}

fn is_map_entry(descriptor: &DescriptorProto) -> bool {
    descriptor.options.as_ref().is_some_and(MessageOptions::map_entry)
}

/// protoc's rule for the JSON name of a field.
fn lower_camel(name: &str) -> String {
    let mut camel = String::new();
    let mut upper = false;
    for character in name.chars() {
        if character == '_' {
            upper = true;
        } else {
            camel.push(if upper { character.to_ascii_uppercase() } else { character });
            upper = false;
        }
    }
    camel
}

/// All names in one string, each once.
#[derive(Default)]
struct Names {
    text: String,
    seen: HashMap<String, (u32, u8)>,
}

impl Names {
    fn add(&mut self, name: &str) -> Result<(u32, u8), String> {
        if let Some(found) = self.seen.get(name) {
            return Ok(*found);
        }
        let offset = u32::try_from(self.text.len()).map_err(|_| "names too long".to_owned())?;
        let length = u8::try_from(name.len()).map_err(|_| format!("name too long: {name}"))?;
        self.text.push_str(name);
        self.seen.insert(name.to_owned(), (offset, length));
        Ok((offset, length))
    }
}
