{{- define "rookery.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" }}
{{- end }}

{{- define "rookery.fullname" -}}
{{- $name := include "rookery.name" . }}
{{- if .Values.fullnameOverride }}
{{- .Values.fullnameOverride | trunc 50 | trimSuffix "-" }}
{{- else if contains $name .Release.Name }}
{{- .Release.Name | trunc 50 | trimSuffix "-" }}
{{- else }}
{{- printf "%s-%s" .Release.Name $name | trunc 50 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{/* Of what is cluster-scoped: releases in two namespaces must not share it. */}}
{{- define "rookery.clusterName" -}}
{{- printf "%s:%s" .Release.Namespace (include "rookery.fullname" .) }}
{{- end }}

{{- define "rookery.selectorLabels" -}}
app.kubernetes.io/name: {{ include "rookery.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "rookery.labels" -}}
{{ include "rookery.selectorLabels" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "rookery.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}
{{- end }}

{{- define "rookery.serviceAccount" -}}
{{- if .Values.serviceAccount.create }}
{{- .Values.serviceAccount.name | default (include "rookery.fullname" .) }}
{{- else }}
{{- .Values.serviceAccount.name | default "default" }}
{{- end }}
{{- end }}

{{/* A quantity in bytes, as a number without exponent. */}}
{{- define "rookery.bytes" -}}
{{- $units := dict "" 1 "k" 1e3 "M" 1e6 "G" 1e9 "T" 1e12 "P" 1e15 "E" 1e18
  "Ki" 1024 "Mi" 1048576 "Gi" 1073741824 "Ti" 1099511627776 "Pi" 1125899906842624 "Ei" 1152921504606846976 -}}
{{- mulf (regexFind "^[0-9.]+" . | float64) (get $units (regexFind "[A-Za-z]*$" .)) | printf "%.0f" -}}
{{- end }}

{{/* The subject of every binding. */}}
{{- define "rookery.subjects" -}}
subjects:
- kind: ServiceAccount
  name: {{ include "rookery.serviceAccount" . }}
  namespace: {{ .Release.Namespace }}
{{- end }}

{{- define "rookery.leaseNamespace" -}}
{{- .Values.leaseNamespace | default .Release.Namespace }}
{{- end }}

{{/* The Service's names, as a YAML list: what a certificate must cover. The last is for kubectl port-forward. */}}
{{- define "rookery.dnsNames" -}}
{{- $name := include "rookery.fullname" . -}}
- {{ $name }}.{{ .Release.Namespace }}.svc
- {{ $name }}.{{ .Release.Namespace }}.svc.cluster.local
- {{ $name }}.{{ .Release.Namespace }}
- {{ $name }}
- localhost
{{- end }}

{{- define "rookery.tlsSecret" -}}
{{- .Values.tls.existingSecret | default (printf "%s-tls" (include "rookery.fullname" .)) }}
{{- end }}

{{- define "rookery.accessSecret" -}}
{{- .Values.access.existingSecret | default (printf "%s-access" (include "rookery.fullname" .)) }}
{{- end }}

{{- define "rookery.metricsSecret" -}}
{{- .Values.metrics.token.existingSecret | default (printf "%s-metrics" (include "rookery.fullname" .)) }}
{{- end }}
