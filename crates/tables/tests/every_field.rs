//! Conversions take each proto struct apart in full: a field that a new protocol version brings must
//! break the build, not be ignored.
#![allow(clippy::expect_used, reason = "a test")]

use std::path::Path;

#[test]
fn no_conversion_passes_over_fields() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/convert");
    let mut files = 0;
    for entry in std::fs::read_dir(root).expect("src/convert") {
        let path = entry.expect("an entry").path();
        let text = std::fs::read_to_string(&path).expect("a file");
        files += 1;
        for (number, line) in text.lines().enumerate() {
            // A rest pattern stands before the closing brace; `..Default` and ranges do not.
            let rest = line.trim() == ".." || line.contains(", .. }") || line.contains("{ .. }");
            // Our own types may be matched in part.
            let ours = line.contains("Discovery::") || line.contains("&self") || line.contains("Operator {");
            assert!(!rest || ours, "{}:{}: {line}", path.display(), number + 1);
        }
    }
    assert!(files > 40, "{files} files");
}
