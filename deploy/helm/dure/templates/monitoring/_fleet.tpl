{{- /* Nodes and GPUs. */ -}}
{{- define "dure.rules.fleet" -}}
{{- with .Values.alerts -}}
rules:
  - alert: DureNodeSilent
    expr: max by (node) (dure_node_report_age_seconds) > {{ int64 .nodeSilent.aboveSeconds }}
    for: {{ .nodeSilent.for }}
    labels: {severity: ticket}
    annotations:
      summary: >-
        {{`Node {{ $labels.node }} has been silent for {{ $value | humanizeDuration }}`}}
      description: >-
        {{`The agent of {{ $labels.node }} has not reported for {{ $value | humanizeDuration }}. Leases that run there go on; none starts there, and
        a start that finds no spare node is late. First see whether the machine is up, then read the agent's log on it;
        "dure node show {{ $labels.node }}" says what was last heard.`}}
  - alert: DureManyNodesSilent
    expr: |-
      sum(max by (pool, state) (dure_nodes{state="unknown"}))
        / sum(max by (pool, state) (dure_nodes)) > {{ .nodesSilent.aboveRatio }}
    for: {{ .nodesSilent.for }}
    labels: {severity: page}
    annotations:
      summary: >-
        {{`{{ $value | humanizePercentage }} of all nodes are silent`}}
      description: >-
        {{`{{ $value | humanizePercentage }} of all nodes have not reported for three intervals: nothing starts on them, and promises will slip. So many at once
        have one cause. First see whether agents reach the API (the network, its address, its certificate), then what "dure node list"
        says they have in common, such as a rack or a new image.`}}
  - alert: DureGpuUnhealthy
    expr: count by (node, pool) (max by (node, pool, gpu) (dure_gpu_health{state="unhealthy"}) == 1)
    for: {{ .gpuUnhealthy.for }}
    labels: {severity: ticket}
    annotations:
      summary: >-
        {{`{{ $value }} unhealthy GPU(s) on {{ $labels.node }}, pool {{ $labels.pool }}`}}
      description: >-
        {{`{{ $value }} GPU(s) of {{ $labels.node }} must not be used: a lease that has one is degraded and gets its time back, and nothing new is
        granted on them. First read why and what is to be done: "dure node show {{ $labels.node }}"; most need a reset or a
        reboot, which "dure node drain {{ $labels.node }} --for 4h" makes room for.`}}
  - alert: DureGpuNotEmpty
    expr: max by (pool) (dure_gpus_unproved) > 0
    for: {{ .gpuNotEmpty.for }}
    labels: {severity: ticket}
    annotations:
      summary: >-
        {{`{{ $value }} GPU(s) of pool {{ $labels.pool }} are not empty after their lease`}}
      description: >-
        {{`The gap after a lease is over, and {{ $value }} GPU(s) of {{ $labels.pool }} are in quarantine as no agent showed them empty: a process or memory
        stayed, or the agent cannot see. The next lease gets other GPUs while there are any. First find them: the
        scheduler's log has "gpu_quarantine" with each GPU, dure_gpu_info in Prometheus its node, and "dure node show NODE" what is left on it.`}}
  - alert: DureViolation
    expr: sum by (pool, kind) (max by (pool, kind) (dure_violations)) > 0
    for: {{ .violation.for }}
    labels: {severity: ticket}
    annotations:
      summary: >-
        {{`{{ $value }} {{ $labels.kind }}(s) on GPUs of pool {{ $labels.pool }} without a lease`}}
      description: >-
        {{`{{ $value }} {{ $labels.kind }}(s) use GPUs of {{ $labels.pool }} that no lease explains. A free GPU with somebody on it is promised to nobody; on a
        leased one its tenant shares what is his. First see who it is and since when: "dure violations".`}}
{{- end }}
{{- end }}
