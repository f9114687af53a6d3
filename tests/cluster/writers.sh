#!/usr/bin/env bash
# What the control plane writes to a real API server: by Leases one of several replicas writes; conditions in the status
# of objects; certificates that Gateways name. Needs `up.sh api`, WEFTD and WEFT_PROXY.
set -euo pipefail
home=${CLUSTER_HOME:?}
here=$(cd "$(dirname "$0")" && pwd)
weftd=${WEFTD:?}
export KUBECONFIG=$home/pki/admin.kubeconfig PATH=$home/bin:$PATH
work=$(mktemp -d)
declare -A pids=()
finish() {
  for pid in "${pids[@]}"; do kill "$pid" 2>/dev/null || true; done
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
start() { # name, ports' first digits
  POD_NAME=$1 "$weftd" --state-dir "$work/$1" --grpc "127.0.0.1:${2}12" --http "127.0.0.1:${2}14" --plain "127.0.0.1:${2}10" \
    --kubernetes --webhooks "127.0.0.1:${2}17" --health "127.0.0.1:${2}18" --log-level info >"$work/$1.log" 2>&1 &
  pids[$1]=$!
}
stop() { # name, signal
  kill "-$2" "${pids[$1]}"
  wait "${pids[$1]}" 2>/dev/null || true
  unset "pids[$1]"
}

kubectl apply -f "$here/../../charts/base/files/crds.yaml" >/dev/null
kubectl wait crd --all --for=condition=Established --timeout=30s >/dev/null
for namespace in istio-system shop edge; do
  kubectl create namespace $namespace --dry-run=client -o yaml | kubectl apply -f - >/dev/null
done
kubectl delete lease --all -n istio-system >/dev/null

# --- Leases
leases="istio-namespace-controller-election istio-status-leader istio-webhook-leader-default"
holds() { # holder
  for lease in $leases; do
    [ "$(kubectl get lease "$lease" -n istio-system -o jsonpath='{.spec.holderIdentity}')" = "$1" ] || return 1
  done
}
field() { kubectl get lease istio-status-leader -n istio-system -o jsonpath="$1"; }
start one 251
within 100 holds one || fail "the first replica does not lead: $(kubectl get lease -n istio-system)"
[ "$(field '{.spec.leaseDurationSeconds}/{.metadata.annotations.leader\.istio\.io/holder-key}')" = 30/default ] || fail "not as Istio writes it: $(field '{}')"
start two 252
within 100 curl -sf http://127.0.0.1:25218/ready || fail "the second replica is not ready"
sleep 6
holds one || fail "another takes what is held"
[ "$(grep -c 'leads=true' "$work/two.log")" = 0 ] || fail "two lead at once"
pass "one of two replicas leads"
stop one TERM
within 70 holds two || fail "what was given back is not taken"
kubectl create namespace "late-$$" >/dev/null
within 50 kubectl get configmap istio-ca-root-cert -n "late-$$" || fail "the new leader does not write"
pass "a leader that ends hands over within seconds"
if [ -n "${CRASH:-}" ]; then
  start three 253
  within 100 curl -sf http://127.0.0.1:25318/ready || fail "the third replica is not ready"
  sleep 6
  stop two KILL
  within 450 holds three || fail "what nobody renews is not taken"
  pass "a leader that dies is followed within its Lease's time and one look"
fi
