//! The rules of a folder, without a file system.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use weft_api::{Code, Object, ObjectRef, Spec};
use weft_source::{Contents, FileChange, Folder, Update};

fn service(name: &str, port: u16) -> String {
    format!(
        "apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: [{{port: {port}}}]}}\n"
    )
}

/// A document that says which object it is, and is broken.
fn broken(name: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\nspec: {{ports: none}}\n")
}

fn text(path: &str, documents: &[String]) -> FileChange {
    FileChange { path: path.into(), contents: Contents::Text(documents.join("---\n")) }
}

fn gone(path: &str) -> FileChange {
    FileChange { path: path.into(), contents: Contents::Gone }
}

fn port(object: &Object) -> u16 {
    match &object.spec {
        Spec::Service(service) => service.spec.ports[0].port.number(),
        other => panic!("{other:?}"),
    }
}

/// Name and port of the services in force.
fn in_force(folder: &Folder) -> Vec<(String, u16)> {
    folder.objects().map(|object| (object.reference.name.to_string(), port(object))).collect()
}

fn names(update: &Update) -> (Vec<String>, Vec<String>) {
    let changed = update.changed.iter().map(|object| object.reference.name.to_string()).collect();
    (changed, update.removed.iter().map(|reference| reference.name.to_string()).collect())
}

fn codes(update: &Update) -> Vec<(Code, String)> {
    update.diagnostics.iter().map(|d| (d.code, d.file.to_string())).collect()
}

fn pairs(of: &[(&str, u16)]) -> Vec<(String, u16)> {
    of.iter().map(|(name, port)| ((*name).to_owned(), *port)).collect()
}

#[test]
fn a_changed_file_replaces_what_it_held() {
    let mut folder = Folder::new();
    folder.apply(vec![text("a", &[service("x", 1), service("xy", 1)])]);
    let update = folder.apply(vec![text("a", &[service("xy", 1), service("z", 1)])]);
    assert_eq!(names(&update), (vec!["z".to_owned()], vec!["x".to_owned()]));
    let update = folder.apply(vec![gone("a")]);
    assert_eq!(names(&update), (vec![], vec!["xy".to_owned(), "z".to_owned()]));
}

#[test]
fn a_broken_object_keeps_its_last_good_version_and_harms_no_other() {
    let mut folder = Folder::new();
    folder.apply(vec![text("a", &[service("x", 1), service("xy", 1)])]);
    let update = folder.apply(vec![text("a", &[broken("x"), service("xy", 2)])]);
    assert_eq!(in_force(&folder), pairs(&[("x", 1), ("xy", 2)]));
    assert_eq!(names(&update), (vec!["xy".to_owned()], vec![]));
    assert!(update.diagnostics[0].to_string().ends_with("(the last good version stays in force)"));
    let update = folder.apply(vec![text("a", &[service("x", 3), service("xy", 2)])]);
    assert_eq!(in_force(&folder), pairs(&[("x", 3), ("xy", 2)]));
    assert!(update.diagnostics.is_empty());
}

#[test]
fn a_document_that_cannot_be_told_may_be_any_that_the_file_held() {
    let mut folder = Folder::new();
    folder.apply(vec![text("a", &[service("x", 1), service("xy", 1)]), text("b", &[service("z", 1)])]);
    folder.apply(vec![text("a", &["a: [\n".to_owned(), service("xy", 2)])]);
    assert_eq!(in_force(&folder), pairs(&[("x", 1), ("xy", 2), ("z", 1)]));
    folder.apply(vec![text("a", &[service("xy", 2)])]);
    assert_eq!(in_force(&folder), pairs(&[("xy", 2), ("z", 1)]));
}

#[test]
fn what_cannot_be_read_stays() {
    let mut folder = Folder::new();
    folder.apply(vec![text("a", &[service("x", 1)])]);
    let contents = Contents::Unreadable { code: Code::Unreadable, message: "no".to_owned() };
    let update = folder.apply(vec![FileChange { path: "a".into(), contents }]);
    assert_eq!(in_force(&folder), pairs(&[("x", 1)]));
    assert_eq!(codes(&update), [(Code::Unreadable, "a".to_owned())]);
}

#[test]
fn the_first_accepted_stays_and_the_diagnostic_names_both_files() {
    let mut folder = Folder::new();
    folder.apply(vec![text("b", &[service("x", 1)])]);
    let update = folder.apply(vec![text("a", &[service("w", 1), service("x", 2)])]);
    assert_eq!(in_force(&folder), pairs(&[("w", 1), ("x", 1)]));
    assert_eq!(
        update.diagnostics[0].to_string(),
        "a:6:1: error WEFT0005: Service default/x: already defined at b:1, which was accepted first and stays"
    );
    // An edit of the first keeps its place.
    folder.apply(vec![text("b", &[service("x", 5)])]);
    assert_eq!(in_force(&folder), pairs(&[("w", 1), ("x", 5)]));
    // When the first goes, the other takes over.
    let update = folder.apply(vec![gone("b")]);
    assert_eq!(in_force(&folder), pairs(&[("w", 1), ("x", 2)]));
    assert_eq!(names(&update), (vec!["x".to_owned()], vec![]));
    assert!(update.diagnostics.is_empty());
    // Within one file, too.
    let update = folder.apply(vec![text("a", &[service("x", 2), service("x", 3)])]);
    assert_eq!(in_force(&folder), pairs(&[("x", 2)]));
    assert_eq!(codes(&update), [(Code::DuplicateObject, "a".to_owned())]);
}

#[test]
fn an_object_may_move_between_files() {
    let mut folder = Folder::new();
    folder.apply(vec![text("a", &[service("x", 1)])]);
    let update = folder.apply(vec![gone("a"), text("b", &[service("x", 1)])]);
    assert_eq!(names(&update), (vec![], vec![]));
    let update = folder.apply(vec![gone("b"), text("c", &[broken("x")])]);
    assert_eq!((names(&update), in_force(&folder)), ((vec![], vec![]), pairs(&[("x", 1)])));
    folder.apply(vec![gone("c")]);
    assert_eq!(in_force(&folder), []);
}

#[test]
fn generations_count_changes_of_content_alone() {
    let mut folder = Folder::new();
    folder.apply(vec![text("a", &[service("x", 1)])]);
    let generation = |folder: &Folder| folder.objects().next().map(|object| object.generation);
    assert_eq!(generation(&folder), Some(1));
    let update = folder.apply(vec![text("a", &["# comment\n".to_owned(), service("x", 1)])]);
    assert_eq!((update.changed.len(), generation(&folder)), (0, Some(1)));
    assert_eq!(folder.objects().next().map(|object| object.source.line), Some(3));
    folder.apply(vec![text("a", &[service("x", 2)])]);
    assert_eq!(generation(&folder), Some(2));
}

/// An edit: a file and the names with their ports that it then holds, or `None` to remove it.
type Edit = (u8, Option<Vec<(u8, u16)>>);

fn edits() -> impl Strategy<Value = Vec<Vec<Edit>>> {
    let documents = proptest::collection::vec((0u8..6, 1u16..4), 0..4);
    let edit = (0u8..4, proptest::option::weighted(0.8, documents));
    proptest::collection::vec(proptest::collection::vec(edit, 1..4), 1..12)
}

fn change((file, documents): &Edit) -> FileChange {
    let path = format!("f{file}");
    match documents {
        None => gone(&path),
        Some(documents) => {
            let documents: Vec<String> =
                documents.iter().map(|(name, port)| service(&format!("s{name}"), *port)).collect();
            text(&path, &documents)
        }
    }
}

proptest! {
    /// Whatever the way, the end is that of loading the last state at once, but for which of several
    /// claims came first.
    #[test]
    fn the_way_does_not_matter(batches in edits()) {
        let mut folder = Folder::new();
        let mut mirror: BTreeMap<ObjectRef, Arc<Object>> = BTreeMap::new();
        let mut last: BTreeMap<u8, Edit> = BTreeMap::new();
        for batch in &batches {
            // One batch has one state of each file.
            let of_batch: BTreeMap<u8, &Edit> = batch.iter().map(|edit| (edit.0, edit)).collect();
            let update = folder.apply(of_batch.values().map(|edit| change(edit)).collect());
            for edit in of_batch.values() {
                last.insert(edit.0, (*edit).clone());
            }
            for reference in update.removed {
                prop_assert!(mirror.remove(&reference).is_some());
            }
            for object in update.changed {
                mirror.insert(object.reference.clone(), object);
            }
            let in_force: Vec<_> = folder.objects().map(|o| (o.reference.clone(), port(o), o.generation)).collect();
            let mirrored: Vec<_> = mirror.values().map(|o| (o.reference.clone(), port(o), o.generation)).collect();
            prop_assert_eq!(in_force, mirrored);
            prop_assert_eq!(update.diagnostics, folder.diagnostics());
        }
        let mut fresh = Folder::new();
        fresh.apply(last.values().map(change).collect());
        let claims = |name: &str| -> Vec<u16> {
            let firsts = last.values().filter_map(|(_, documents)| {
                documents.iter().flatten().find(|(n, _)| format!("s{n}") == name).map(|(_, port)| *port)
            });
            firsts.collect()
        };
        let (ours, at_once) = (in_force(&folder), in_force(&fresh));
        prop_assert_eq!(ours.len(), at_once.len());
        for ((name, port), (other_name, other_port)) in ours.into_iter().zip(at_once) {
            prop_assert_eq!(&name, &other_name);
            let claims = claims(&name);
            prop_assert!(claims.contains(&port));
            prop_assert!(claims.len() > 1 || port == other_port);
        }
        prop_assert_eq!(folder.diagnostics().len(), fresh.diagnostics().len());
    }

    /// A broken file never changes what is in force from it or from others.
    #[test]
    fn breaking_a_file_changes_nothing(batches in edits(), file in 0u8..4) {
        let mut folder = Folder::new();
        for batch in &batches {
            let of_batch: BTreeMap<u8, &Edit> = batch.iter().map(|edit| (edit.0, edit)).collect();
            folder.apply(of_batch.values().map(|edit| change(edit)).collect());
        }
        let before = in_force(&folder);
        let path = format!("f{file}");
        let update = folder.apply(vec![text(&path, &["a: {\n".to_owned()])]);
        prop_assert_eq!(in_force(&folder), before);
        prop_assert!(update.changed.is_empty() && update.removed.is_empty());
        prop_assert!(update.diagnostics.iter().any(|d| d.code == Code::Syntax && *d.file == *path));
    }
}
