# Prints one of the networking files: Istio's own where BOOKINFO names the sample's folder, else the same objects.
networking() { # name
  if [ -n "${BOOKINFO:-}" ]; then
    cat "$BOOKINFO/networking/$1.yaml"
    return
  fi
  local service
  case $1 in
    bookinfo-gateway)
      object Gateway bookinfo-gateway \
        '{"selector": {"istio": "ingressgateway"}, "servers": [{"port": {"number": 8080, "name": "http", "protocol": "HTTP"}, "hosts": ["*"]}]}'
      object VirtualService bookinfo '{"hosts": ["*"], "gateways": ["bookinfo-gateway"], "http": [{
        "match": [{"uri": {"exact": "/productpage"}}, {"uri": {"prefix": "/static"}}, {"uri": {"exact": "/login"}},
          {"uri": {"exact": "/logout"}}, {"uri": {"prefix": "/api/v1/products"}}],
        "route": [{"destination": {"host": "productpage", "port": {"number": 9080}}}]}]}' ;;
    destination-rule-all | destination-rule-all-mtls)
      for service in productpage reviews ratings details; do
        object DestinationRule $service "{\"host\": \"$service\", $([ "$1" = destination-rule-all ] ||
          echo '"trafficPolicy": {"tls": {"mode": "ISTIO_MUTUAL"}},') \"subsets\": [$(subset v1), $(subset v2), $(subset v3)]}"
      done ;;
    virtual-service-all-v1)
      for service in productpage reviews ratings details; do
        object VirtualService $service "{\"hosts\": [\"$service\"], \"http\": [{\"route\": [$(to $service v1)]}]}"
      done ;;
    virtual-service-reviews-90-10)
      object VirtualService reviews "{\"hosts\": [\"reviews\"], \"http\": [{\"route\": [$(to reviews v1 90), $(to reviews v2 10)]}]}" ;;
    virtual-service-reviews-test-v2)
      object VirtualService reviews "{\"hosts\": [\"reviews\"], \"http\": [
        {\"match\": [{\"headers\": {\"end-user\": {\"exact\": \"jason\"}}}], \"route\": [$(to reviews v2)]},
        {\"route\": [$(to reviews v1)]}]}" ;;
    virtual-service-reviews-v3)
      object VirtualService reviews "{\"hosts\": [\"reviews\"], \"http\": [{\"route\": [$(to reviews v3)]}]}" ;;
    fault-injection-details-v1)
      object VirtualService details "{\"hosts\": [\"details\"], \"http\": [
        {\"fault\": {\"abort\": {\"httpStatus\": 555, \"percentage\": {\"value\": 100}}}, \"route\": [$(to details v1)]}]}" ;;
    *) echo "no networking file $1" >&2; return 1 ;;
  esac
}
object() { # kind, name, spec
  printf -- '---\n{"apiVersion": "networking.istio.io/v1", "kind": "%s", "metadata": {"name": "%s"}, "spec": %s}\n' "$@"
}
subset() { echo "{\"name\": \"$1\", \"labels\": {\"version\": \"$1\"}}"; }
to() { echo "{\"destination\": {\"host\": \"$1\", \"subset\": \"$2\"}${3:+, \"weight\": $3}}"; }
