{{- /* Parts of network policies. Ports are those of pods; nothing is said of a node's kubelet, which always reaches its own pods. */ -}}
{{- define "dure.ports" -}}
ports:
  {{- range . }}
  - {protocol: TCP, port: {{ int64 . }}}
  {{- end }}
{{- end }}

{{- define "dure.fromPrometheus" -}}
- namespaceSelector:
    matchLabels:
      {{- toYaml .Values.networkPolicies.monitoring | nindent 6 }}
{{- end }}

{{- define "dure.toNames" -}}
- ports: # names are asked for, wherever the cluster's resolver is
    - {protocol: UDP, port: 53}
    - {protocol: TCP, port: 53}
{{- end }}

{{- define "dure.toDatabase" -}}
{{- if .Values.postgresql.enabled -}}
- to:
    - podSelector:
        matchLabels:
          {{- include "dure.selected" (dict "root" . "component" "postgresql") | nindent 10 }}
  {{- include "dure.ports" (list 5432) | nindent 2 }}
{{- else -}}
- {{ include "dure.ports" .Values.networkPolicies.databasePorts | nindent 2 | trim }}
  {{- with .Values.networkPolicies.databaseTo }}
  to:
    {{- toYaml . | nindent 4 }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "dure.toKubernetes" -}}
- {{ include "dure.ports" .Values.networkPolicies.kubernetesPorts | nindent 2 | trim }}
{{- end }}

{{- define "dure.networkPolicy" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: dure-{{ .component }}
  namespace: {{ .namespace }}
  labels:
    {{- include "dure.labels" .root | nindent 4 }}
    app.kubernetes.io/component: {{ .component }}
spec:
  podSelector:
    matchLabels:
      {{- include "dure.selected" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end }}
