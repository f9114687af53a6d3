//! What a file holds.

use std::fs::File;
use std::io::{ErrorKind, Read as _};
use std::path::Path;

use weft_api::Code;

use crate::folder::Contents;
use crate::limits::MAX_FILE_BYTES;

/// Reads a file whole, if it is not too large and holds text.
pub(super) fn read(path: &Path) -> Contents {
    let unreadable = |code, message| Contents::Unreadable { code, message };
    let mut bytes = Vec::new();
    // The file may grow while it is read, so its size says nothing.
    let read = File::open(path).and_then(|file| file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes));
    match read {
        Err(error) if error.kind() == ErrorKind::NotFound => Contents::Gone,
        Err(error) => unreadable(Code::Unreadable, format!("cannot be read: {error}")),
        Ok(length) if length as u64 > MAX_FILE_BYTES => {
            unreadable(Code::Limit, format!("larger than {} MiB; it is not read", MAX_FILE_BYTES >> 20))
        }
        Ok(_) => match String::from_utf8(bytes) {
            Ok(text) => Contents::Text(text),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                unreadable(Code::Unreadable, format!("not text in UTF-8: byte {at} is not"))
            }
        },
    }
}
