#!/usr/bin/env bash
# The charts on a real API server, by Helm 3 and Helm 4: install, upgrade, rollback, uninstall, install again; a second
# revision beside the first; what objects are refused. Needs a running cluster; `up.sh api` is enough.
# WAIT=--wait also waits for the control plane's pods, whose image the cluster must have.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=${CLUSTER_HOME:?}
charts=$here/../../charts
export KUBECONFIG=$home/pki/admin.kubeconfig
kubectl=$home/bin/kubectl
wait=${WAIT:-}
passed=0

fail() { echo "FAILED: $*" >&2; exit 1; }
pass() { passed=$((passed + 1)); echo "ok $*"; }
webhook() { "$kubectl" get validatingwebhookconfiguration "$1" -o jsonpath="{.webhooks[0].$2}"; }

# What the control plane does to its webhooks once it works; see the README of the chart istiod.
take_over() {
  local name kind bundle entries
  bundle=$(base64 -w0 "$home/pki/ca.crt")
  for name in istiod-default-validator istio-validator-istio-system; do
    kind=validatingwebhookconfiguration/$name
    "$kubectl" patch "$kind" --field-manager=istiod --type=json -p "[
      {\"op\": \"replace\", \"path\": \"/webhooks/0/failurePolicy\", \"value\": \"Fail\"},
      {\"op\": \"add\", \"path\": \"/webhooks/0/clientConfig/caBundle\", \"value\": \"$bundle\"}]" >/dev/null
    entries=$("$kubectl" get "$kind" -o json --show-managed-fields | python3 -c '
import json, sys
fields = json.load(sys.stdin)["metadata"]["managedFields"]
print(json.dumps([entry for entry in fields if entry["manager"] != "istiod"]))')
    "$kubectl" patch "$kind" --field-manager=istiod --type=json \
      -p "[{\"op\": \"replace\", \"path\": \"/metadata/managedFields\", \"value\": $entries}]" >/dev/null
  done
}

# Objects of the releases that are still there; the definitions stay on purpose.
orphans() {
  local kinds
  kinds=$("$kubectl" api-resources --verbs=list -o name | grep -v -e '\.istio\.io$' -e customresourcedefinitions -e '^events' | paste -sd,)
  "$kubectl" get "$kinds" -A -l 'app.kubernetes.io/part-of=istio' -o name --ignore-not-found 2>/dev/null | sort -u |
    grep -v -e '^endpoints/' -e '^endpointslice' -e '^pod/' -e '^replicaset' -e '^controllerrevision' || true
}

"$kubectl" get namespace istio-system >/dev/null 2>&1 || "$kubectl" create namespace istio-system >/dev/null

for program in helm3 helm4; do
  helm=$home/bin/$program
  # shellcheck disable=SC2086
  install() {
    "$helm" install istio-base "$charts/base" -n istio-system --set defaultRevision=default >/dev/null
    "$helm" install istiod "$charts/istiod" -n istio-system $wait >/dev/null
    "$helm" install istio-ingressgateway "$charts/gateway" -n istio-system >/dev/null
  }
  install
  [ "$("$helm" ls -n istio-system | grep -c deployed)" = 3 ] || fail "$program: three releases are deployed"
  "$kubectl" get deployment istiod istio-ingressgateway -n istio-system >/dev/null
  "$kubectl" wait crd --all --for=condition=Established --timeout=60s >/dev/null
  pass "$program installs"

  take_over
  "$helm" upgrade istio-base "$charts/base" -n istio-system --set defaultRevision=default >/dev/null
  "$helm" upgrade istiod "$charts/istiod" -n istio-system $wait --set meshConfig.accessLogFile=/dev/stdout >/dev/null
  "$kubectl" get configmap istio -n istio-system -o jsonpath='{.data.mesh}' | grep -q accessLogFile || fail "$program: upgrade"
  for name in istiod-default-validator istio-validator-istio-system; do
    [ "$(webhook $name failurePolicy)" = Fail ] || fail "$program: an upgrade resets $name"
    [ -n "$(webhook $name clientConfig.caBundle)" ] || fail "$program: an upgrade takes the certificates of $name"
  done
  pass "$program upgrades, and leaves what the control plane has set"

  "$helm" rollback istiod 1 -n istio-system $wait >/dev/null 2>&1 || fail "$program: rollback"
  "$kubectl" get configmap istio -n istio-system -o jsonpath='{.data.mesh}' | grep -q accessLogFile && fail "$program: rollback did nothing"
  [ -n "$(webhook istio-validator-istio-system clientConfig.caBundle)" ] || fail "$program: a rollback takes the certificates"
  pass "$program rolls back"

  "$helm" install istiod-canary "$charts/istiod" -n istio-system --set 'revision=canary,revisionTags={prod}' >/dev/null
  "$kubectl" get service istiod-canary istiod-revision-tag-prod -n istio-system >/dev/null
  "$kubectl" get mutatingwebhookconfiguration istio-sidecar-injector-canary istio-revision-tag-prod >/dev/null
  "$helm" uninstall istiod-canary -n istio-system >/dev/null
  "$kubectl" get deployment istiod -n istio-system >/dev/null
  pass "$program puts a second revision beside the first and takes it away"

  "$helm" uninstall istio-ingressgateway istiod istio-base -n istio-system >/dev/null 2>&1
  left=$(orphans)
  [ -z "$left" ] || fail "$program leaves behind: $left"
  [ "$("$kubectl" get crd -o name | grep -c '\.istio\.io$')" = 15 ] || fail "$program: definitions do not stay"
  pass "$program uninstalls, and leaves the definitions alone"
done

# --- what the API server itself refuses, with the field's name
refused() { # field, spec
  local said
  if said=$("$kubectl" apply --dry-run=server -f - 2>&1 <<<"$2"); then fail "accepted: $2"; fi
  grep -qF "$1" <<<"$said" || fail "no word of $1: $said"
}
object() { printf '{"apiVersion": "%s", "kind": "%s", "metadata": {"name": "x"}, "spec": %s}' "$1" "$2" "$3"; }
refused 'spec.ports[0].number' "$(object networking.istio.io/v1 ServiceEntry '{"hosts": ["a.b"], "ports": [{"number": 70000, "name": "http"}]}')"
refused 'spec.hosts[0]' "$(object networking.istio.io/v1 ServiceEntry '{"hosts": ["*"]}')"
refused 'spec.http[0].timeout' "$(object networking.istio.io/v1 VirtualService '{"hosts": ["a"], "http": [{"timeout": "0.0001s"}]}')"
refused 'spec.action' "$(object security.istio.io/v1 AuthorizationPolicy '{"action": "REFUSE"}')"
refused 'only one of targetRefs or selector' "$(object security.istio.io/v1 AuthorizationPolicy '{"selector": {"matchLabels": {"a": "b"}}, "targetRefs": [{"kind": "Gateway", "name": "g"}]}')"
pass "the API server refuses bad objects by the field's name"
echo "charts: $passed passed, 0 failed"
