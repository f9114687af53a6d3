//! The CNI plugin: called by the container runtime for each pod, after the plugin that gave it its network.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::{Value, json};

use crate::ask::{Question, ask};

/// Longest configuration, bytes.
const MAX_CONFIG: u64 = 1 << 20;
/// Versions of the protocol that we speak.
const VERSIONS: [&str; 6] = ["0.3.0", "0.3.1", "0.4.0", "1.0.0", "1.1.0", "0.2.0"];
/// Code of errors of a plugin's own.
const OWN_ERROR: u32 = 100;

/// What stands in the node's configuration for us.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub struct Config {
    cni_version: String,
    prev_result: Option<Value>,
    socket: PathBuf,
    exclude_namespaces: Vec<String>,
    agent_namespace: String,
}

/// One call: what is to be written to standard output, and whether it is an error.
#[must_use]
pub fn run(environment: &BTreeMap<String, String>, input: impl std::io::Read) -> (Value, bool) {
    let variable = |name: &str| environment.get(name).map_or("", String::as_str);
    if variable("CNI_COMMAND") == "VERSION" {
        return (json!({"cniVersion": "1.0.0", "supportedVersions": VERSIONS}), false);
    }
    let mut text = String::new();
    let read = input.take(MAX_CONFIG).read_to_string(&mut text).map_err(|error| error.to_string());
    let config: Config = match read.and_then(|_| serde_json::from_str(&text).map_err(|e| e.to_string())) {
        Ok(config) => config,
        Err(error) => return refuse("1.0.0", &format!("configuration: {error}")),
    };
    if variable("CNI_COMMAND") != "ADD" {
        return (Value::Null, false);
    }
    if let Some(question) = question(&config, variable("CNI_ARGS"), variable("CNI_NETNS")) {
        let pod = format!("pod {}/{}", question.namespace, question.name);
        match ask(&config.socket, &question) {
            Ok(answer) => {
                if let Some(error) = answer.error {
                    return refuse(&config.cni_version, &format!("{pod}: {error}"));
                }
            }
            Err(error) => {
                let said = format!("{pod} waits until its traffic can be redirected: {error:#}");
                return refuse(&config.cni_version, &said);
            }
        }
    }
    // Chained: what the one before has made stands.
    (config.prev_result.unwrap_or_else(|| json!({"cniVersion": config.cni_version})), false)
}

/// What the agent is to be asked; nothing for pods that are left alone, and where it is no pod.
fn question(config: &Config, arguments: &str, netns: &str) -> Option<Question> {
    let of = |wanted: &str| {
        let pairs = arguments.split(';').filter_map(|pair| pair.split_once('='));
        pairs.into_iter().find(|(name, _)| *name == wanted).map(|(_, value)| value.to_owned())
    };
    let (namespace, name) = (of("K8S_POD_NAMESPACE")?, of("K8S_POD_NAME")?);
    // The agent itself cannot wait for itself.
    let agent = namespace == config.agent_namespace && name.starts_with(crate::install::AGENT);
    let left = agent || config.exclude_namespaces.contains(&namespace);
    (!left).then(|| Question { namespace, name, netns: netns.to_owned() })
}

fn refuse(version: &str, message: &str) -> (Value, bool) {
    (json!({"cniVersion": version, "code": OWN_ERROR, "msg": format!("weft-cni: {message}")}), true)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn call(command: &str, pod: &str, socket: &str) -> (Value, bool) {
        let environment = [("CNI_COMMAND", command), ("CNI_NETNS", "/n"), ("CNI_ARGS", pod)];
        let environment = environment.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
        let config = json!({"cniVersion": "0.4.0", "prevResult": {"ips": [1]}, "socket": socket,
            "excludeNamespaces": ["kube-system"], "agentNamespace": "istio-system"});
        run(&environment, config.to_string().as_bytes())
    }

    #[test]
    fn a_pod_waits_for_the_agent_and_others_do_not() {
        let (said, failed) = call("ADD", "IgnoreUnknown=1;K8S_POD_NAMESPACE=a;K8S_POD_NAME=b", "/none");
        assert!(failed && said["msg"].as_str().unwrap().contains("pod a/b waits"), "{said}");
        for pod in [
            "K8S_POD_NAMESPACE=kube-system;K8S_POD_NAME=b",
            "K8S_POD_NAMESPACE=istio-system;K8S_POD_NAME=istio-cni-node-x",
            "",
        ] {
            assert_eq!(call("ADD", pod, "/none"), (json!({"ips": [1]}), false));
        }
        assert_eq!(call("DEL", "K8S_POD_NAMESPACE=a;K8S_POD_NAME=b", "/none"), (Value::Null, false));
    }

    #[test]
    fn what_the_agent_says_is_the_verdict() {
        use std::io::{BufRead as _, Write as _};
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let answers = std::thread::spawn(move || {
            for reply in ["{\"error\": null}\n", "{\"error\": \"no\"}\n"] {
                let (mut stream, _) = listener.accept().unwrap();
                let mut line = String::new();
                std::io::BufReader::new(&stream).read_line(&mut line).unwrap();
                assert!(line.contains("\"netns\":\"/n\""));
                stream.write_all(reply.as_bytes()).unwrap();
            }
        });
        let pod = "K8S_POD_NAMESPACE=a;K8S_POD_NAME=b";
        assert!(!call("ADD", pod, path.to_str().unwrap()).1);
        let (said, failed) = call("ADD", pod, path.to_str().unwrap());
        assert!(failed && said["msg"] == "weft-cni: pod a/b: no");
        answers.join().unwrap();
    }
}
