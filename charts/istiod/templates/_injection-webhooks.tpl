{{/*
The webhooks of one name of a control plane: include "istiod.injection-webhooks" (list . NAME IS_DEFAULT).
NAME is a revision or a tag. Those of the default one also serve namespaces with istio-injection=enabled, and pods that
ask for a sidecar on their own. istio-injection beats istio.io/rev.
*/}}
{{- define "istiod.injection-webhooks" -}}
{{- $root := index . 0 }}{{ $name := index . 1 }}{{ $default := index . 2 }}
{{- $no := dict "key" "sidecar.istio.io/inject" "operator" "NotIn" "values" (list "false") }}
{{- $yes := dict "key" "sidecar.istio.io/inject" "operator" "In" "values" (list "true") }}
{{- $unsaid := dict "key" "sidecar.istio.io/inject" "operator" "DoesNotExist" }}
{{- $rev := dict "key" "istio.io/rev" "operator" "In" "values" (list $name) }}
{{- $unrev := dict "key" "istio.io/rev" "operator" "DoesNotExist" }}
{{- $enabled := dict "key" "istio-injection" "operator" "In" "values" (list "enabled") }}
{{- $unlabelled := dict "key" "istio-injection" "operator" "DoesNotExist" }}
{{- $ordinary := dict "key" "kubernetes.io/metadata.name" "operator" "NotIn"
  "values" (list "kube-system" "kube-public" "kube-node-lease" "local-path-storage") }}
{{- $hooks := list
  (dict "name" "rev.namespace" "namespace" (list $rev $unlabelled) "object" (list $no))
  (dict "name" "rev.object" "namespace" (list $unrev $unlabelled) "object" (list $no $rev)) }}
{{- if $default }}
{{- $hooks = append $hooks (dict "name" "namespace" "namespace" (list $enabled) "object" (list $no)) }}
{{- $hooks = append $hooks (dict "name" "object" "namespace" (list $unlabelled $unrev) "object" (list $yes $unrev)) }}
{{- if $root.Values.sidecarInjectorWebhook.enableNamespacesByDefault }}
{{- $hooks = append $hooks (dict "name" "auto" "namespace" (list $unlabelled $unrev $ordinary) "object" (list $unsaid $unrev)) }}
{{- end }}
{{- end }}
{{- range $hooks }}
- name: {{ .name }}.sidecar-injector.istio.io
  clientConfig:
    {{- include "istiod.webhook-client" (list $root $root.Values.istiodRemote.injectionPath
      $root.Values.istiodRemote.injectionURL $root.Values.istiodRemote.injectionCABundle) | trim | nindent 4 }}
  namespaceSelector:
    matchExpressions: {{- toYaml .namespace | nindent 4 }}
  objectSelector:
    matchExpressions: {{- toYaml .object | nindent 4 }}
  rules:
  - {operations: [CREATE], apiGroups: [""], apiVersions: [v1], resources: [pods]}
  # A pod without its sidecar would speak plaintext: better none.
  failurePolicy: Fail
  reinvocationPolicy: {{ $root.Values.sidecarInjectorWebhook.reinvocationPolicy }}
  sideEffects: None
  admissionReviewVersions: [v1]
{{- end }}
{{- end }}
