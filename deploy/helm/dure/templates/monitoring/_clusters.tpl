{{- /* Kubernetes clusters in which leases are enforced. */ -}}
{{- define "dure.rules.clusters" -}}
{{- with .Values.alerts -}}
rules:
  - alert: DureClusterUnenforced
    expr: max by (cluster) (dure_cluster_up) == 0
    for: {{ .clusterUnenforced.for }}
    labels: {severity: page}
    annotations:
      summary: >-
        {{`Leases are not enforced in cluster {{ $labels.cluster }}`}}
      description: >-
        {{`The scheduler does not reach {{ $labels.cluster }}, or does not act as the cluster is not fit: no pod is let in, and none is ended but by its own
        deadline. First read what is wrong: "dure clusters" says it, "dure doctor" looks at policies and rights.`}}
  - alert: DureClusterBehind
    expr: |-
      max by (cluster) (dure_kube_undone_age_seconds) > {{ int64 .clusterBehind.aboveSeconds }}
      and on (cluster) max by (cluster) (dure_cluster_up) == 1
    for: {{ .clusterBehind.for }}
    labels: {severity: page}
    annotations:
      summary: >-
        {{`Something is due in cluster {{ $labels.cluster }} for {{ $value | humanizeDuration }}`}}
      description: >-
        {{`The cluster answers, but something that should be done there (a pod let in or ended, a key taken back) could not be for {{ $value | humanizeDuration }}. First
        see what is refused: sum by (action, outcome) (rate(dure_kube_actions_total{cluster="{{ $labels.cluster }}"}[5m])) in Prometheus,
        and the scheduler's log; "dure doctor" says which right is missing.`}}
  - alert: DureClusterDrifted
    expr: max by (cluster) (dure_cluster_alarms) > 0
    for: {{ .clusterDrifted.for }}
    labels: {severity: ticket}
    annotations:
      summary: >-
        {{`{{ $value }} thing(s) in cluster {{ $labels.cluster }} are not as they were set up`}}
      description: >-
        {{`Leases are enforced, but {{ $value }} thing(s) need somebody: a policy changed by hand, a node without its label or taint, a namespace that is somebody
        else's. First read which: "dure clusters".`}}
  - alert: DurePoolUnserved
    expr: max by (pool, cluster) (dure_pools_unserved) > 0
    for: {{ .poolUnserved.for }}
    labels: {severity: page}
    annotations:
      summary: >-
        {{`Nobody enforces the leases of pool {{ $labels.pool }}`}}
      description: >-
        {{`Pool {{ $labels.pool }} is in cluster {{ $labels.cluster }}, and no scheduler is told of such a cluster, so its pods wait at the gate for good. First see whether
        the name is right ("dure pool show {{ $labels.pool }}", "dure clusters"), then correct it ("dure pool enforce") or tell the scheduler of the cluster.`}}
{{- end }}
{{- end }}
