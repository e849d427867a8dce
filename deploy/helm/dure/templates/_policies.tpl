{{- /* What policies share. Each is written so that it cannot fail on any object: under `failurePolicy: Fail` an error refuses. */ -}}

{{- /* The namespaces that a policy is about. All others never see it, whatever becomes of it. */ -}}
{{- define "dure.companies" -}}
namespaceSelector:
  matchExpressions:
    - {key: dure.dev/company, operator: Exists}
{{- end }}

{{- define "dure.notBreakGlass" -}}
- name: not-break-glass
  expression: |-
    !request.userInfo.?groups.orValue([]).exists(g, g == {{ .Values.breakGlass.group | toJson }})
{{- end }}

{{- /* A policy, whose spec the template of its own name says, and its binding. Both carry what they were shipped as, by which a change
by hand is noticed. */ -}}
{{- define "dure.policy" -}}
{{- $spec := include .name .root }}
{{- $binding := dict "policyName" .name }}
{{- if eq .kind "Validating" }}
{{- $_ := set $binding "validationActions" (list "Deny") }}
{{- end -}}
apiVersion: admissionregistration.k8s.io/v1
kind: {{ .kind }}AdmissionPolicy
metadata:
  name: {{ .name }}
  labels:
    {{- include "dure.labels" .root | nindent 4 }}
  annotations:
    dure.dev/shipped: {{ fromYaml $spec | toJson | quote }}
spec:
{{- $spec }}
---
apiVersion: admissionregistration.k8s.io/v1
kind: {{ .kind }}AdmissionPolicyBinding
metadata:
  name: {{ .name }}
  labels:
    {{- include "dure.labels" .root | nindent 4 }}
  annotations:
    dure.dev/shipped: {{ $binding | toJson | quote }}
spec:
  {{- toYaml $binding | nindent 2 }}
{{- end }}

{{- /* Who asks: Dure's reconciler; the cluster's own controllers, whatever they are run as; kubelets. */ -}}
{{- define "dure.who" -}}
- name: reconciler
  expression: |-
    request.userInfo.username == {{ include "dure.reconciler" . | toJson }}
- name: controllers
  expression: |-
    request.userInfo.username in ["system:kube-controller-manager", "system:kube-scheduler", "system:apiserver"] ||
    request.userInfo.?groups.orValue([]).exists(g, g == "system:serviceaccounts:kube-system")
- name: kubelets
  expression: |-
    request.userInfo.?groups.orValue([]).exists(g, g == "system:nodes")
{{- end }}

{{- /* A pod's containers; none where there are too many to judge, and then the first validation, `dure.small`, refuses. */ -}}
{{- define "dure.containers" -}}
- name: small
  expression: |-
    object.spec.containers.size() + object.spec.?initContainers.orValue([]).size() <= {{ int64 .Values.pods.longestContainers }} &&
    object.spec.?ephemeralContainers.orValue([]).size() <= {{ int64 .Values.pods.longestContainers }} &&
    object.spec.containers.all(c, c.?env.orValue([]).size() <= {{ int64 .Values.pods.longestEnvironment }}) &&
    object.spec.?initContainers.orValue([]).all(c, c.?env.orValue([]).size() <= {{ int64 .Values.pods.longestEnvironment }}) &&
    object.spec.?ephemeralContainers.orValue([]).all(c, c.?env.orValue([]).size() <= {{ int64 .Values.pods.longestEnvironment }})
- name: containers
  expression: |-
    variables.small ? object.spec.containers + object.spec.?initContainers.orValue([]) : []
- name: ephemeral
  expression: |-
    variables.small ? object.spec.?ephemeralContainers.orValue([]) : []
{{- end }}

{{- define "dure.small" -}}
- expression: variables.small
  message: >-
    A pod of a company has at most {{ int64 .Values.pods.longestContainers }} containers, with at most
    {{ int64 .Values.pods.longestEnvironment }} environment variables each.
{{- end }}

{{- /* CEL: whether the name `k` is an extended resource that needs a lease. Those that no lease can have are refused by dure-devices. */ -}}
{{- define "dure.isGpu" -}}
(k.contains("/") && !(k in {{ .Values.gpu.otherResources | toJson }}))
{{- end }}

{{- /* CEL: whether the container `c` asks for a GPU, or for anything else that might be one. */ -}}
{{- define "dure.asks" -}}
[c.?resources.?limits.orValue({}), c.?resources.?requests.orValue({})].exists(m, m.exists(k,
  {{ include "dure.isGpu" . }} && quantity(string(m[k])).isGreaterThan(quantity("0"))))
{{- end }}
