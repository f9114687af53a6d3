#!/usr/bin/env bash
# Bookinfo on a running cluster, as a user of Istio installs it: three Helm commands, a labelled namespace, the sample's
# files; and what is seen of it from outside. Each part says what it took.
#
# Environment: BOOKINFO, folder of Istio's own samples/bookinfo (else objects of our own that say the same); RESTARTS,
# CHANGES and RATE (requests/s) of the load; JOBS; ENVOY=yes to try real Envoy as sidecars, and CNI=yes the plugin,
# whose images must be there.
set -euo pipefail
home=${CLUSTER_HOME:?}
here=$(cd "$(dirname "$0")" && pwd)
charts=$here/../../charts
RESTARTS=${RESTARTS:-5} CHANGES=${CHANGES:-5} RATE=${RATE:-100} JOBS=${JOBS:-3}
export KUBECONFIG=$home/pki/admin.kubeconfig PATH=$home/bin:$PATH
source "$here/bookinfo/networking.sh"
work=$(mktemp -d)
started=()
passed=0 failed=0
began=$SECONDS
finish() {
  for pid in "${started[@]}"; do kill "$pid" 2>/dev/null || true; done
  rm -rf "$work"
}
trap finish EXIT

now() { date +%s%N; }
part_name='' parts=''
part() { # name: what follows belongs to it
  [ -z "$part_name" ] || parts+=$(printf '%8.1f s  %s' "$((($(now) - part_began) / 1000000))e-3" "$part_name")$'\n'
  part_name=$1 part_began=$(now)
  [ -z "$1" ] || echo "--- $1"
}
pass() { passed=$((passed + 1)); echo "ok $*"; }
fail() { failed=$((failed + 1)); echo "FAILED: $*"; }
check() { # what, command
  local what=$1; shift
  if "$@"; then pass "$what"; else fail "$what"; fi
}
# Without what comes before, nothing after means anything.
must() { # what, command
  local what=$1; shift
  if "$@" >"$work/said" 2>&1; then pass "$what"; return; fi
  fail "$what"
  tail -20 "$work/said"
  state
  close
}
state() {
  kubectl get pods -A -o wide || true
  kubectl get events -A --field-selector type=Warning 2>/dev/null | grep -v -e HorizontalPodAutoscaler -e horizontalpodautoscaler | tail -12 || true
  kubectl logs -n istio-system deploy/istiod --tail=12 || true
  kubectl logs -n istio-system deploy/istio-ingressgateway --tail=6 || true
}
close() {
  part ''
  echo "$parts"
  echo "kubernetes: $passed passed, $failed failed"
  [ "$failed" = 0 ]
  exit
}
# Waits for a command to succeed, so many tenths of a second.
within() { # tenths, command
  local left=$1; shift
  until "$@" >/dev/null 2>&1; do
    [ $((left -= 1)) -gt 0 ] || return 1
    sleep 0.1
  done
}
apply() { networking "$1" | kubectl apply -f - >/dev/null; }
get() { curl -s -m 10 "http://$gateway$1"; }
status() { curl -s -m 10 -o /dev/null -w '%{http_code}' "http://$gateway$1"; }
page_is() { [ "$(status /productpage)" = "$1" ]; }
# Which version of reviews answered, so many times: lines of count and version.
reviews() { # count
  for _ in $(seq "$1"); do get /api/v1/products/0/reviews | grep -oE 'reviews-v[0-9]' || echo none; done | sort | uniq -c
}
share() { awk -v v="$2" '$2 == v {n = $1} END {print n + 0}' <<<"$1"; } # lines, version
only() { # version: ten in a row
  [ "$(reviews 10 | awk '{print $2}')" = "reviews-$1" ]
}
load() { # name, rate: runs until `unload`
  python3 "$here/bookinfo/load.py" --address "$gateway" --path "${LOAD_PATH:-/productpage}" --rate "$2" \
    --expect "${LOAD_EXPECT:-Reviewer1}" >"$work/$1.json" 2>"$work/$1.err" &
  load_pid=$! load_name=$1
  started+=("$load_pid")
  sleep 1
}
unload() { # what is claimed of it
  sleep 1
  kill "$load_pid" 2>/dev/null || true
  wait "$load_pid" 2>/dev/null || true
  cat "$work/$load_name.err" >&2
  echo "   $(cat "$work/$load_name.json")"
  check "$1: 0 failed requests" python3 -c '
import json, sys
seen = json.load(open(sys.argv[1]))
sys.exit(0 if seen["failed"] == 0 and seen["requests"] > 0 else 1)' "$work/$load_name.json"
}
# A change of a Deployment's template: our own proxy again, and a new pod in any case.
without_envoy() {
  echo '{"spec": {"template": {"metadata": {"annotations": {"sidecar.istio.io/proxyImage": null, "weft-test/turn": "'"$SECONDS"'"}}}}}'
}
envoys() { pgrep -fc '^/usr/local/bin/envoy '; }

# ---------------------------------------------------------------------------------------------------------------------
part "install: base, istiod --wait, ingress gateway"
must "namespace istio-system" kubectl create namespace istio-system
must "helm install istio-base" helm3 install istio-base "$charts/base" -n istio-system --set defaultRevision=default
must "helm install istiod --wait" helm3 install istiod "$charts/istiod" -n istio-system --wait --timeout 120s
check "helm ls shows deployed" test "$(helm3 ls -n istio-system | grep -c deployed)" = 2
kubectl get deployments -n istio-system --output wide
must "helm install istio-ingressgateway" helm3 install istio-ingressgateway "$charts/gateway" -n istio-system -f "$here/bookinfo/gateway.yaml"
kubectl label namespace default istio-injection=enabled --overwrite >/dev/null

part "Bookinfo: pods with sidecars"
if [ -n "${BOOKINFO:-}" ]; then file=$BOOKINFO/platform/kube/bookinfo.yaml; else file=$here/bookinfo/bookinfo.yaml; fi
kubectl apply -f "$file" >/dev/null
must "all pods are Ready" kubectl wait pods --all --for=condition=Ready --timeout=180s
must "the gateway is Ready" kubectl -n istio-system rollout status deploy/istio-ingressgateway --timeout=120s
check "each of 6 pods has 2 of 2 containers, the proxy as a native sidecar" \
  test "$(kubectl get pods --no-headers | grep -c ' 2/2 ')$(kubectl get pods -o jsonpath='{.items[*].spec.initContainers[?(@.restartPolicy=="Always")].name}' | wc -w)" = 66
gateway=$(kubectl -n istio-system get service istio-ingressgateway -o jsonpath='{.spec.clusterIP}')

part "networking files, each applied by kubectl"
apply bookinfo-gateway
if ! within 100 page_is 200; then must "the product page comes through the ingress gateway" page_is 200; fi
pass "the product page comes through the ingress gateway"
check "it has details and reviews" eval 'page=$(get /productpage); grep -q "Book Details" <<<"$page" && grep -q Reviewer1 <<<"$page" && grep -q "William Shakespeare" <<<"$page"'
seen=$(reviews 60); echo $seen
check "all three versions of reviews answer, each 10 to 30 of 60" \
  eval '[ "$(share "$seen" none)" = 0 ] && for v in 1 2 3; do n=$(share "$seen" reviews-v$v); [ "$n" -ge 10 ] && [ "$n" -le 30 ] || exit 1; done'
apply destination-rule-all
apply virtual-service-all-v1
check "virtual-service-all-v1 takes effect" within 50 only v1
seen=$(reviews 60); echo $seen
check "all-v1: 60 of 60 by v1" test "$(share "$seen" reviews-v1)" = 60
apply virtual-service-reviews-90-10
check "reviews 90/10 takes effect" within 50 eval '! only v1'
seen=$(reviews 200); echo $seen
check "90/10: of 200, 5 to 40 by v2, none by v3" \
  eval 'n=$(share "$seen" reviews-v2); [ "$n" -ge 5 ] && [ "$n" -le 40 ] && [ $((n + $(share "$seen" reviews-v1))) = 200 ]'
apply virtual-service-reviews-test-v2
check "back to v1 for everybody but jason" within 50 only v1
login() { curl -s -m 10 -c "$work/jar" -o /dev/null -d username=jason -d passwd= "http://$gateway/login"; }
login
check "jason, and only he, has v2" eval 'within 30 eval "curl -s -b $work/jar http://$gateway/productpage | grep -q reviews-v2" && ! get /productpage | grep -q reviews-v2'
apply virtual-service-reviews-v3
check "reviews-v3 takes effect" within 50 only v3
apply fault-injection-details-v1
abort() { [ "$(status /api/v1/products/0)" = 555 ]; }
check "fault injection: details answer 555" within 50 abort
check "the product page lives without details" eval 'page_is 200 && ! get /productpage | grep -q PublisherA'
apply virtual-service-all-v1
check "without the fault details are back" within 50 eval '[ "$(status /api/v1/products/0)" = 200 ]'

part "mutual TLS"
pod_ip=$(kubectl get pod -l app=details -o jsonpath='{.items[0].status.podIP}')
plain() { curl -s -m 5 -o /dev/null -w '%{http_code}' "http://$pod_ip:9080/details/0"; }
check "without a policy plaintext from outside is answered" test "$(plain)" = 200
kubectl apply -f - >/dev/null <<<'{"apiVersion": "security.istio.io/v1", "kind": "PeerAuthentication", "metadata": {"name": "default", "namespace": "default"}, "spec": {"mtls": {"mode": "STRICT"}}}'
check "STRICT: plaintext from outside is refused" within 50 eval '[ "$(plain)" = 000 ]'
seen=$(for _ in $(seq 20); do status /productpage; echo; done | sort | uniq -c); echo $seen
check "STRICT: the page comes as before" test "$(share "$seen" 200)" = 20
apply destination-rule-all-mtls
check "destination-rule-all-mtls: the page comes" within 30 eval '[ "$(reviews 10 | awk "{print \$2}")" = reviews-v1 ]'
kubectl apply -f - >/dev/null <<<'{"apiVersion": "security.istio.io/v1", "kind": "AuthorizationPolicy", "metadata": {"name": "ratings", "namespace": "default"}, "spec": {"selector": {"matchLabels": {"app": "ratings"}}, "action": "ALLOW", "rules": [{"from": [{"source": {"principals": ["cluster.local/ns/default/sa/bookinfo-reviews"]}}]}]}}'
check "only reviews may call ratings: productpage is denied" within 50 eval '[ "$(status /api/v1/products/0/ratings)" = 403 ]'
apply virtual-service-reviews-v3
check "and reviews is not" within 50 eval 'get /api/v1/products/0/reviews | grep -q stars'
kubectl delete authorizationpolicy ratings >/dev/null
within 50 eval '[ "$(status /api/v1/products/0/ratings)" = 200 ]' || fail "ratings do not come back"

part "a malformed object"
said=$(object VirtualService bad '{"hosts": ["a"], "http": [{"route": [{"destination": {"host": "a"}, "weight": 60}, {"destination": {"host": "a"}, "weight": -1}]}]}' | kubectl apply -f - 2>&1 || true)
check "kubectl refuses it and names the field: $(cut -c1-160 <<<"$said")" grep -q 'spec.http\[0\].route\[1\].weight' <<<"$said"

if [ "$CHANGES" != 0 ]; then
  part "$CHANGES changes at $RATE requests/s"
  load changes "$RATE"
  for number in $(seq "$CHANGES"); do
    case $((number % 4)) in
      0) apply virtual-service-all-v1 ;;
      1) apply virtual-service-reviews-90-10 ;;
      2) apply virtual-service-reviews-v3 ;;
      3) apply virtual-service-reviews-test-v2 ;;
    esac
    sleep 0.5
  done
  unload "$CHANGES changes of routes"
fi

if [ "$RESTARTS" != 0 ]; then
  part "$RESTARTS rolling restarts at $RATE requests/s"
  kubectl delete virtualservice reviews >/dev/null
  load restarts "$RATE"
  deployments=(reviews-v1 ratings-v1 productpage-v1 details-v1 reviews-v2)
  for number in $(seq "$RESTARTS"); do
    name=${deployments[$((number % ${#deployments[@]}))]}
    kubectl rollout restart "deployment/$name" >/dev/null
    kubectl rollout status "deployment/$name" --timeout=120s >/dev/null || fail "$name does not roll"
  done
  unload "$RESTARTS rolling restarts"
fi

part "istiod away"
load without 20
kubectl -n istio-system scale deployment istiod --replicas=0 >/dev/null
kubectl -n istio-system wait --for=delete pod -l app=istiod --timeout=60s >/dev/null || fail "istiod stays"
sleep 3
kubectl -n istio-system scale deployment istiod --replicas=1 >/dev/null
kubectl -n istio-system rollout status deploy/istiod --timeout=60s >/dev/null || fail "istiod does not come back"
unload "istiod was away"
apply virtual-service-all-v1
check "the mesh catches up" within 300 only v1

if [ "$JOBS" != 0 ]; then
  part "$JOBS Jobs with sidecars"
  for number in $(seq "$JOBS"); do
    echo '---'
    echo '{"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "job-'$number'"}, "spec": {"backoffLimit": 0, "template": {"spec": {
      "restartPolicy": "Never", "containers": [{"name": "call", "image": "localhost/weft-test/curl:1",
      "args": ["-sf", "-m", "20", "http://details:9080/details/0"]}]}}}}'
  done | kubectl apply -f - >/dev/null
  done_jobs() { kubectl wait jobs --all --for=condition=Complete --timeout="$((30 + 10 * JOBS))s"; }
  must "$JOBS Jobs that call through their sidecars complete" done_jobs
  kubectl delete jobs --all >/dev/null
fi

if [ "${ENVOY:-}" = yes ]; then
  part "real Envoy as sidecars"
  for app in productpage details reviews ratings; do
    for deployment in $(kubectl get deployments -l "app=$app" -o name); do
      kubectl patch "$deployment" --type=merge -p '{"spec": {"template": {"metadata": {"annotations": {"sidecar.istio.io/proxyImage": "localhost/weft-test/envoy:1"}}}}}' >/dev/null
    done
  done
  for deployment in $(kubectl get deployments -o name); do
    must "$deployment is Ready with Envoy" kubectl rollout status "$deployment" --timeout=120s
  done
  check "six Envoys run" test "$(envoys)" -ge 6
  check "Envoy: the page comes, by STRICT mutual TLS" within 100 page_is 200
  check "Envoy: plaintext from outside is refused" eval 'pod_ip=$(kubectl get pod -l app=details -o jsonpath="{.items[0].status.podIP}"); within 50 eval "[ \"\$(plain)\" = 000 ]"'
  check "Envoy: all-v1" within 50 only v1
  apply virtual-service-reviews-90-10
  check "Envoy: 90/10 takes effect" within 50 eval '! only v1'
  seen=$(reviews 200); echo $seen
  check "Envoy: of 200, 5 to 40 by v2, none by v3" \
    eval 'n=$(share "$seen" reviews-v2); [ "$n" -ge 5 ] && [ "$n" -le 40 ] && [ $((n + $(share "$seen" reviews-v1))) = 200 ]'
  apply fault-injection-details-v1
  check "Envoy: fault injection" within 50 abort
  apply virtual-service-all-v1
fi

if [ "${CNI:-}" = yes ]; then
  part "redirection by the CNI plugin"
  # Pods that come before the plugin: their trial fails, until the agent mends them.
  must "istiod with cni.enabled" helm3 upgrade istiod "$charts/istiod" -n istio-system --wait --timeout 120s --set cni.enabled=true
  injects_trial() { kubectl get configmap istio-sidecar-injector -n istio-system -o jsonpath='{.data.values}' | grep -q '"enabled": *true'; }
  within 50 injects_trial || true
  sleep 1
  kubectl patch deployment ratings-v1 --type=merge -p "$(without_envoy)" >/dev/null
  unredirected() { kubectl get pods -l app=ratings -o jsonpath='{.items[*].status.initContainerStatuses[?(@.name=="istio-validation")]}' | grep -q '"exitCode":126'; }
  check "without the plugin a pod does not start: its trial fails" within 200 unredirected
  must "helm install istio-cni --wait" helm3 install istio-cni "$charts/cni" -n istio-system --wait --timeout 120s \
    --set cniBinDir=/usr/lib/cni --set "cniConfDir=$home/etc/cni"
  must "the agent mends it" kubectl rollout status deployment/ratings-v1 --timeout=120s
  for deployment in details-v1 productpage-v1 reviews-v1 reviews-v2 reviews-v3; do
    kubectl patch deployment "$deployment" --type=merge -p "$(without_envoy)" >/dev/null
  done
  for deployment in $(kubectl get deployments -o name); do
    must "$deployment is Ready by the plugin" kubectl rollout status "$deployment" --timeout=120s
  done
  settled() { [ "$(kubectl get pods --no-headers | grep -c Running)" = 6 ] && [ "$(kubectl get pods --no-headers | wc -l)" = 6 ]; }
  within 600 settled || fail "old pods stay"
  check "no container of a pod may set rules" eval '! kubectl get pods -o yaml | grep -q -e NET_ADMIN -e istio-init'
  check "CNI: the page comes, by STRICT mutual TLS" within 100 page_is 200
  pod_ip=$(kubectl get pod -l app=details -o jsonpath='{.items[0].status.podIP}')
  check "CNI: plaintext from outside is refused" within 50 eval '[ "$(plain)" = 000 ]'
  # The race: a pod while the agent is away.
  agent() { kubectl -n istio-system patch daemonset istio-cni-node --type=merge -p "{\"spec\": {\"template\": {\"spec\": {\"nodeSelector\": $1}}}}" >/dev/null; }
  agent '{"kubernetes.io/os": "linux", "weft-test/nowhere": "true"}'
  within 300 eval '[ -z "$(kubectl -n istio-system get pods -l k8s-app=istio-cni-node -o name)" ]' || fail "the agent stays"
  kubectl delete pod -l app=details --wait=false >/dev/null
  waits() { kubectl get events --field-selector reason=FailedCreatePodSandBox | grep -q "waits until its traffic can be redirected"; }
  check "without the agent a pod waits, and is told of" within 300 waits
  check "and does not run" eval '[ -z "$(kubectl get pods -l app=details --field-selector status.phase=Running -o name)" ] || within 300 eval "[ -z \"\$(kubectl get pods -l app=details --field-selector status.phase=Running -o name)\" ]"'
  agent '{"kubernetes.io/os": "linux", "weft-test/nowhere": null}'
  check "with the agent it runs" kubectl rollout status deployment/details-v1 --timeout=120s
  pod_ip=$(kubectl get pod -l app=details --field-selector status.phase=Running -o jsonpath='{.items[0].status.podIP}')
  check "redirected: plaintext is refused" within 50 eval '[ "$(plain)" = 000 ]'
  check "and the page has details" within 100 eval 'get /productpage | grep -q PublisherA'
  helm3 uninstall istio-cni -n istio-system --wait >/dev/null || fail "helm uninstall istio-cni"
  gone() { ! grep -q istio-cni "$home"/etc/cni/*.conflist && [ ! -e /usr/lib/cni/istio-cni ]; }
  check "uninstalled, the plugin is gone from the node" within 200 gone
fi

part "uninstall"
helm3 uninstall istio-ingressgateway istiod istio-base -n istio-system >/dev/null 2>&1 || fail "helm uninstall"
pass "uninstalled"
echo "all: $((SECONDS - began)) s"
close
