{{- /* What several panels would compute anew at every look, over all GPUs. State series have the label of whoever led; max forgets it. */ -}}
{{- define "dure.rules.recorded" -}}
rules:
  - record: pool:dure_gpus:sum
    expr: sum by (pool) (max by (pool, state) (dure_gpus))
  - record: pool:dure_gpus_leased:ratio
    expr: max by (pool) (dure_gpus{state="leased"}) / (pool:dure_gpus:sum > 0)
  - record: pool:dure_gpu_utilization_ratio:avg
    expr: avg by (pool) (dure_gpu_utilization_ratio)
  - record: pool:dure_gpu_power_watts:sum
    expr: sum by (pool) (dure_gpu_power_watts)
{{- end }}
