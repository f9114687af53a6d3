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
fail() { echo "FAILED: $*" >&2; tail -n 5 "$work"/*.log >&2; exit 1; }
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
for namespace in shop edge; do
  kubectl delete secret,role,rolebinding,service,virtualservice,destinationrule,gateway,envoyfilter,authorizationpolicy --all \
    -n $namespace >/dev/null
done

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
leader=two
if [ -n "${CRASH:-}" ]; then
  start three 253
  within 100 curl -sf http://127.0.0.1:25318/ready || fail "the third replica is not ready"
  sleep 6
  stop two KILL
  within 450 holds three || fail "what nobody renews is not taken"
  leader=three
  pass "a leader that dies is followed within its Lease's time and one look"
fi

# --- conditions: two proxies of ours on loopback, as pods of the namespace shop
declare -A ports=([two]=252 [three]=253)
port=${ports[$leader]}
proxy() { # kind, name, namespace, address, labels
  kubectl create token default -n "$3" --audience istio-ca --duration 1h >"$work/$2.token"
  TERMINATION_DRAIN_DURATION_SECONDS=0 "${WEFT_PROXY:?}" "$1" --discovery "127.0.0.1:${port}12" \
    --discovery-name istiod.istio-system.svc --root-cert "$work/$leader/root-cert.pem" --token "$work/$2.token" \
    --pod-name "$2" --namespace "$3" --service-account default --labels "$5" --ip "$4" --bind "$4" --admin "$4:15000" \
    --interception-mode NONE --concurrency 1 >"$work/$2.log" 2>&1 &
  pids[$2]=$!
}
ready() { curl -sf "http://$1:15021/healthz/ready"; }
for namespace in shop edge; do
  kubectl create serviceaccount default -n $namespace --dry-run=client -o yaml | kubectl apply -f - >/dev/null
done
kubectl apply -f - >/dev/null <<'YAML'
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: shop}
spec: {clusterIP: 10.96.8.1, ports: [{name: http, port: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: first, namespace: shop}
spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, namespace: shop}
spec: {host: reviews, trafficPolicy: {connectionPool: {tcp: {maxConnections: 7}}}}
---
apiVersion: security.istio.io/v1
kind: AuthorizationPolicy
metadata: {name: one, namespace: shop}
spec: {selector: {matchLabels: {app: a}}, rules: [{}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: unused, namespace: shop}
spec: {selector: {istio: none}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*"]}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: broken, namespace: shop}
spec: {hosts: [reviews], http: [{match: [{uri: {regex: "("}}], route: [{destination: {host: reviews}}]}]}
---
apiVersion: networking.istio.io/v1alpha3
kind: EnvoyFilter
metadata: {name: patch, namespace: shop}
spec: {configPatches: []}
YAML
sleep 1.1 # creation times are whole seconds: the older goes first
kubectl apply -f - >/dev/null <<'YAML'
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: second, namespace: shop}
spec: {hosts: [reviews], http: [{route: [{destination: {host: reviews}}]}]}
YAML
condition() { # object, namespace
  kubectl get "$1" -n "${2:-shop}" -o jsonpath='{range .status.conditions[?(@.type=="Reconciled")]}{.status} {.reason} {.observedGeneration} {.message}{end}'
}
says() { grep -q -- "$2" <<<"$(condition "$1" "${3:-}")"; }
stated() { # object, beginning of what its condition is to say
  within 150 says "$1" "^$2" "${3:-}" || fail "$1: wanted $2, is: $(kubectl get "$1" -n "${3:-shop}" -o jsonpath='{.status}')"
}
stated virtualservice/first "Unknown NoProxies 1 no connected proxy"
proxy sidecar a shop 127.65.77.1 app=a
proxy sidecar b shop 127.65.77.2 app=b
for ip in 127.65.77.1 127.65.77.2; do within 150 ready $ip || fail "no proxy at $ip"; done
stated virtualservice/first "True InEffect 1 2/2 proxies up to date"
stated destinationrule/reviews "True InEffect 1 2/2 proxies up to date"
stated authorizationpolicy/one "True InEffect 1 1/1 proxies up to date"
stated virtualservice/second "False Shadowed 1 0/0 proxies up to date; WEFT0305: .*VirtualService shop/first goes before"
stated virtualservice/broken "False Invalid 1 WEFT0204: spec.http\[0\].match\[0\].uri"
stated gateway/unused "False NotInEffect 1 0/0 proxies up to date; WEFT0309: "
stated envoyfilter/patch "False NotSupported 1 WEFT0006: "
[ "$(kubectl get virtualservice second -n shop -o jsonpath='{.status.validationMessages[0].type.code}/{.status.validationMessages[0].level}/{.status.observedGeneration}')" = WEFT0305/WARNING/1 ] || fail "no validationMessages"
pass "each object says whether it is in effect, on how many proxies, and what goes before it"
# What shadowed it goes: it comes into effect; an edit has its generation; nothing is written without news.
kubectl delete virtualservice first -n shop >/dev/null
stated virtualservice/second "True InEffect 1 2/2 proxies up to date"
kubectl patch virtualservice second -n shop --type merge -p '{"spec": {"http": [{"timeout": "3s", "route": [{"destination": {"host": "reviews"}}]}]}}' >/dev/null
stated virtualservice/second "True InEffect 2 2/2 proxies up to date"
version() { kubectl get virtualservice,destinationrule,authorizationpolicy,gateway,envoyfilter -n shop -o jsonpath='{.items[*].metadata.resourceVersion}'; }
before=$(version); sleep 4
[ "$(version)" = "$before" ] || fail "statuses are written without news"
stop b TERM
stated virtualservice/second "True InEffect 2 1/1 proxies up to date"
pass "statuses follow objects and proxies, and are written where they differ alone"

# --- Secrets that Gateways name; without redirection a gateway listens on loopback
kubectl apply -f - >/dev/null <<'YAML'
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: site, namespace: edge}
spec:
  selector: {istio: edge}
  servers:
  - {port: {number: 18443, name: https, protocol: HTTPS}, hosts: [site.test], tls: {mode: SIMPLE, credentialName: site}}
  - {port: {number: 18444, name: mutual, protocol: HTTPS}, hosts: [site.test], tls: {mode: MUTUAL, credentialName: site}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: site, namespace: edge}
spec: {hosts: [site.test], gateways: [site], http: [{directResponse: {status: 200, body: {string: welcome}}}]}
YAML
certificate() { # name
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 -subj "/CN=$1" \
    -addext subjectAltName=DNS:site.test -keyout "$work/$1.key" -out "$work/$1.crt" 2>/dev/null
}
for name in first second third; do certificate $name; done
shown() { openssl s_client -connect 127.0.0.1:18443 -servername site.test </dev/null 2>/dev/null | openssl x509 -noout -subject; }
shows() { [ "$(shown)" = "subject=CN = $1" ] || [ "$(shown)" = "subject=CN=$1" ]; }
get() { curl -sf --max-time 3 --cacert "$work/$1.crt" --resolve site.test:18443:127.0.0.1 https://site.test:18443/; }
mutual() { curl -sf --max-time 3 --cacert "$work/second.crt" --resolve site.test:18444:127.0.0.1 "$@" https://site.test:18444/; }
proxy router edge-1 edge 127.65.77.3 istio=edge
stated gateway/site "False SecretNotReady 1 .*account edge/default may not list the Secrets" edge
kubectl create role secrets -n edge --verb=get,list,watch --resource=secrets >/dev/null
kubectl create rolebinding secrets -n edge --role=secrets --serviceaccount=edge:default >/dev/null
stated gateway/site "False SecretNotReady 1 .*there is no Secret edge/site" edge
kubectl create secret tls site -n shop --cert "$work/third.crt" --key "$work/third.key" >/dev/null # not theirs
kubectl create secret tls site -n edge --cert "$work/first.crt" --key "$work/first.key" >/dev/null
within 50 shows first || fail "the Secret's certificate is not shown: $(shown)"
[ "$(get first)" = welcome ] || fail "no answer by the Secret's certificate"
# Rotated, by Istio's generic keys, with authorities for clients.
encoded() { base64 -w0 <"$work/$1"; }
patch() { kubectl patch secret site -n edge --type merge -p "$1" >/dev/null; }
patch "{\"data\": {\"cert\": \"$(encoded second.crt)\", \"key\": \"$(encoded second.key)\", \"cacert\": \"$(encoded third.crt)\"}}"
within 50 shows second || fail "a rotation is not seen"
[ "$(get second)" = welcome ] || fail "no answer after a rotation"
within 50 mutual --cert "$work/third.crt" --key "$work/third.key" || fail "a client whom the Secret's authorities know is refused"
mutual >/dev/null && fail "a client without certificate is taken"
mutual --cert "$work/first.crt" --key "$work/first.key" >/dev/null && fail "a client whom nobody knows is taken"
stated gateway/site "True InEffect 1 1/1 proxies up to date" edge
patch "{\"data\": {\"key\": \"$(encoded first.key)\"}}"
stated gateway/site "False SecretNotReady 1 .*key does not go with cert.*last good version" edge
shows second || fail "a broken Secret takes the good one away"
kubectl delete secret site -n edge >/dev/null
stated gateway/site "False SecretNotReady 1 .*there is no Secret edge/site; its last good" edge
shows second || fail "a Secret that is gone takes the certificate away"
curl -s "http://127.0.0.1:${port}14/debug/config_dump?proxyID=edge-1.edge" | grep -q 'PRIVATE KEY' && fail "a page shows keys"
pass "a gateway gets the Secrets that its Gateways name, its own alone and when its account may read them"
echo "kubernetes: $passed passed, 0 failed"
