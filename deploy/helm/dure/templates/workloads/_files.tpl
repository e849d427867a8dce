{{- /* Files that pods are given, each as a mount and its volume. No `subPath`: what is mounted by one never changes again. */ -}}
{{- define "dure.databaseMount" -}}
- {name: database, mountPath: /etc/dure/database, readOnly: true}
{{- end }}

{{- define "dure.databaseVolume" -}}
- name: database # the URL of the database, read at every new connection
  secret:
    secretName: {{ ternary "dure-postgresql" .Values.database.secret .Values.postgresql.enabled }}
    defaultMode: 0440
    items: [{key: {{ ternary "url" .Values.database.key .Values.postgresql.enabled }}, path: url}]
{{- end }}

{{- /* The root file system is read-only: what is compiled at the first start is kept for the pod's life. */ -}}
{{- define "dure.ownMounts" -}}
- {name: compiled, mountPath: /var/cache/dure}
- {name: tmp, mountPath: /tmp}
{{- end }}

{{- define "dure.ownVolumes" -}}
- {name: compiled, emptyDir: {sizeLimit: 512Mi}}
- {name: tmp, emptyDir: {sizeLimit: 512Mi}}
{{- end }}

{{- /* Of the name of a Secret, if there is one. */ -}}
{{- define "dure.kubeconfigsMount" -}}
{{- if . }}
- {name: kubeconfigs, mountPath: /etc/dure/kubeconfigs, readOnly: true}
{{- end }}
{{- end }}

{{- define "dure.kubeconfigsVolume" -}}
{{- with . }}
- name: kubeconfigs # credentials of further clusters
  secret: {secretName: {{ . }}, defaultMode: 0440}
{{- end }}
{{- end }}
