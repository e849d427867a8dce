{{- /* What every pod of Dure has. A Service called dure-api would else be a variable DURE_API_PORT in each pod beside it. */ -}}
{{- define "dure.pod" -}}
enableServiceLinks: false
{{- with .Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- end }}

{{- define "dure.restrictedPod" -}}
{{ include "dure.pod" . }}
{{ include "dure.restrictedUser" 65532 }}
{{- end }}

{{- /* Not root, of the user and group that is said; the files of Secrets are that group's. */ -}}
{{- define "dure.restrictedUser" -}}
securityContext:
  runAsNonRoot: true
  runAsUser: {{ . }}
  runAsGroup: {{ . }}
  fsGroup: {{ . }}
  fsGroupChangePolicy: OnRootMismatch
  seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "dure.restrictedContainer" -}}
image: {{ include "dure.image" . }}
imagePullPolicy: {{ .Values.image.pullPolicy }}
{{ include "dure.restrictedRights" . }}
{{- end }}

{{- define "dure.restrictedRights" -}}
securityContext:
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {drop: [ALL]}
{{- end }}

{{- /* Where replicas are: `root`, `component` and the component's `values`. */ -}}
{{- define "dure.placed" -}}
topologySpreadConstraints:
  {{- range list "kubernetes.io/hostname" "topology.kubernetes.io/zone" }}
  - topologyKey: {{ . }}
    maxSkew: 1
    whenUnsatisfiable: {{ $.values.spread }}
    labelSelector:
      matchLabels:
        {{- include "dure.selected" $ | nindent 8 }}
    matchLabelKeys: [pod-template-hash] # an update counts its own pods
  {{- end }}
{{- with .values.priorityClass }}
priorityClassName: {{ . }}
{{- end }}
{{- with .values.nodeSelector }}
nodeSelector:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- with .values.tolerations }}
tolerations:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end }}

{{- /* Ready: requests can be served, which takes a database whose schema fits. Alive: the process answers at all. Compiling at a
first start takes a minute. `scheme` is HTTP or HTTPS. */ -}}
{{- define "dure.probes" -}}
readinessProbe:
  httpGet: {path: /readyz, port: http, scheme: {{ . }}}
  timeoutSeconds: 3
livenessProbe:
  httpGet: {path: /healthz, port: http, scheme: {{ . }}}
  timeoutSeconds: 5
  failureThreshold: 6
startupProbe:
  httpGet: {path: /healthz, port: http, scheme: {{ . }}}
  timeoutSeconds: 5
  failureThreshold: 60
  periodSeconds: 5
{{- end }}
