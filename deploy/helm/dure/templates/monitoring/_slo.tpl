{{- /* Two objectives by the method of the Google SRE workbook: a budget of errors, and how fast it burns over a long and a short window. */ -}}

{{- /* Seconds of a time such as 30s. */ -}}
{{- define "dure.rules.seconds" -}}
{{- $unit := . | substr (int (sub (len .) 1)) (len .) -}}
{{- mul (trimSuffix $unit . | int64) (get (dict "s" 1 "m" 60) $unit) -}}
{{- end }}

{{- /* Bad events in parts of all, for each window. Given: slo, bad and all, the names of rates over 5 minutes. */ -}}
{{- define "dure.rules.ratios" -}}
{{- $windows := list }}
{{- range .slo.burnRates }}
{{- $windows = append (append $windows .long) .short }}
{{- end }}
{{- range $windows | uniq }}
- record: {{ $.bad }}:ratio_rate{{ . }}
  {{- if eq . "5m" }}
  expr: {{ $.bad }}:rate5m / ({{ $.all }}:rate5m > 0)
  {{- else }}
  expr: avg_over_time({{ $.bad }}:rate5m[{{ . }}]) / (avg_over_time({{ $.all }}:rate5m[{{ . }}]) > 0)
  {{- end }}
{{- end }}
{{- end }}

{{- /* An alert for each pair of windows. Given besides: interval, alert, objective, least, summary and description. Events are counted
as the rates that were recorded times how often they are. */ -}}
{{- define "dure.rules.burns" -}}
{{- $interval := include "dure.rules.seconds" .interval }}
{{- range .slo.burnRates }}
{{- $above := printf "%g" (mulf .rate (divf (subf 100 $.objective) 100)) }}
- alert: {{ $.alert }}
  expr: |-
    {{ $.bad }}:ratio_rate{{ .long }} > {{ $above }}
    and {{ $.bad }}:ratio_rate{{ .short }} > {{ $above }}
    and sum_over_time({{ $.bad }}:rate5m[{{ .long }}]) * {{ $interval }} > {{ sub $.least 1 }}.5
  labels: {severity: {{ .severity }}, long: {{ .long }}, short: {{ .short }}}
  annotations:
    summary: >-
      {{ $.summary | replace "$long" .long }}
    description: >-
      {{ $.description | replace "$long" .long }}
{{- end }}
{{- end }}
