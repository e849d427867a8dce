{{- /* Leases past their end, and the ledger. */ -}}
{{- define "dure.rules.promises" -}}
{{- with .Values.alerts -}}
rules:
  - alert: DureLeaseOverdue
    expr: max by (pool) (dure_leases_overdue) > 0
    for: {{ .leaseOverdue.for }}
    labels: {severity: page}
    annotations:
      summary: >-
        {{`{{ $value }} lease(s) of pool {{ $labels.pool }} run past their end`}}
      description: >-
        {{`{{ $value }} lease(s) of {{ $labels.pool }} should have ended and did not, so whoever is next cannot start. First see whether the scheduler says
        "pool_put_off" (somebody holds the pool's lock in the database) or "clock_stepped" in its log; "dure lease list" names the
        leases.`}}
  - alert: DureLedgerUnbalanced
    expr: max(dure_ledger_faults) > 0
    for: {{ .ledgerUnbalanced.for }}
    labels: {severity: page}
    annotations:
      summary: >-
        {{`The ledger does not add up in {{ $value }} place(s)`}}
      description: >-
        {{`{{ $value }} account(s), entries or leases of the ledger do not add up: rows were changed past Dure, or the database is damaged. First run
        "dure ledger verify", which names each, and let nobody write to the database by hand; then compare with the newest backup.`}}
  - alert: DureLedgerUnverified
    expr: |-
      time() - max(dure_ledger_verified_timestamp_seconds) > {{ int64 .ledgerUnverified.aboveSeconds }}
      or
      0 * max(max_over_time(dure_leader[10m]) == 1)
      and on () max(max_over_time(dure_leader[10m] offset {{ int64 .ledgerUnverified.aboveSeconds }}s)) == 1
      unless on () max(max_over_time(dure_ledger_verified_timestamp_seconds[{{ int64 .ledgerUnverified.aboveSeconds }}s]))
    for: {{ .ledgerUnverified.for }}
    labels: {severity: ticket}
    annotations:
      summary: >-
        {{`The ledger was {{ if $value }}last added up {{ $value | humanizeDuration }} ago{{ else }}never added up{{ end }}`}}
      description: >-
        {{`The leading scheduler adds the ledger up regularly, and has not managed to {{ if $value }}for {{ $value | humanizeDuration }}{{ else }}even once{{ end }}: until then nobody knows whether it
        balances. First look for "ledger_unverified" in the scheduler's log, which says why, then run "dure ledger verify" yourself.`}}
{{- end }}
{{- end }}
