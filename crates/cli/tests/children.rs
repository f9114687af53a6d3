//! Children end with us, are told of when they die, and are started again.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use tokio::sync::mpsc;
use weft_cli::child::Spec;
use weft_cli::launch::Launcher;
use weft_cli::supervise::{Event, Stage, Supervisor};

fn launcher() -> Launcher {
    Launcher::at(env!("CARGO_BIN_EXE_weft"))
}

fn spec(dir: &Path, name: &str, script: &str) -> Spec {
    Spec {
        name: name.to_owned(),
        program: PathBuf::from("/bin/sh"),
        arguments: vec!["-c".into(), script.into()],
        environment: vec![("GREETING".to_owned(), "hello".to_owned())],
        log: dir.join(format!("{name}.log")),
    }
}

fn lives(pid: u32) -> bool {
    // A zombie has ended, whoever has yet to look at it.
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

fn soon(what: &str, mut is: impl FnMut() -> bool) {
    let start = Instant::now();
    while !is() {
        assert!(start.elapsed() < Duration::from_secs(10), "{what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn number_in(path: &Path) -> Option<u32> {
    std::fs::read_to_string(path).ok()?.lines().last()?.trim().parse().ok()
}

#[tokio::test]
async fn a_dead_child_is_told_of_and_started_again() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, mut events) = mpsc::channel(16);
    let mut supervisor = Supervisor::new(launcher(), sender);
    let log = dir.path().join("app.log");
    let script = "echo \"$GREETING ${PORT-none}\"; echo $$; exec sleep 1000";
    let child = supervisor.start(Stage::Application, spec(dir.path(), "app", script), 0).unwrap();
    let is_up = async || number_in(&log).is_some();
    child.wait_until(Duration::from_secs(10), is_up).await.unwrap();
    assert!(std::fs::read_to_string(&log).unwrap().starts_with("hello none\n"));
    let first = number_in(&log).unwrap();

    assert!(Command::new("kill").args(["-9", &first.to_string()]).status().unwrap().success());
    let Some(Event::Died(text)) = events.recv().await else { panic!("no word of its death") };
    assert!(text.contains("app was ended by signal 9") && text.contains("    hello"), "{text}");
    child
        .wait_until(Duration::from_secs(10), async || number_in(&log).is_some_and(|pid| pid != first))
        .await
        .unwrap();
    let second = number_in(&log).unwrap();
    assert!(!lives(first) && lives(second));
    supervisor.stop().await;
    assert!(!lives(second));
}

#[tokio::test]
async fn a_child_that_cannot_start_is_given_up_with_its_last_words() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, mut events) = mpsc::channel(16);
    let mut supervisor = Supervisor::new(launcher(), sender);
    let child =
        supervisor.start(Stage::Control, spec(dir.path(), "weftd", "echo no port; exit 3"), 4).unwrap();
    let error = child.wait_until(Duration::from_secs(10), async || false).await.unwrap_err().to_string();
    assert!(error.contains("weftd does not start") && error.contains("    no port"), "{error}");
    loop {
        match events.recv().await {
            Some(Event::Died(text)) => assert!(text.contains("exit code 3"), "{text}"),
            Some(Event::GaveUp(text)) => break assert!(text.contains("4 times"), "{text}"),
            None => panic!("never given up"),
        }
    }
    supervisor.stop().await;
}

#[tokio::test]
async fn a_program_that_is_not_there_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, _events) = mpsc::channel(16);
    let mut supervisor = Supervisor::new(launcher(), sender);
    let mut spec = spec(dir.path(), "app", "");
    spec.program = PathBuf::from("/nowhere/weftd");
    let child = supervisor.start(Stage::Control, spec, 0).unwrap();
    let error = child.wait_until(Duration::from_secs(10), async || false).await.unwrap_err().to_string();
    assert!(error.contains("cannot execute /nowhere/weftd"), "{error}");
    supervisor.stop().await;
}

#[tokio::test]
async fn who_ignores_the_end_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (sender, _events) = mpsc::channel(16);
    let mut supervisor = Supervisor::new(launcher(), sender);
    let log = dir.path().join("deaf.log");
    let script = "trap '' TERM; echo $$; while true; do sleep 0.1; done";
    let child = supervisor.start(Stage::Application, spec(dir.path(), "deaf", script), 0).unwrap();
    child.wait_until(Duration::from_secs(10), async || number_in(&log).is_some()).await.unwrap();
    let start = Instant::now();
    supervisor.stop().await;
    assert!(start.elapsed() < Duration::from_secs(6));
    assert!(!lives(number_in(&log).unwrap()));
}

#[test]
fn a_child_dies_with_a_parent_that_was_killed() {
    let dir = tempfile::tempdir().unwrap();
    let (parent, child) = (dir.path().join("parent"), dir.path().join("child"));
    // A shell in our place: it has `weft exec-child` start a child, and is killed.
    let script = format!(
        "echo $$ > {parent}; {weft} exec-child $$ -- /bin/sh -c 'echo $$ > {child}; exec sleep 1000' & wait",
        parent = parent.display(),
        child = child.display(),
        weft = env!("CARGO_BIN_EXE_weft"),
    );
    let mut shell = Command::new("/bin/sh").args(["-c", &script]).stdin(Stdio::null()).spawn().unwrap();
    soon("the child starts", || number_in(&child).is_some());
    let pid = number_in(&child).unwrap();
    assert!(lives(pid));
    shell.kill().unwrap();
    shell.wait().unwrap();
    soon("the child ends", || !lives(pid));
}

#[test]
fn a_child_whose_parent_is_gone_does_not_start() {
    let outcome =
        Command::new(env!("CARGO_BIN_EXE_weft")).args(["exec-child", "1", "--", "/bin/echo", "no"]).output();
    let outcome = outcome.unwrap();
    assert_eq!(outcome.status.code(), Some(127));
    assert!(outcome.stdout.is_empty());
    assert!(String::from_utf8_lossy(&outcome.stderr).contains("parent process 1 is gone"));
}
