#!/usr/bin/env bash
# Starts a fresh Kubernetes of one node from what build.sh made. `up.sh api` starts etcd and the API server alone.
# State lives under $CLUSTER_HOME and is thrown away at each start; PROXY_MODE=nftables is possible.
#
# Why some flags are as they are:
# - restrict_oom_score_adj: without CAP_SYS_RESOURCE runc cannot lower oom_score_adj.
# - failCgroupV1 false: the machine may have version 1.
# - containerd 1.6 lacks the RuntimeConfig call, which Kubernetes up to 1.35 does without.
# - a bridge without ports carries the node's address: there may be no `dummy` links.
# - controller manager and scheduler exit when started before the API server's /readyz, as RBAC is not there yet.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=${CLUSTER_HOME:?}
run=$home/run var=$home/var log=$home/log pki=$home/pki bin=$home/bin
node_ip=10.200.0.1 services=10.96.0.0/16 pods=10.244.0.0/16 dns_ip=10.96.0.10 node=node
api=https://$node_ip:6443
only=${1:-all}
proxy_mode=${PROXY_MODE:-iptables}
mkdir -p "$run" "$var" "$log" "$pki" "$home/etc/cni"

began=$(date +%s%N)
tell() { printf '%6.1fs %s\n' "$(( ($(date +%s%N) - began) / 1000000 ))e-3" "$*"; }
alive() { [ -n "$(readlink "/proc/$(cat "$run/$1.pid" 2>/dev/null || echo 0)/exe" 2>/dev/null)" ]; }
start() { # name, command
  local name=$1; shift
  if alive "$name"; then echo "$name already runs; take the cluster down first" >&2; exit 1; fi
  setsid "$@" >"$log/$name.log" 2>&1 </dev/null &
  echo $! >"$run/$name.pid"
}
# Waits for a command to succeed while a process lives, 120 s at most.
await() { # process, command
  local process=$1 tries=0; shift
  until "$@" >/dev/null 2>&1; do
    alive "$process" || { echo "$process has ended; see $log/$process.log" >&2; tail -5 "$log/$process.log" >&2; exit 1; }
    [ $((tries += 1)) -lt 1200 ] || { echo "waited in vain for: $*" >&2; exit 1; }
    sleep 0.1
  done
}

mount --make-rshared / # mountPropagation of CNI pods needs it

# --- network: a bridge without ports gives the node an address that never changes
ip link show kube0 >/dev/null 2>&1 || ip link add kube0 type bridge
ip addr replace $node_ip/32 dev kube0
ip link set kube0 up
sysctl -qw net.ipv4.ip_forward=1
sysctl -qw net.bridge.bridge-nf-call-iptables=1 2>/dev/null || true

# --- certificates, made once
if [ ! -f "$pki/done" ]; then (
  cd "$pki"
  key() { openssl ecparam -name prime256v1 -genkey -noout -out "$1.key"; }
  key ca
  openssl req -x509 -new -key ca.key -subj /CN=kubernetes-ca -days 3650 -out ca.crt
  openssl genrsa -out sa.key 2048 2>/dev/null
  openssl rsa -in sa.key -pubout -out sa.pub 2>/dev/null
  sign() { # file, subject, usage, names
    key "$1"
    openssl req -new -key "$1.key" -subj "$2" -out "$1.csr"
    openssl x509 -req -in "$1.csr" -CA ca.crt -CAkey ca.key -CAcreateserial -days 3650 -out "$1.crt" -extfile <(
      echo "keyUsage=critical,digitalSignature,keyEncipherment"
      echo "extendedKeyUsage=$3"
      [ -z "${4:-}" ] || echo "subjectAltName=$4") 2>/dev/null
  }
  local_names=DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc,DNS:kubernetes.default.svc.cluster.local
  sign apiserver /CN=kube-apiserver serverAuth "$local_names,DNS:localhost,IP:10.96.0.1,IP:$node_ip,IP:127.0.0.1"
  sign kubelet-server /CN=$node serverAuth "DNS:$node,IP:$node_ip,IP:127.0.0.1"
  sign admin /O=system:masters/CN=admin clientAuth
  sign apiserver-kubelet /O=system:masters/CN=apiserver-kubelet clientAuth
  sign front-proxy /CN=front-proxy-client clientAuth
  sign manager /CN=system:kube-controller-manager clientAuth
  sign scheduler /CN=system:kube-scheduler clientAuth
  sign kubelet /O=system:nodes/CN=system:node:$node clientAuth
  sign proxy /CN=system:kube-proxy clientAuth
  for user in admin manager scheduler kubelet proxy; do
    cat >$user.kubeconfig <<EOF
apiVersion: v1
kind: Config
clusters: [{name: weft, cluster: {server: "$api", certificate-authority: $pki/ca.crt}}]
users: [{name: $user, user: {client-certificate: $pki/$user.crt, client-key: $pki/$user.key}}]
contexts: [{name: weft, context: {cluster: weft, user: $user}}]
current-context: weft
EOF
  done
  touch done
) fi

# --- etcd and the API server, with fresh state
rm -rf "$var/etcd"
start etcd "$bin/etcd" --data-dir "$var/etcd" --unsafe-no-fsync --listen-client-urls http://127.0.0.1:12379 \
  --advertise-client-urls http://127.0.0.1:12379 --listen-peer-urls http://127.0.0.1:12380 \
  --initial-advertise-peer-urls http://127.0.0.1:12380 --initial-cluster default=http://127.0.0.1:12380
start kube-apiserver "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:12379 --advertise-address=$node_ip \
  --secure-port=6443 --service-cluster-ip-range=$services --authorization-mode=Node,RBAC \
  --enable-admission-plugins=NodeRestriction --allow-privileged=true --client-ca-file="$pki/ca.crt" \
  --tls-cert-file="$pki/apiserver.crt" --tls-private-key-file="$pki/apiserver.key" \
  --service-account-issuer=https://kubernetes.default.svc.cluster.local --service-account-key-file="$pki/sa.pub" \
  --service-account-signing-key-file="$pki/sa.key" --kubelet-client-certificate="$pki/apiserver-kubelet.crt" \
  --kubelet-client-key="$pki/apiserver-kubelet.key" --kubelet-certificate-authority="$pki/ca.crt" \
  --kubelet-preferred-address-types=InternalIP,Hostname --requestheader-client-ca-file="$pki/ca.crt" \
  --requestheader-allowed-names=front-proxy-client --requestheader-extra-headers-prefix=X-Remote-Extra- \
  --requestheader-group-headers=X-Remote-Group --requestheader-username-headers=X-Remote-User \
  --proxy-client-cert-file="$pki/front-proxy.crt" --proxy-client-key-file="$pki/front-proxy.key"
export KUBECONFIG=$pki/admin.kubeconfig
kubectl="$bin/kubectl"
ready() { curl -sf --cacert "$pki/ca.crt" --cert "$pki/admin.crt" --key "$pki/admin.key" $api/readyz; }
if [ "$only" = api ]; then
  await kube-apiserver ready
  tell "the API server is ready, alone"
  exit 0
fi

# --- containerd, while the API server starts
cat >"$home/etc/cni/10-bridge.conflist" <<EOF
{"cniVersion": "0.4.0", "name": "weft-test", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "ipMasq": true, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$var/cni", "ranges": [[{"subnet": "$pods"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
EOF
cat >"$home/etc/containerd.toml" <<EOF
version = 2
root = "$var/containerd"
state = "$run/containerd"
disabled_plugins = ["io.containerd.snapshotter.v1.btrfs", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.aufs", "io.containerd.snapshotter.v1.devmapper"]
[grpc]
  address = "$run/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/weft-test/pause:1"
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$home/etc/cni"
  [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc.options]
      SystemdCgroup = false
[plugins."io.containerd.internal.v1.opt"]
  path = "$var/containerd-opt"
EOF
start containerd containerd -c "$home/etc/containerd.toml"
ctr=(ctr -a "$run/containerd.sock" -n k8s.io)
await containerd "${ctr[@]}" version
for archive in "$home"/img/*.tar; do "${ctr[@]}" images import "$archive" >/dev/null; done
tell "containerd runs, with its images"
await kube-apiserver ready
tell "the API server is ready"

start kube-controller-manager "$bin/kube-controller-manager" --kubeconfig="$pki/manager.kubeconfig" \
  --authentication-kubeconfig="$pki/manager.kubeconfig" --authorization-kubeconfig="$pki/manager.kubeconfig" \
  --bind-address=127.0.0.1 --leader-elect=false --use-service-account-credentials=true \
  --service-account-private-key-file="$pki/sa.key" --root-ca-file="$pki/ca.crt" \
  --cluster-signing-cert-file="$pki/ca.crt" --cluster-signing-key-file="$pki/ca.key"
start kube-scheduler "$bin/kube-scheduler" --kubeconfig="$pki/scheduler.kubeconfig" \
  --authentication-kubeconfig="$pki/scheduler.kubeconfig" --authorization-kubeconfig="$pki/scheduler.kubeconfig" \
  --bind-address=127.0.0.1 --leader-elect=false
echo "nameserver 127.0.0.1" >"$home/etc/resolv.conf"
cat >"$home/etc/kubelet.yaml" <<EOF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
failSwapOn: false
containerRuntimeEndpoint: unix://$run/containerd.sock
address: 0.0.0.0
authentication: {anonymous: {enabled: false}, webhook: {enabled: true}, x509: {clientCAFile: $pki/ca.crt}}
authorization: {mode: Webhook}
tlsCertFile: $pki/kubelet-server.crt
tlsPrivateKeyFile: $pki/kubelet-server.key
clusterDNS: [$dns_ip]
clusterDomain: cluster.local
resolvConf: $home/etc/resolv.conf
podLogsDir: $var/pod-logs
staticPodPath: ""
makeIPTablesUtilChains: false
maxPods: 200
imageGCHighThresholdPercent: 100
imageGCLowThresholdPercent: 99
evictionHard: {memory.available: 100Mi}
nodeStatusUpdateFrequency: 5s
syncFrequency: 10s
shutdownGracePeriod: 0s
serializeImagePulls: false
volumePluginDir: $var/volume-plugins
EOF
start kubelet "$bin/kubelet" --config="$home/etc/kubelet.yaml" --kubeconfig="$pki/kubelet.kubeconfig" \
  --hostname-override=$node --node-ip=$node_ip --root-dir="$var/kubelet" --cert-dir="$var/kubelet-pki"
cat >"$home/etc/proxy.yaml" <<EOF
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: $proxy_mode
hostnameOverride: $node
clusterCIDR: $pods
clientConnection: {kubeconfig: $pki/proxy.kubeconfig}
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
iptables: {minSyncPeriod: 0s, localhostNodePorts: false}
nftables: {minSyncPeriod: 0s}
EOF
start kube-proxy "$bin/kube-proxy" --config="$home/etc/proxy.yaml"
"$kubectl" apply -f "$here/manifests/coredns.yaml" >/dev/null
await kubelet "$kubectl" wait --for=condition=Ready node/$node --timeout=1s
tell "the node is ready"
await kube-controller-manager "$kubectl" -n default get serviceaccount default
await kubelet "$kubectl" -n kube-system rollout status deploy/coredns --timeout=1s
tell "names are resolved"
echo "export KUBECONFIG=$KUBECONFIG PATH=$bin:\$PATH"
