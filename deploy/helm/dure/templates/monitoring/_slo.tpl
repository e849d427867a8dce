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
      {{ $.summary }}
    description: >-
      {{ $.description }}
{{- end }}
{{- end }}

{{- define "dure.rules.promises-slo" -}}
{{- with .Values.alerts.slo -}}
{{- $given := dict "slo" . "interval" $.Values.alerts.interval "all" "pool:dure_promises_due" "bad" "pool:dure_promises_broken" -}}
rules:
  - record: pool:dure_promises_due:rate5m
    expr: sum by (pool) (rate(dure_promises_due_total[5m]))
  - record: pool:dure_promises_broken:rate5m
    expr: sum by (pool) (rate(dure_promises_broken_total[5m]))
  {{- include "dure.rules.ratios" $given | nindent 2 }}
  {{- $_ := set $given "alert" "DurePromisesBurning" }}
  {{- $_ := set $given "objective" .promises.objective }}
  {{- $_ := set $given "least" .promises.leastBroken }}
  {{- $_ := set $given "summary" "{{ $value | humanizePercentage }} of the promises of pool {{ $labels.pool }} were broken in {{ $labels.long }}" }}
  {{- $_ := set $given "description" (printf "At this pace pool {{ $labels.pool }} will not keep %v %% of its promises this month, and it goes on: {{ $value | humanizePercentage }} were broken in the last {{ $labels.long }}. First see what capacity was lost (\"dure status\", DureNodeSilent, DureGpuUnhealthy) and the causes: sum by (cause) (increase(dure_promises_slipped_total{pool=\"{{ $labels.pool }}\"}[{{ $labels.long }}])) in Prometheus." .promises.objective) }}
  {{- include "dure.rules.burns" $given | nindent 2 }}
{{- end }}
{{- end }}

{{- define "dure.rules.api-slo" -}}
{{- with .Values.alerts.slo -}}
{{- $given := dict "slo" . "interval" $.Values.alerts.interval "all" "job:dure_api_requests" "bad" "job:dure_api_requests_failed" -}}
{{- $left := list }}
{{- range .api.leftOut }}
{{- $left = append $left (regexQuoteMeta .) }}
{{- end }}
{{- $routes := printf "route!~%s" (join "|" $left | toJson) }}
rules:
  - record: job:dure_api_requests:rate5m
    expr: sum by (job) (rate(dure_api_request_duration_seconds_count{ {{- $routes -}} }[5m]))
  - record: job:dure_api_requests_slow:rate5m
    expr: |-
      job:dure_api_requests:rate5m
        - sum by (job) (rate(dure_api_request_duration_seconds_bucket{le={{ .api.slowerThan | quote }},{{ $routes }}}[5m]))
  - record: job:dure_api_requests_failed:rate5m
    expr: |-
      job:dure_api_requests_slow:rate5m
        + (sum by (job) (rate(dure_api_requests_total{status=~"5..",{{ $routes }}}[5m])) or 0 * job:dure_api_requests:rate5m)
  {{- include "dure.rules.ratios" $given | nindent 2 }}
  {{- $_ := set $given "alert" "DureApiBurning" }}
  {{- $_ := set $given "objective" .api.objective }}
  {{- $_ := set $given "least" .api.leastFailed }}
  {{- $_ := set $given "summary" "{{ $value | humanizePercentage }} of the API's requests failed or were slow in {{ $labels.long }}" }}
  {{- $_ := set $given "description" (printf "At this pace the API will not answer %v %% of requests well this month, and it goes on: {{ $value | humanizePercentage }} of those of the last {{ $labels.long }} were answered with 5xx or took longer than %s s. First see which: sum by (route, status) (rate(dure_api_requests_total{status=~\"5..\"}[5m])) in Prometheus; 503 is the database or too much load, 500 is a fault with a line \"request_failed\" in the API's log." .api.objective .api.slowerThan) }}
  {{- include "dure.rules.burns" $given | nindent 2 }}
{{- end }}
{{- end }}
