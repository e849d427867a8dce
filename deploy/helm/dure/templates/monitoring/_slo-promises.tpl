{{- /* How many promises are kept. */ -}}
{{- define "dure.rules.promises-slo" -}}
{{- with .Values.alerts.slo -}}
{{- $given := dict "slo" . "interval" $.Values.alerts.interval "all" "pool:dure_promises_due" "bad" "pool:dure_promises_broken" }}
{{- $_ := set $given "alert" "DurePromisesBurning" }}
{{- $_ := set $given "objective" .promises.objective }}
{{- $_ := set $given "least" .promises.leastBroken }}
{{- $_ := set $given "summary" "{{ $value | humanizePercentage }} of the promises of pool {{ $labels.pool }} were broken in $long" }}
{{- $_ := set $given "description" (printf "At this pace pool {{ $labels.pool }} will not keep %v %% of its promises this month, and it goes on: {{ $value | humanizePercentage }} were broken in the last $long. First see what capacity was lost (\"dure status\", DureNodeSilent, DureGpuUnhealthy) and the causes: max by (cause) (delta(dure_promises_slipped_total{pool=\"{{ $labels.pool }}\"}[$long])) > 0 in Prometheus." .promises.objective) }}
rules:
  - record: pool:dure_promises_due:rate5m
    expr: clamp_min(delta(pool:dure_promises_due:count[5m]), 0) / 300
  - record: pool:dure_promises_broken:rate5m
    expr: clamp_min(delta(pool:dure_promises_broken:count[5m]), 0) / 300
  {{- include "dure.rules.ratios" $given | nindent 2 }}
  {{- include "dure.rules.burns" $given | nindent 2 }}
{{- end }}
{{- end }}
