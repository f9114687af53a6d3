use std::collections::BTreeMap;
use std::net::Ipv4Addr;

use super::*;
use crate::address::Block;
use crate::workload::{self, Workload};

fn workload(name: &str, address: Ipv4Addr) -> Workload {
    Workload {
        name: name.to_owned(),
        namespace: "default".to_owned(),
        service_account: "default".to_owned(),
        workload_name: name.to_owned(),
        labels: BTreeMap::from([("app".to_owned(), "hello".to_owned())]),
        address,
        ports: BTreeMap::from([(9080, 20_000)]),
        bind: None,
        ready: true,
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

#[test]
fn a_mesh_of_one_name_runs_once_and_leaves_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let root = dir.path().join("weft");
    let own = RunFolder::create(&root, "default").unwrap();
    assert_eq!((mode(&root), mode(own.path()), mode(&own.tokens())), (0o700, 0o700, 0o600));
    let again = RunFolder::create(&root, "default").unwrap_err().to_string();
    assert!(again.contains("\"default\" is running already"), "{again}");
    let other = RunFolder::create(&root, "other").unwrap();
    assert_eq!(all(&root).iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>(), ["default", "other"]);
    drop(own);
    drop(other);
    assert!(!root.exists());
}

#[test]
fn a_folder_that_others_may_enter_is_refused() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let error = RunFolder::create(dir.path(), "default").unwrap_err().to_string();
    assert!(error.contains("0700"), "{error}");
}

#[test]
fn what_a_dead_mesh_left_is_removed_but_not_what_the_user_changed() {
    for edited in [false, true] {
        let dir = tempfile::tempdir().unwrap();
        let (root, user) = (dir.path().join("weft"), dir.path().join("user"));
        fs::create_dir(&user).unwrap();
        fs::write(user.join("a.yaml"), "a").unwrap();
        let mut own = RunFolder::create(&root, "default").unwrap();
        let record = MeshRecord {
            dir: user.clone(),
            owned: Some(Owned(BTreeMap::from([("a.yaml".to_owned(), "a".to_owned())]))),
            pid: 1,
            grpc: 1,
            http: 2,
            ingress: 3,
            block: Block::free(9).unwrap(),
        };
        record.write(&own).unwrap();
        if edited {
            fs::write(user.join("b.yaml"), "b").unwrap();
        }
        // As after SIGKILL: the lock is gone, the folder is not.
        drop(own.alive.take());
        let folder = own.folder.clone();
        assert!(folder.path().exists());
        assert!(all(&root).is_empty());
        assert!(!folder.path().exists());
        assert_eq!(user.exists(), edited);
    }
}

#[test]
fn workloads_come_and_go() {
    let dir = tempfile::tempdir().unwrap();
    let own = RunFolder::create(&dir.path().join("weft"), "default").unwrap();
    let block = Block::free(77).unwrap();
    let (first, one) = own.add_workload(block, |address| workload("hello-1", address)).unwrap();
    let (second, two) = own.add_workload(block, |address| workload("hello-2", address)).unwrap();
    assert_ne!(first.address, second.address);
    let twice = own.add_workload(block, |address| workload("hello-2", address)).unwrap_err().to_string();
    assert!(twice.contains("hello-2"), "{twice}");
    own.add_service("hello", &workload::service("hello", "default", "http", 9080)).unwrap();

    let tokens = fs::read_to_string(own.tokens()).unwrap();
    let token = fs::read_to_string(&one.token).unwrap();
    assert_eq!(token.len(), 64);
    assert!(tokens.contains(&format!("{token},system:serviceaccount:default:default,hello-1\n")), "{tokens}");
    assert_eq!((mode(&one.token), mode(&own.tokens())), (0o600, 0o600));
    assert_ne!(token, fs::read_to_string(&two.token).unwrap());

    own.remove_workload("hello-1").unwrap();
    assert!(!fs::read_to_string(own.tokens()).unwrap().contains("hello-1"));
    assert!(own.objects().join("service-hello.json").exists());

    // One whose process died is found by its lock, and its Service goes with the last pod.
    assert!(own.remove_dead().is_empty());
    drop(two);
    assert_eq!(own.remove_dead(), ["hello-2"]);
    assert_eq!(own.pods().len(), 0);
    assert!(!own.objects().join("service-hello.json").exists());
    assert_eq!(fs::read_to_string(own.tokens()).unwrap(), "");
}
