{{/* Suffix of names that a revision has of its own: "" or -REVISION. */}}
{{- define "istiod.suffix" -}}
{{- if not (has .Values.revision (list "" "default")) }}-{{ .Values.revision }}{{ end -}}
{{- end }}

{{/* Name of the Deployment and the Service. */}}
{{- define "istiod.name" -}}istiod{{ include "istiod.suffix" . }}{{- end }}

{{/* The revision, as labels say it. */}}
{{- define "istiod.revision" -}}{{ default "default" .Values.revision }}{{- end }}

{{/* Suffix of cluster-wide objects of a control plane outside of the usual namespace. */}}
{{- define "istiod.of-namespace" -}}
{{- if ne .Release.Namespace "istio-system" }}-{{ .Release.Namespace }}{{ end -}}
{{- end }}

{{- define "istiod.selector" -}}
app: istiod
{{- if include "istiod.suffix" . }}
istio.io/rev: {{ include "istiod.revision" . | quote }}
{{- else }}
istio: pilot
{{- end }}
{{- end }}

{{/* Labels of every object of this chart. */}}
{{- define "istiod.labels" -}}
app: istiod
istio.io/rev: {{ include "istiod.revision" . | quote }}
operator.istio.io/component: Pilot
app.kubernetes.io/name: istiod
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: istio
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
release: {{ .Release.Name }}
{{- end }}

{{/* Whether objects of a scope are wanted: include "istiod.makes" (list . "cluster"). */}}
{{- define "istiod.makes" -}}
{{- $root := index . 0 -}}
{{- if has $root.Values.resourceScope (list "all" (index . 1)) }}yes{{ end -}}
{{- end }}

{{/* Whether the control plane itself runs here. */}}
{{- define "istiod.runs-here" -}}
{{- if not .Values.istiodRemote.enabled }}yes{{ end -}}
{{- end }}

{{/* An image: include "istiod.image" (list . NAME). A name with a slash is complete. */}}
{{- define "istiod.image" -}}
{{- $root := index . 0 }}{{ $name := index . 1 -}}
{{- if contains "/" $name -}}
{{ $name }}
{{- else -}}
{{- $hub := $root.Values.hub | default $root.Values.global.hub -}}
{{- $tag := $root.Values.tag | default $root.Values.global.tag | default $root.Chart.AppVersion -}}
{{- $variant := $root.Values.variant | default $root.Values.global.variant -}}
{{ $hub }}/{{ $name }}:{{ $tag }}{{ with $variant }}-{{ . }}{{ end }}
{{- end -}}
{{- end }}

{{/* MeshConfig: what other values say of the mesh, below what the user says of it. */}}
{{- define "istiod.mesh" -}}
{{- $proxy := dict "discoveryAddress" (printf "%s.%s.svc:15012" (include "istiod.name" .) .Release.Namespace) -}}
{{- with .Values.global.remotePilotAddress }}
{{- if $.Values.istiodRemote.enabled }}
{{- $_ := set $proxy "discoveryAddress" (printf "istiod%s.%s.svc:15012" (include "istiod.suffix" $) $.Release.Namespace) }}
{{- end }}
{{- end }}
{{- with .Values.global.meshID }}{{ $_ := set $proxy "meshId" . }}{{ end }}
{{- if .Values.global.proxy.holdApplicationUntilProxyStarts }}{{ $_ := set $proxy "holdApplicationUntilProxyStarts" true }}{{ end }}
{{- if not (kindIs "invalid" .Values.traceSampling) }}
{{- $_ := set $proxy "tracing" (dict "sampling" .Values.traceSampling) }}
{{- end }}
{{- $prometheus := dict "metrics" (list "prometheus") -}}
{{- $telemetry := and .Values.telemetry.enabled .Values.telemetry.v2.enabled .Values.telemetry.v2.prometheus.enabled -}}
{{- $mesh := dict "defaultConfig" $proxy "rootNamespace" .Values.global.istioNamespace "trustDomain" "cluster.local" -}}
{{- if $telemetry }}{{ $_ := set $mesh "defaultProviders" $prometheus }}{{ end }}
{{- toYaml (mergeOverwrite $mesh (deepCopy .Values.meshConfig)) -}}
{{- end }}

{{/* The values that the injector needs, as one document. */}}
{{- define "istiod.injection-values" -}}
{{- $global := deepCopy .Values.global }}
{{- $_ := set $global "tag" (.Values.global.tag | default .Chart.AppVersion) }}
{{- $own := dict "global" $global "revision" .Values.revision "sidecarInjectorWebhook" .Values.sidecarInjectorWebhook
  "istio_cni" (dict "enabled" .Values.cni.enabled "provider" .Values.cni.provider) "meshConfig" .Values.meshConfig
  "gatewayClasses" .Values.gatewayClasses }}
{{- toPrettyJson $own -}}
{{- end }}

{{/* clientConfig of a webhook: include "istiod.webhook-client" (list . PATH URL BUNDLE). */}}
{{- define "istiod.webhook-client" -}}
{{- $root := index . 0 -}}
{{- with index . 2 }}
url: {{ . }}
{{- else }}
service:
  name: {{ include "istiod.name" $root }}
  namespace: {{ $root.Release.Namespace }}
  path: {{ index . 1 }}
  port: 443
{{- end }}
{{- with index . 3 }}
caBundle: {{ . }}
{{- end }}
{{- end }}

{{- define "istiod.pull-secrets" -}}
{{- with .Values.global.imagePullSecrets }}
imagePullSecrets:
{{- range . }}
- name: {{ . }}
{{- end }}
{{- end }}
{{- end }}
