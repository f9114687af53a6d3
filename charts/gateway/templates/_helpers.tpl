{{/* Name of all objects. */}}
{{- define "gateway.name" -}}
{{- default .Release.Name .Values.name | trunc 63 | trimSuffix "-" -}}
{{- end }}

{{- define "gateway.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}{{ default (include "gateway.name" .) .Values.serviceAccount.name }}
{{- else }}{{ default "default" .Values.serviceAccount.name }}{{ end -}}
{{- end }}

{{/* What Gateway objects select by: istio is the name without its usual beginning. */}}
{{- define "gateway.selector" -}}
app: {{ (.Values.labels).app | default (include "gateway.name" .) | quote }}
istio: {{ (.Values.labels).istio | default (include "gateway.name" . | trimPrefix "istio-") | quote }}
{{- end }}

{{/* Labels of every object of this chart. */}}
{{- define "gateway.labels" -}}
{{ include "gateway.selector" . }}
app.kubernetes.io/name: {{ include "gateway.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
app.kubernetes.io/part-of: istio
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- range $name, $value := omit .Values.labels "app" "istio" }}
{{ $name }}: {{ $value | quote }}
{{- end }}
{{- with .Values.networkGateway }}
topology.istio.io/network: {{ . | quote }}
{{- end }}
{{- end }}

{{/* Ports of the Service: the user's, and for traffic between clusters those of Istio's. */}}
{{- define "gateway.ports" -}}
{{- $ports := .Values.service.ports }}
{{- if .Values.networkGateway }}
{{- $ports = list }}
{{- range $name, $port := dict "status-port" 15021 "tls" 15443 "tls-istiod" 15012 "tls-webhook" 15017 }}
{{- $ports = append $ports (dict "name" $name "port" $port "protocol" "TCP" "targetPort" $port) }}
{{- end }}
{{- end }}
{{- toYaml $ports -}}
{{- end }}

{{/* The pod, alike in a Deployment and a DaemonSet. The injector puts the proxy in place of image auto. */}}
{{- define "gateway.pod" -}}
metadata:
  annotations: {{- toYaml .Values.podAnnotations | nindent 4 }}
  labels:
    sidecar.istio.io/inject: "true"
    {{- with .Values.revision }}
    istio.io/rev: {{ . | quote }}
    {{- end }}
    service.istio.io/canonical-name: {{ include "gateway.name" . | quote }}
    service.istio.io/canonical-revision: "latest"
    {{- include "gateway.labels" . | nindent 4 }}
    {{- with .Values.podLabels }}{{ toYaml . | nindent 4 }}{{ end }}
spec:
  serviceAccountName: {{ include "gateway.serviceAccount" . }}
  {{- with .Values.imagePullSecrets }}
  imagePullSecrets: {{- toYaml . | nindent 2 }}
  {{- end }}
  securityContext:
    {{- if .Values.securityContext }}
    {{- toYaml .Values.securityContext | nindent 4 }}
    {{- else }}
    sysctls:
    - {name: net.ipv4.ip_unprivileged_port_start, value: "0"}
    {{- end }}
  {{- with .Values.initContainers }}
  initContainers: {{- tpl (toYaml .) $ | nindent 2 }}
  {{- end }}
  containers:
  - name: istio-proxy
    # The injector sets the image, once for every start of a pod.
    image: auto
    {{- with .Values.imagePullPolicy }}
    imagePullPolicy: {{ . }}
    {{- end }}
    securityContext:
      {{- if .Values.containerSecurityContext }}
      {{- toYaml .Values.containerSecurityContext | nindent 6 }}
      {{- else }}
      allowPrivilegeEscalation: false
      capabilities: {drop: [ALL]}
      privileged: false
      readOnlyRootFilesystem: true
      runAsNonRoot: true
      runAsUser: 1337
      runAsGroup: 1337
      {{- end }}
    {{- $environment := list }}
    {{- with .Values.networkGateway }}
    {{- $environment = append $environment (dict "name" "ISTIO_META_REQUESTED_NETWORK_VIEW" "value" .) }}
    {{- end }}
    {{- range $name, $value := .Values.env }}
    {{- $environment = append $environment (dict "name" $name "value" (toString $value)) }}
    {{- end }}
    {{- with concat $environment .Values.envVarFrom }}
    env: {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with .Values.envFrom }}
    envFrom: {{- toYaml . | nindent 4 }}
    {{- end }}
    ports:
    - {name: http-envoy-prom, containerPort: 15090, protocol: TCP}
    resources: {{- toYaml .Values.resources | nindent 6 }}
    {{- with .Values.volumeMounts }}
    volumeMounts: {{- toYaml . | nindent 4 }}
    {{- end }}
    {{- with .Values.readinessProbe }}
    readinessProbe: {{- toYaml . | nindent 6 }}
    {{- end }}
    {{- with .Values.lifecycle }}
    lifecycle: {{- toYaml . | nindent 6 }}
    {{- end }}
  {{- with .Values.additionalContainers }}{{ tpl (toYaml .) $ | nindent 2 }}{{ end }}
  {{- with .Values.volumes }}
  volumes: {{- toYaml . | nindent 2 }}
  {{- end }}
  terminationGracePeriodSeconds: {{ .Values.terminationGracePeriodSeconds }}
  {{- range $field := list "nodeSelector" "affinity" "tolerations" "topologySpreadConstraints" "priorityClassName" "dnsPolicy" "dnsConfig" }}
  {{- with index $.Values $field }}
  {{ $field }}: {{- if kindIs "string" . }} {{ . }}{{ else }}{{ toYaml . | nindent 4 }}{{ end }}
  {{- end }}
  {{- end }}
{{- end }}
