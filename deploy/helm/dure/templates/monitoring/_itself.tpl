{{- /* Dure's own processes and what they stand on. absent() also answers where nothing is scraped at all. */ -}}
{{- define "dure.rules.itself" -}}
{{- with .Values.alerts -}}
rules:
  - alert: DureLoopStalled
    expr: |-
      absent(
        timestamp(dure_loop_last_turn_timestamp_seconds) - dure_loop_last_turn_timestamp_seconds < {{ int64 .loopStalled.aboveSeconds }}
        and on (job, instance) dure_leader == 1
      )
      unless on () max(dure_database_up) == 0
    for: {{ .loopStalled.for }}
    labels: {severity: page}
    annotations:
      summary: No scheduler does its turns, so no lease starts or ends
      description: >-
        No scheduler leads and has turned in the last {{ int64 .loopStalled.aboveSeconds }} s: leases start and end late until one does. First see whether
        Prometheus reaches them: up{job="dure-scheduler"} is 1 where it does. If it does, one of them leads and hangs (dure_leader
        is 1) or none leads: read their logs, and restart the one that hangs; another takes over at once.
  - alert: DureDatabaseAway
    expr: max(dure_database_up) == 0
    for: {{ .databaseAway.for }}
    labels: {severity: page}
    annotations:
      summary: No scheduler reaches PostgreSQL, so Dure stands still
      description: >-
        The database does not answer, or has not the schema of this version. Running leases go on, nothing starts or ends on time,
        and the API answers writes with 503; agents keep what they have to say. First see whether PostgreSQL runs, has room on its
        disk and takes connections. Dure goes on by itself when it is back.
  - alert: DureApiAway
    expr: absent(up{job="dure-api"} == 1)
    for: {{ .apiAway.for }}
    labels: {severity: page}
    annotations:
      summary: Prometheus reaches no replica of the API
      description: >-
        No replica of the API is scraped: either none runs, and companies cannot ask and agents cannot report, or Prometheus does not find
        them. First ask one yourself, "dure status"; if it answers, the ServiceMonitor or the network is at fault, else read the
        pods' state and log.
  - alert: DureClockStepped
    expr: max(abs(dure_clock_step_seconds)) > {{ int64 .clockStepped.aboveSeconds }}
    for: {{ .clockStepped.for }}
    labels: {severity: page}
    annotations:
      summary: >-
        {{`PostgreSQL's clock is {{ $value | printf "%.0f" }} s from the scheduler's`}}
      description: >-
        {{`The two differ by {{ $value | printf "%.0f" }} s, so one of them jumped. No lease is ended until they agree, and nobody's time is cut short. First see on
        the database's host and the scheduler's which clock is right (chronyc tracking); when PostgreSQL's is, restart the
        schedulers and the API's replicas.`}}
  - alert: DureWebhooksUnsent
    expr: max(dure_webhook_unsent_age_seconds) > {{ int64 .webhooksUnsent.aboveSeconds }}
    for: {{ .webhooksUnsent.for }}
    labels: {severity: ticket}
    annotations:
      summary: >-
        {{`Events wait for {{ $value | humanizeDuration }} to be sent to webhooks`}}
      description: >-
        {{`The oldest event that a working webhook was not sent is {{ $value | humanizeDuration }} old. Nothing is lost: it is sent when it can be. First see which
        webhooks are slow: "dure webhook list", then "dure webhook deliveries WEBHOOK"; if all are, look at the scheduler's way out.`}}
  {{- range $severity, $seconds := dict "ticket" .certificateEnding.ticketSeconds "page" .certificateEnding.pageSeconds }}
  - alert: DureCertificateEnding
    expr: min by (certificate) (dure_certificate_expiry_timestamp_seconds) - time() < {{ int64 $seconds }}
    for: {{ $.Values.alerts.certificateEnding.for }}
    labels: {severity: {{ $severity }}}
    annotations:
      summary: >-
        {{`The certificate {{ $labels.certificate }} ends in {{ $value | humanizeDuration }}`}}
      description: >-
        {{`In {{ $value | humanizeDuration }} nobody trusts {{ $labels.certificate }} any more: of "api" that is everybody who asks and every agent, of "cluster/NAME"
        the scheduler in that cluster. First see why it was not renewed (its Certificate, if cert-manager makes it), then put a
        new one into its Secret; Dure reads it again by itself.`}}
  {{- end }}
  - alert: DureBackupOld
    expr: |-
      time() - max(dure_backup_last_timestamp_seconds) > {{ int64 .backupOld.aboveSeconds }}
      or
      0 * max(dure_backup_failed_timestamp_seconds) unless on () max(dure_backup_last_timestamp_seconds)
    for: {{ .backupOld.for }}
    labels: {severity: ticket}
    annotations:
      summary: >-
        {{`PostgreSQL {{ if $value }}last archived {{ $value | humanizeDuration }} ago{{ else }}is to archive and never did{{ end }}`}}
      description: >-
        {{`What was decided {{ if $value }}in the last {{ $value | humanizeDuration }}{{ else }}since archiving was turned on{{ end }} is lost if the database's disk is. First see what archiving says: "SELECT * FROM pg_stat_archiver"
        names the segment that fails, and PostgreSQL's log why.`}}
{{- end }}
{{- end }}
