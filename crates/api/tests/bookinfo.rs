//! Istio's own sample, where it is at hand: every file decodes without an error.

use std::path::{Path, PathBuf};

use weft_api::decode;

fn yaml_files(dir: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(dir).expect("the folder can be read") {
        let path = entry.expect("the entry can be read").path();
        if path.is_dir() {
            yaml_files(&path, out);
        } else if path.extension().is_some_and(|extension| extension == "yaml") {
            out.push(path);
        }
    }
}

#[test]
fn every_file_of_the_sample_decodes() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/bookinfo");
    if !data.is_dir() {
        return;
    }
    let mut files = Vec::new();
    yaml_files(&data, &mut files);
    assert!(files.len() > 40, "{} files", files.len());
    let mut objects = 0;
    for file in files {
        let text = std::fs::read_to_string(&file).expect("the file can be read");
        for decoded in decode(&text, &file.to_string_lossy()) {
            for diagnostic in &decoded.diagnostics {
                assert!(!diagnostic.is_error(), "{diagnostic}");
                // Kinds of others are passed over; one file of the sample has a route behind one that
                // takes everything.
                let known = [weft_api::Code::KindNotRead, weft_api::Code::Unreachable];
                assert!(known.contains(&diagnostic.code), "{diagnostic}");
            }
            objects += usize::from(decoded.object.is_some());
        }
    }
    assert!(objects > 100, "{objects} objects");
}
