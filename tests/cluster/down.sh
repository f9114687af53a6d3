#!/usr/bin/env bash
# Stops what up.sh started, each process by its own pid, and removes containers, mounts, namespaces, links and rules.
# State is thrown away, so everything but containerd is killed at once: a graceful stop of the API server takes 10 s.
home=${CLUSTER_HOME:?}
run=$home/run
ctr=(ctr -a "$run/containerd.sock" -n k8s.io)

stop() { # signal, name
  local pid
  [ -f "$run/$2.pid" ] || return 0
  pid=$(cat "$run/$2.pid")
  # A pid that another program has got since is left alone; a zombie has no exe.
  case "$(readlink "/proc/$pid/exe" 2>/dev/null)" in
    "$home"/bin/* | */containerd)
      kill "$1" "$pid"
      for _ in $(seq 50); do [ -n "$(readlink "/proc/$pid/exe")" ] || break; sleep 0.05; done
      kill -9 "$pid" 2>/dev/null ;;
  esac
  rm -f "$run/$2.pid"
}

had_proxy=$([ -f "$run/kube-proxy.pid" ] && echo yes)
for name in kubelet kube-proxy kube-scheduler kube-controller-manager; do stop -9 $name; done
if [ -f "$run/containerd.pid" ] && "${ctr[@]}" version >/dev/null 2>&1; then
  for task in $("${ctr[@]}" tasks ls -q); do "${ctr[@]}" tasks kill -s 9 "$task" >/dev/null 2>&1; done
  sleep 0.5
  for task in $("${ctr[@]}" tasks ls -q); do "${ctr[@]}" tasks delete -f "$task" >/dev/null 2>&1; done
  for one in $("${ctr[@]}" containers ls -q); do "${ctr[@]}" containers delete "$one" >/dev/null 2>&1; done
fi
stop -15 containerd
stop -9 kube-apiserver
stop -9 etcd

grep -oE " $home/(run|var)/[^ ]+" /proc/mounts | sort -r | while read -r mounted; do umount -l "$mounted" 2>/dev/null; done
# Namespaces of pods on our bridge: containerd names them so.
for name in $(ip netns list 2>/dev/null | awk '/^cni-/ {print $1}'); do ip netns delete "$name" 2>/dev/null; done
if [ -n "$had_proxy" ]; then
  "$home/bin/kube-proxy" --cleanup >/dev/null 2>&1
  for chain in $(iptables -t nat -S 2>/dev/null | awk '/^-N CNI-[0-9a-f]/ {print $2}'); do
    iptables -t nat -S POSTROUTING | grep -- "$chain" | sed 's/^-A/iptables -t nat -D/' | sh
    iptables -t nat -F "$chain"
    iptables -t nat -X "$chain"
  done
fi
for table in filter nat mangle; do
  for chain in $(iptables -t $table -S 2>/dev/null | awk '/^-N KUBE-/ {print $2}'); do
    for hook in INPUT OUTPUT; do iptables -t $table -D $hook -j "$chain" 2>/dev/null; done
    iptables -t $table -F "$chain"
    iptables -t $table -X "$chain" 2>/dev/null
  done
done
for group in /sys/fs/cgroup/*/kubepods /sys/fs/cgroup/kubepods; do
  [ -d "$group" ] && find "$group" -depth -type d -exec rmdir {} + 2>/dev/null
done
find /var/log/containers -type l -lname "$home/*" -delete 2>/dev/null
rmdir /var/log/containers 2>/dev/null
# The chart cni puts its plugin there, if it could not take it away itself.
rm -f /usr/lib/cni/istio-cni
rm -rf /var/run/istio-cni
ip link del cni0 2>/dev/null
ip link del kube0 2>/dev/null
rm -rf "$home"/var/{etcd,kubelet,cni,pod-logs} /var/lib/cni/results/weft-test-*
exit 0
