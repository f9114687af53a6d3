//! A folder on disk, edited as people and programs do.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use weft_api::{Code, Diagnostic};
use weft_source::{Update, Watch};

/// The objects that the updates so far add up to: name → generation.
struct Seen {
    updates: Receiver<Update>,
    objects: BTreeMap<String, u64>,
    diagnostics: Vec<Diagnostic>,
    _watch: Watch,
}

impl Seen {
    fn start(folder: &Path) -> Self {
        let (sender, updates) = channel();
        let watch = Watch::start(folder, move |update| {
            // Nobody listens any more when the test is over.
            let _ = sender.send(update);
        });
        let watch = watch.expect("the folder can be watched");
        let mut seen = Self { updates, objects: BTreeMap::new(), diagnostics: Vec::new(), _watch: watch };
        seen.take(Duration::ZERO);
        seen
    }

    fn take(&mut self, wait: Duration) -> bool {
        let Ok(update) = self.updates.recv_timeout(wait) else { return false };
        for reference in update.removed {
            self.objects.remove(&*reference.name);
        }
        for object in update.changed {
            self.objects.insert(object.reference.name.to_string(), object.generation);
        }
        self.diagnostics = update.diagnostics;
        true
    }

    fn names(&self) -> Vec<&str> {
        self.objects.keys().map(String::as_str).collect()
    }

    /// Waits until the objects have these names; how long it took.
    fn until(&mut self, names: &[&str]) -> Duration {
        let start = Instant::now();
        while self.names() != names {
            let took = start.elapsed();
            assert!(took < Duration::from_secs(10), "{:?}, not {names:?}", self.names());
            self.take(Duration::from_millis(50));
        }
        start.elapsed()
    }

    /// That nothing more comes.
    fn stays(&mut self, names: &[&str], time: Duration) {
        let end = Instant::now() + time;
        while Instant::now() < end {
            self.take(Duration::from_millis(20));
            assert_eq!(self.names(), names);
        }
    }
}

fn service(name: &str) -> String {
    format!("apiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n---\n")
}

fn write(path: impl AsRef<Path>, text: &str) {
    fs::write(path, text).expect("the file can be written");
}

fn folder() -> TempDir {
    tempfile::tempdir().expect("there is room for a folder")
}

#[test]
fn an_edit_is_in_force_within_a_second() {
    let folder = folder();
    write(folder.path().join("a.yaml"), &service("x"));
    let mut seen = Seen::start(folder.path());
    assert_eq!(seen.names(), ["x"], "the first update comes before start returns");
    let mut took = Vec::new();
    for _ in 0..5 {
        write(folder.path().join("a.yaml"), &(service("x") + &service("xy")));
        took.push(seen.until(&["x", "xy"]));
        write(folder.path().join("a.yaml"), &service("x"));
        took.push(seen.until(&["x"]));
    }
    took.sort();
    // The median, since other tests share the machine.
    assert!(took[took.len() / 2] < Duration::from_secs(1), "{took:?}");
}

#[test]
fn files_come_go_and_move_in_subfolders() {
    let folder = folder();
    let mut seen = Seen::start(folder.path());
    assert!(seen.names().is_empty());
    fs::create_dir_all(folder.path().join("deep/er")).expect("the folder can be made");
    write(folder.path().join("deep/er/a.yml"), &service("a"));
    write(
        folder.path().join("b.json"),
        r#"{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "b"}}"#,
    );
    write(folder.path().join("c.txt"), &service("c"));
    write(folder.path().join(".d.yaml"), &service("d"));
    seen.until(&["a", "b"]);
    fs::rename(folder.path().join("deep/er/a.yml"), folder.path().join("a.yaml")).expect("it can be moved");
    fs::remove_file(folder.path().join("b.json")).expect("it can be removed");
    seen.until(&["a"]);
    assert_eq!(seen.objects["a"], 1, "a file that moves is the same object");
    fs::remove_dir_all(folder.path().join("deep")).expect("it can be removed");
    write(folder.path().join("e.yaml"), &service("e"));
    seen.until(&["a", "e"]);
}

#[test]
fn editors_that_rename_lose_nothing() {
    let folder = folder();
    let path = folder.path().join("a.yaml");
    write(&path, &service("x"));
    let mut seen = Seen::start(folder.path());
    // As vim does: the old file becomes the backup, a new one takes its place.
    fs::rename(&path, folder.path().join("a.yaml~")).expect("it can be moved");
    write(&path, &(service("x") + &service("xy")));
    fs::remove_file(folder.path().join("a.yaml~")).expect("it can be removed");
    seen.until(&["x", "xy"]);
    assert_eq!(seen.objects["x"], 1);
    // As careful programs do: a new file is moved over the old.
    write(folder.path().join("a.yaml.tmp"), &service("z"));
    fs::rename(folder.path().join("a.yaml.tmp"), &path).expect("it can be moved");
    seen.until(&["z"]);
}

#[test]
fn a_half_written_file_waits_for_its_end() {
    let folder = folder();
    let path = folder.path().join("a.yaml");
    write(&path, &(service("x") + &service("xy")));
    let mut seen = Seen::start(folder.path());
    let mut file = fs::File::create(&path).expect("the file can be truncated");
    file.write_all(service("x").as_bytes()).expect("it can be written");
    file.flush().expect("it can be flushed");
    // Long after quiet has set in, y is still there.
    seen.stays(&["x", "xy"], Duration::from_millis(500));
    file.write_all((service("xy") + &service("z")).as_bytes()).expect("it can be written");
    drop(file);
    seen.until(&["x", "xy", "z"]);
}

#[test]
fn a_broken_file_is_told_and_harms_nothing() {
    let folder = folder();
    write(folder.path().join("a.yaml"), &service("x"));
    let mut seen = Seen::start(folder.path());
    write(folder.path().join("a.yaml"), "kind: [\n");
    write(folder.path().join("b.yaml"), &service("xy"));
    fs::write(folder.path().join("c.yaml"), [0xff, 0xfe]).expect("the file can be written");
    let large = vec![b'#'; (4 << 20) + 1];
    fs::write(folder.path().join("d.yaml"), large).expect("the file can be written");
    seen.until(&["x", "xy"]);
    while seen.take(Duration::from_millis(300)) {}
    let codes: Vec<Code> = seen.diagnostics.iter().map(|d| d.code).collect();
    assert_eq!(codes, [Code::Syntax, Code::Unreadable, Code::Limit]);
    assert!(seen.diagnostics.iter().all(|d| d.file.starts_with(&*folder.path().to_string_lossy())));
    for file in ["a.yaml", "c.yaml", "d.yaml"] {
        fs::remove_file(folder.path().join(file)).expect("it can be removed");
    }
    seen.until(&["xy"]);
    assert!(seen.diagnostics.is_empty());
}

#[test]
fn links_are_followed_and_loops_end() {
    let (folder, outside) = (folder(), folder());
    write(outside.path().join("o.yaml"), &service("o"));
    symlink(outside.path(), folder.path().join("link")).expect("the link can be made");
    symlink(folder.path(), folder.path().join("loop")).expect("the link can be made");
    symlink("nowhere", folder.path().join("dangling.yaml")).expect("the link can be made");
    // As Kubernetes mounts a ConfigMap: files are links into a folder that is replaced as a whole.
    fs::create_dir(folder.path().join("..v1")).expect("the folder can be made");
    write(folder.path().join("..v1/m.yaml"), &service("m1"));
    symlink("..v1", folder.path().join("..data")).expect("the link can be made");
    symlink("..data/m.yaml", folder.path().join("m.yaml")).expect("the link can be made");
    let mut seen = Seen::start(folder.path());
    assert_eq!(seen.names(), ["m1", "o"]);
    assert!(seen.diagnostics.is_empty(), "{:?}", seen.diagnostics);
    fs::create_dir(folder.path().join("..v2")).expect("the folder can be made");
    write(folder.path().join("..v2/m.yaml"), &service("m2"));
    symlink("..v2", folder.path().join("..data_tmp")).expect("the link can be made");
    fs::rename(folder.path().join("..data_tmp"), folder.path().join("..data")).expect("it can be moved");
    seen.until(&["m2", "o"]);
}

#[test]
fn a_folder_that_is_lost_for_a_while_keeps_its_objects() {
    let parent = folder();
    let (folder, away) = (parent.path().join("folder"), parent.path().join("away"));
    fs::create_dir(&folder).expect("the folder can be made");
    write(folder.join("a.yaml"), &service("x"));
    let mut seen = Seen::start(&folder);
    fs::rename(&folder, &away).expect("it can be moved");
    seen.stays(&["x"], Duration::from_millis(400));
    fs::create_dir(&folder).expect("the folder can be made");
    write(folder.join("b.yaml"), &service("xy"));
    seen.until(&["xy"]);
    // The new folder is watched, too.
    write(folder.join("c.yaml"), &service("z"));
    seen.until(&["xy", "z"]);
}

#[test]
fn what_is_no_folder_is_an_error() {
    let folder = folder();
    let missing = folder.path().join("missing");
    let error = Watch::start(&missing, |_| {}).expect_err("there is no such folder");
    assert!(error.to_string().starts_with(&*missing.to_string_lossy()), "{error}");
}
