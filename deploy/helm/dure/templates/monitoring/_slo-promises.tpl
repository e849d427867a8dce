{{- /* Promises that were broken, and how many are kept. The leader tells all that ever came due: who tells it is forgotten, and while nobody does it stands, so that
what was broken meanwhile is a rise as well. A database that was restored tells less, which is no rise: hence delta. */ -}}
{{- define "dure.rules.promises-slo" -}}
{{- with .Values.alerts.slo -}}
{{- $given := dict "slo" . "interval" $.Values.alerts.interval "all" "pool:dure_promises_due" "bad" "pool:dure_promises_broken" }}
{{- $_ := set $given "alert" "DurePromisesBurning" }}
{{- $_ := set $given "objective" .promises.objective }}
{{- $_ := set $given "least" .promises.leastBroken }}
{{- $_ := set $given "summary" "{{ $value | humanizePercentage }} of the promises of pool {{ $labels.pool }} were broken in $long" }}
{{- $_ := set $given "description" (printf "At this pace pool {{ $labels.pool }} will not keep %v %% of its promises this month, and it goes on: {{ $value | humanizePercentage }} were broken in the last $long. First see what capacity was lost (\"dure status\", DureNodeSilent, DureGpuUnhealthy) and the causes: max by (cause) (delta(dure_promises_slipped_total{pool=\"{{ $labels.pool }}\"}[$long])) > 0 in Prometheus." .promises.objective) }}
rules:
  - record: pool:dure_promises_due:count
    expr: max by (pool) (dure_promises_due_total) or last_over_time(pool:dure_promises_due:count[1h])
  - record: pool:dure_promises_broken:count
    expr: max by (pool) (dure_promises_broken_total) or last_over_time(pool:dure_promises_broken:count[1h])
  - alert: DurePromiseSlipped
    expr: delta(pool:dure_promises_broken:count[{{ $.Values.alerts.promiseSlipped.within }}]) > 0
    labels: {severity: ticket}
    annotations:
      summary: >-
        {{`{{ $value | printf "%.0f" }} promise(s) broken in pool {{ $labels.pool }}`}}
      description: >-
        {{`In the last `}}{{ $.Values.alerts.promiseSlipped.within }}{{` {{ $value | printf "%.0f" }} lease(s) of {{ $labels.pool }} did not start when they were promised to. First read the cause:
        "dure lease list" shows what started late, "dure lease explain LEASE" why. Capacity that was lost (a silent node, a sick GPU) has
        its own alert; if there is none, look at the scheduler.`}}
  - record: pool:dure_promises_due:rate5m
    expr: clamp_min(delta(pool:dure_promises_due:count[5m]), 0) / 300
  - record: pool:dure_promises_broken:rate5m
    expr: clamp_min(delta(pool:dure_promises_broken:count[5m]), 0) / 300
  {{- include "dure.rules.ratios" $given | nindent 2 }}
  {{- include "dure.rules.burns" $given | nindent 2 }}
{{- end }}
{{- end }}
