//! Which fields hold secrets: Envoy's dumps blacken what has the option `udpa.annotations.sensitive`.
//!
//! prost-types drops options that it does not know, so the descriptors are read once more, by messages
//! that have that option and little else.

use std::collections::HashSet;

use prost::Message;

#[derive(Clone, PartialEq, Message)]
struct FileSet {
    #[prost(message, repeated, tag = "1")]
    file: Vec<File>,
}

#[derive(Clone, PartialEq, Message)]
struct File {
    #[prost(string, tag = "2")]
    package: String,
    #[prost(message, repeated, tag = "4")]
    messages: Vec<Type>,
}

#[derive(Clone, PartialEq, Message)]
struct Type {
    #[prost(string, tag = "1")]
    name: String,
    #[prost(message, repeated, tag = "2")]
    fields: Vec<Field>,
    #[prost(message, repeated, tag = "3")]
    nested: Vec<Type>,
}

#[derive(Clone, PartialEq, Message)]
struct Field {
    #[prost(int32, tag = "3")]
    number: i32,
    #[prost(message, optional, tag = "8")]
    options: Option<Options>,
}

#[derive(Clone, PartialEq, Message)]
struct Options {
    /// Extension `udpa.annotations.sensitive`.
    #[prost(bool, tag = "76569463")]
    sensitive: bool,
}

/// Message and field number of each secret.
pub(crate) type SensitiveFields = HashSet<(String, i32)>;

/// Reads the option of all fields of a serialized `FileDescriptorSet`.
///
/// # Errors
/// The bytes are not one.
pub(crate) fn fields(descriptors: &[u8]) -> Result<SensitiveFields, prost::DecodeError> {
    let mut found = SensitiveFields::new();
    for file in FileSet::decode(descriptors)?.file {
        for message in &file.messages {
            collect(&file.package, message, &mut found);
        }
    }
    Ok(found)
}

fn collect(scope: &str, message: &Type, found: &mut SensitiveFields) {
    let name = format!("{scope}.{}", message.name);
    for field in &message.fields {
        if field.options.as_ref().is_some_and(|options| options.sensitive) {
            found.insert((name.clone(), field.number));
        }
    }
    for nested in &message.nested {
        collect(&name, nested, found);
    }
}
