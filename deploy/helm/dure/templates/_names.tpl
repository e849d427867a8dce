{{- define "dure.labels" -}}
app.kubernetes.io/name: dure
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/part-of: dure
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
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
