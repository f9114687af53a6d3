#!/usr/bin/env bash
# The control plane on a real API server: the same objects from a folder and from the cluster make the same mesh; edits,
# an API server that restarts, roots, and objects that are refused. Needs `up.sh api`, and WEFTD.
set -euo pipefail
home=${CLUSTER_HOME:?}
here=$(cd "$(dirname "$0")" && pwd)
weftd=${WEFTD:?}
export KUBECONFIG=$home/pki/admin.kubeconfig PATH=$home/bin:$PATH
work=$(mktemp -d)
started=()
finish() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT
fail() { echo "FAILED: $*" >&2; tail -5 "$work"/*.log >&2; exit 1; }
pass() { passed=$((${passed:-0} + 1)); echo "ok $*"; }
# Waits for a command to succeed, so many tenths of a second.
within() { # tenths, command
  local left=$1; shift
  until "$@" >/dev/null 2>&1; do
    [ $((left -= 1)) -gt 0 ] || return 1
    sleep 0.1
  done
}
page() { curl -sf "http://127.0.0.1:$1/debug/$2"; }
# What is in a page of the snapshot: names, addresses and ports, without counters.
mesh() { page "$1" snapshotz | python3 -c '
import json, sys
page = json.load(sys.stdin)
ours = lambda entry: entry.get("namespace") == "shop"
services = [entry for entry in page["services"] if ours(entry)]
for service in services:
    for port in service["ports"]: port["endpoints"].sort()
workloads = sorted((entry for entry in page["workloads"] if ours(entry)), key=lambda entry: entry["name"])
print(json.dumps({"services": services, "workloads": workloads}, indent=1, sort_keys=True))'; }
shows() { page "$1" snapshotz | grep -q "$2"; }
synced() { curl -sf "http://127.0.0.1:$1/ready"; }

# --- the mesh: Bookinfo's services, its pods with addresses, its routes
mkdir "$work/folder"
{
  echo '{"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}'
  echo '---'
  number=10
  for app in details ratings reviews productpage; do
    number=$((number + 1))
    cat <<YAML
apiVersion: v1
kind: ServiceAccount
metadata: {name: bookinfo-$app, namespace: shop}
---
apiVersion: v1
kind: Service
metadata: {name: $app, namespace: shop, labels: {app: $app}}
spec:
  clusterIP: 10.96.7.$number
  ports: [{name: http, port: 9080}]
  selector: {app: $app}
---
apiVersion: v1
kind: Pod
metadata: {name: $app-v1, namespace: shop, labels: {app: $app, version: v1}}
spec: {serviceAccountName: bookinfo-$app, nodeName: n1, containers: [{name: a, image: x, ports: [{containerPort: 9080}]}]}
status: {phase: Running, podIP: 10.244.7.$number, podIPs: [{ip: 10.244.7.$number}], conditions: [{type: Ready, status: "True"}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
metadata: {name: $app-1, namespace: shop, labels: {kubernetes.io/service-name: $app}}
addressType: IPv4
ports: [{name: http, port: 9080, protocol: TCP}]
endpoints: [{addresses: [10.244.7.$number], conditions: {ready: true}, targetRef: {kind: Pod, name: $app-v1, namespace: shop}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: $app, namespace: shop}
spec: {hosts: [$app], http: [{route: [{destination: {host: $app, subset: v1}}]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: $app, namespace: shop}
spec: {host: $app, subsets: [{name: v1, labels: {version: v1}}]}
---
YAML
  done
} >"$work/folder/mesh.yaml"

kubectl get namespace istio-system >/dev/null 2>&1 || kubectl create namespace istio-system >/dev/null
start() { # name, ports' first digits, words
  local name=$1 ports=$2; shift 2
  "$weftd" --state-dir "$work/$name" --grpc "127.0.0.1:${ports}2" --http "127.0.0.1:${ports}4" "$@" >"$work/$name.log" 2>&1 &
  started+=($!)
}
kubectl delete crd --all --wait=true >/dev/null 2>&1
start cluster 2501 --kubernetes --webhooks 127.0.0.1:25017 --health 127.0.0.1:25018 --log-level default:info
within 100 synced 25018 || fail "ready without Istio's definitions"
pass "a cluster without Istio's definitions is followed"

kubectl apply -f "$here/../../charts/base/files/crds.yaml" >/dev/null
kubectl wait crd --all --for=condition=Established --timeout=30s >/dev/null
kubectl create namespace shop --dry-run=client -o yaml | kubectl apply -f - >/dev/null
for account in default bookinfo-details bookinfo-ratings bookinfo-reviews bookinfo-productpage; do
  kubectl create serviceaccount $account -n shop --dry-run=client -o yaml | kubectl apply -f - >/dev/null
done
kubectl apply -f "$work/folder/mesh.yaml" >/dev/null
number=10
for app in details ratings reviews productpage; do
  number=$((number + 1))
  kubectl patch pod $app-v1 -n shop --subresource=status --type=merge -p "{\"status\": {\"phase\": \"Running\", \"podIP\":
    \"10.244.7.$number\", \"podIPs\": [{\"ip\": \"10.244.7.$number\"}], \"conditions\": [{\"type\": \"Ready\", \"status\": \"True\"}]}}" >/dev/null
done
start folder 2502 --config-dir "$work/folder"
within 100 synced 25024 || fail "the folder is read"
same() { diff <(mesh 25014) <(mesh 25024); }
within 50 same || { same | head -20 >&2; fail "folder and cluster differ"; }
count() { page 25014 snapshotz | python3 -c 'import json, sys; print(json.load(sys.stdin)["objects"].get(sys.argv[1], 0))' "$1"; }
[ "$(count VirtualService)" = 4 ] && [ "$(count DestinationRule)" = 4 ] || fail "Istio's kinds are not read"
pass "folder and cluster make the same mesh"

# --- an edit
kubectl apply -f - >/dev/null <<<'{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "late", "namespace": "shop"}, "spec": {"ports": [{"name": "http", "port": 80}]}}'
within 10 shows 25014 late.shop || fail "an edit is not seen within a second"
pass "an edit is seen within a second"

# --- the authority and the roots
kubectl get secret istio-ca-secret -n istio-system -o jsonpath='{.type}' | grep -q istio.io/ca-root || fail "no istio-ca-secret"
has_root() { kubectl get configmap istio-ca-root-cert -n "$1" -o jsonpath='{.data.root-cert\.pem}' | cmp -s - "$work/cluster/root-cert.pem"; }
within 50 has_root shop || fail "no root in shop"
kubectl create namespace fresh >/dev/null
within 30 has_root fresh || fail "no root in a new namespace"
kubectl delete configmap istio-ca-root-cert -n fresh >/dev/null
within 30 has_root fresh || fail "a root that was deleted does not come back"
kubectl get configmap istio-ca-root-cert -n kube-system >/dev/null 2>&1 && fail "a root in kube-system"
pass "the authority is in its Secret, and the roots in every namespace"

# --- a malformed object, by the webhook
kubectl apply -f - >/dev/null <<YAML
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: weft-test-validator}
webhooks:
- name: test.validation.istio.io
  clientConfig: {service: {name: istiod, namespace: istio-system, path: /validate, port: 443}}
  rules: [{operations: [CREATE, UPDATE], apiGroups: [security.istio.io, networking.istio.io], apiVersions: ["*"], resources: ["*"]}]
  failurePolicy: Ignore
  sideEffects: None
  admissionReviewVersions: [v1]
YAML
taken() { [ "$(kubectl get validatingwebhookconfiguration weft-test-validator -o jsonpath='{.webhooks[0].failurePolicy}')" = Fail ]; }
within 50 taken || fail "failurePolicy is not set"
[ -z "$(kubectl get validatingwebhookconfiguration weft-test-validator -o json --show-managed-fields | grep '"manager": "istiod"')" ] || fail "the claim is not given up"
# No service network here: the same webhook by address, with the bundle that was set.
bundle=$(kubectl get validatingwebhookconfiguration weft-test-validator -o jsonpath='{.webhooks[0].clientConfig.caBundle}')
kubectl delete validatingwebhookconfiguration weft-test-validator >/dev/null
kubectl apply -f - >/dev/null <<YAML
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: weft-test-validator}
webhooks:
- name: test.validation.istio.io
  clientConfig: {url: "https://localhost:25017/validate", caBundle: $bundle}
  rules: [{operations: [CREATE, UPDATE], apiGroups: [security.istio.io, networking.istio.io], apiVersions: ["*"], resources: ["*"]}]
  failurePolicy: Fail
  sideEffects: None
  admissionReviewVersions: [v1]
YAML
bad='{"apiVersion": "networking.istio.io/v1", "kind": "VirtualService", "metadata": {"name": "bad", "namespace": "shop"}, "spec": {"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}, "weight": 60}, {"destination": {"host": "a"}, "weight": -1}]}]}}'
refused() { ! said=$(kubectl apply -f - 2>&1 <<<"$bad") && grep -q 'spec.http\[0\].route\[1\].weight' <<<"$said"; }
within 50 refused || fail "not refused by the field's name: $(kubectl apply -f - 2>&1 <<<"$bad")"
echo "  $said"
kubectl delete validatingwebhookconfiguration weft-test-validator >/dev/null
pass "a malformed object is refused by the field's name"

# --- the API server restarts; meanwhile what is known stays
line=$(tr '\0' '\n' <"/proc/$(cat "$home/run/kube-apiserver.pid")/cmdline")
mapfile -t words <<<"$line"
kill -9 "$(cat "$home/run/kube-apiserver.pid")"
sleep 1
shows 25014 late.shop || fail "an outage loses what is known"
setsid "${words[@]}" >>"$home/log/kube-apiserver.log" 2>&1 </dev/null &
echo $! >"$home/run/kube-apiserver.pid"
within 300 kubectl get --raw /readyz || fail "the API server does not come back"
kubectl apply -f - >/dev/null <<<'{"apiVersion": "v1", "kind": "Service", "metadata": {"name": "later", "namespace": "shop"}, "spec": {"ports": [{"name": "http", "port": 80}]}}'
kubectl delete service late -n shop >/dev/null
caught() { shows 25014 later.shop && ! shows 25014 late.shop; }
within 60 caught || fail "no catching up after a restart of the API server"
pass "the API server restarted: the mesh catches up"
echo "kubernetes: $passed passed, 0 failed"
