{{- define "dure.databaseEnv" -}}
- name: DURE_DATABASE_URL_FILE
  value: /etc/dure/database/url
{{- end }}

{{- define "dure.compiledEnv" -}}
- name: DURE_COMPILED_FOLDER
  value: /var/cache/dure
{{- end }}

{{- /* The variables that the chart sets (`own`, the name of a template, for `root`) and those of the values (`more`). No name is there
twice, which the API server would refuse: what the values say holds. As JSON a number of seconds is never 2.6e+06. */ -}}
{{- define "dure.env" -}}
{{- range include .own .root | fromYamlArray }}
{{- if not (hasKey $.more .name) }}
- {{ toYaml . | nindent 2 | trim }}
{{- end }}
{{- end }}
{{- range $name, $value := .more }}
- name: {{ $name }}
  value: {{ kindIs "string" $value | ternary $value (toJson $value) | quote }}
{{- end }}
{{- end }}
