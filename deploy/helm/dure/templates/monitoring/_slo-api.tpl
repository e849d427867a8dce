{{- /* How many requests are answered well and in time. What is slow and 5xx at once counts twice. */ -}}
{{- define "dure.rules.api-slo" -}}
{{- with .Values.alerts.slo -}}
{{- $given := dict "slo" . "interval" $.Values.alerts.interval "all" "job:dure_api_requests" "bad" "job:dure_api_requests_failed" }}
{{- $left := list }}
{{- range .api.leftOut }}
{{- $left = append $left (regexQuoteMeta .) }}
{{- end }}
{{- $routes := printf "route!~%s" (join "|" $left | toJson) }}
{{- $_ := set $given "alert" "DureApiBurning" }}
{{- $_ := set $given "objective" .api.objective }}
{{- $_ := set $given "least" .api.leastFailed }}
{{- $_ := set $given "summary" "{{ $value | humanizePercentage }} of the API's requests failed or were slow in $long" }}
{{- $_ := set $given "description" (printf "At this pace the API will not answer %v %% of requests well this month, and it goes on: {{ $value | humanizePercentage }} of those of the last $long were answered with 5xx or took longer than %s s. First see which: sum by (route, status) (rate(dure_api_requests_total{status=~\"5..\"}[5m])) in Prometheus; 503 is the database or too much load, 500 is a fault with a line \"request_failed\" in the API's log." .api.objective .api.slowerThan) }}
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
  {{- include "dure.rules.burns" $given | nindent 2 }}
{{- end }}
{{- end }}
