{{/* Environment of the control plane. What the user sets in env comes last, and so wins. */}}
{{- define "istiod.environment" -}}
{{- $mesh := include "istiod.mesh" . | fromYaml -}}
- {name: REVISION, value: {{ include "istiod.revision" . | quote }}}
- {name: PILOT_CERT_PROVIDER, value: {{ .Values.global.pilotCertProvider | quote }}}
- name: POD_NAME
  valueFrom: {fieldRef: {fieldPath: metadata.name}}
- name: POD_NAMESPACE
  valueFrom: {fieldRef: {fieldPath: metadata.namespace}}
- name: SERVICE_ACCOUNT
  valueFrom: {fieldRef: {fieldPath: spec.serviceAccountName}}
- name: POD_IP
  valueFrom: {fieldRef: {fieldPath: status.podIP}}
- {name: ISTIOD_SERVICE, value: {{ include "istiod.name" . | quote }}}
- {name: CLUSTER_ID, value: {{ .Values.global.multiCluster.clusterName | default "Kubernetes" | quote }}}
- {name: TRUST_DOMAIN, value: {{ $mesh.trustDomain | quote }}}
- {name: DOMAIN, value: {{ .Values.global.proxy.clusterDomain | quote }}}
- {name: TOKEN_AUDIENCES, value: {{ .Values.global.sds.token.aud | quote }}}
- {name: PILOT_TRACE_SAMPLING, value: {{ .Values.traceSampling | quote }}}
- {name: PILOT_ENABLE_ANALYSIS, value: {{ .Values.global.istiod.enableAnalysis | quote }}}
- {name: EXTERNAL_ISTIOD, value: {{ .Values.global.externalIstiod | quote }}}
{{- with .Values.global.caName }}
- {name: CA_PROVIDER, value: {{ . | quote }}}
{{- end }}
{{- with .Values.global.platform }}
- {name: PLATFORM, value: {{ . | quote }}}
{{- end }}
{{- if .Values.taint.enabled }}
- {name: PILOT_ENABLE_NODE_UNTAINT_CONTROLLERS, value: "true"}
- {name: PILOT_CNI_NAMESPACE, value: {{ .Values.taint.namespace | default .Release.Namespace | quote }}}
{{- end }}
{{- if .Values.trustedZtunnelNamespace }}
- {name: CA_TRUSTED_NODE_ACCOUNTS, value: "{{ .Values.trustedZtunnelNamespace }}/{{ .Values.trustedZtunnelName | default "ztunnel" }}"}
{{- end }}
{{- range $name, $value := .Values.env }}
- {name: {{ $name }}, value: {{ $value | quote }}}
{{- end }}
{{- with .Values.envVarFrom }}
{{ toYaml . }}
{{- end }}
{{- end }}
