{{- define "dure.labels" -}}
app.kubernetes.io/name: dure
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: dure
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- /* By which Services, budgets and network policies find the pods of a component: `root`, `component`. No selector may ever change. */ -}}
{{- define "dure.selected" -}}
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "dure.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end }}

{{- /* User names of the two accounts that policies know. */ -}}
{{- define "dure.reconciler" -}}
system:serviceaccount:{{ .Release.Namespace }}:dure-reconciler
{{- end }}

{{- define "dure.api" -}}
system:serviceaccount:{{ .Release.Namespace }}:dure-api
{{- end }}

{{- /* Name of the Secret with the API's certificate; nothing where the API answers HTTP. */ -}}
{{- define "dure.certificate" -}}
{{- if and .Values.tls.secret .Values.tls.certificate.enabled }}
{{- fail "tls.secret and tls.certificate.enabled: say one of them, the Secret that there is or the one that cert-manager makes" }}
{{- end }}
{{- ternary "dure-api-tls" .Values.tls.secret .Values.tls.certificate.enabled }}
{{- end }}

{{- define "dure.serverName" -}}
{{ .Values.tls.serverName | default (printf "dure-api.%s" .Release.Namespace) }}
{{- end }}

{{- /* Where agents report. */ -}}
{{- define "dure.server" -}}
{{- if .Values.agent.server }}
{{- .Values.agent.server }}
{{- else if .Values.api.enabled }}
{{- $scheme := ternary "https" "http" (ne (include "dure.certificate" .) "") }}
{{- printf "%s://%s:%v" $scheme (include "dure.serverName" .) (int64 .Values.api.service.port) }}
{{- else }}
{{- fail "agent.server: say at which URL agents reach the API, as api.enabled is false and it is not in this release" }}
{{- end }}
{{- end }}
