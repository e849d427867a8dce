{{- define "dure.restrictedPod" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: 65532
  runAsGroup: 65532
  fsGroup: 65532
  seccompProfile: {type: RuntimeDefault}
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "dure.restrictedContainer" -}}
image: {{ include "dure.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- define "dure.database" -}}
- name: DURE_DATABASE_URL
  valueFrom:
    secretKeyRef:
      name: {{ .Values.database.secret }}
      key: {{ .Values.database.key }}
{{- end }}

{{- /* What is compiled at the first start is kept for the pod's life: the root file system is read-only. */ -}}
{{- define "dure.compiled" -}}
- name: DURE_COMPILED_FOLDER
  value: /var/cache/dure
{{- end }}

{{- define "dure.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | toString | quote }}
{{- end }}
{{- end }}

{{- define "dure.probes" -}}
readinessProbe:
  httpGet: {path: /readyz, port: http}
livenessProbe:
  httpGet: {path: /healthz, port: http}
  failureThreshold: 6
startupProbe:
  httpGet: {path: /healthz, port: http}
  failureThreshold: 60
  periodSeconds: 5
{{- end }}
