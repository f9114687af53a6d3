{{/* Labels of every object of this chart. */}}
{{- define "base.labels" -}}
app.kubernetes.io/name: istio-base
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: istio
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
release: {{ .Release.Name }}
{{- end }}

{{/* Whether objects of a scope are wanted: include "base.makes" (list . "cluster"). */}}
{{- define "base.makes" -}}
{{- $root := index . 0 -}}
{{- if has $root.Values.global.resourceScope (list "all" (index . 1)) }}yes{{ end -}}
{{- end }}
