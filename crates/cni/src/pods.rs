//! What is to be redirected in a pod: the words of the container that tries it.

use k8s_openapi::api::core::v1::{Container, Pod};

/// The injector's container that tries whether the pod is redirected.
pub const TRIAL: &str = "istio-validation";
/// Its words that make it a trial.
const TRIAL_FLAGS: [&str; 2] = ["--run-validation", "--skip-rule-apply"];

/// The arguments of `weft-proxy redirect` for a pod; `None`: the pod is left alone.
#[must_use]
pub fn arguments(pod: &Pod) -> Option<Vec<String>> {
    let spec = pod.spec.as_ref()?;
    if spec.host_network == Some(true) {
        return None;
    }
    let trial = spec.init_containers.iter().flatten().find(|container| container.name == TRIAL)?;
    let words = words(trial);
    let known = matches!(words.first().map(String::as_str), Some("redirect" | "istio-iptables"));
    known.then(|| words.into_iter().skip(1).filter(|word| !TRIAL_FLAGS.contains(&word.as_str())).collect())
}

fn words(container: &Container) -> Vec<String> {
    container.args.clone().unwrap_or_default()
}

/// Whether the pod's trial has found that it is not redirected.
#[must_use]
pub fn is_broken(pod: &Pod, container: &str) -> bool {
    /// Exit code of a trial that failed (SD-05).
    const NOT_REDIRECTED: i32 = 126;
    let statuses = pod.status.as_ref().and_then(|status| status.init_container_statuses.as_ref());
    statuses.into_iter().flatten().filter(|status| status.name == container).any(|status| {
        [&status.state, &status.last_state].into_iter().flatten().any(|state| {
            state.terminated.as_ref().is_some_and(|terminated| terminated.exit_code == NOT_REDIRECTED)
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pod(init: &str) -> Pod {
        let text = format!(
            r#"{{"metadata": {{"name": "a"}}, "spec": {{"containers": [], "initContainers": [{init}]}},
                "status": {{"initContainerStatuses": [{{"name": "istio-validation", "image": "", "imageID": "",
                  "ready": false, "restartCount": 1, "lastState": {{"terminated": {{"exitCode": 126}}}}}}]}}}}"#
        );
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_trials_words_are_the_rules() {
        let trial = r#"{"name": "istio-validation", "args": ["redirect", "-p", "15001", "--run-validation", "--skip-rule-apply"]}"#;
        assert_eq!(arguments(&pod(trial)).unwrap(), ["-p", "15001"]);
        // No other command of the proxy's is run for a pod.
        assert!(arguments(&pod(r#"{"name": "istio-validation", "args": ["sidecar"]}"#)).is_none());
        assert!(arguments(&pod(r#"{"name": "istio-init", "args": ["redirect"]}"#)).is_none());
        assert!(is_broken(&pod(trial), TRIAL) && !is_broken(&pod(trial), "x"));
    }
}
