{{- /* Values that contradict each other, or the rules of this chart: each is refused with what to say instead. The schema sees one at
a time. */ -}}
{{- define "dure.refused" -}}
{{- range $name := list "scheduler" "api" "agent" }}
{{- if hasKey (get $.Values $name).env "DURE_DATABASE_URL" }}
{{- fail (printf "%s.env: leave DURE_DATABASE_URL out; API and scheduler read the URL from the Secret of database.secret, and no other process has one" $name) }}
{{- end }}
{{- end }}
{{- if and .Values.agent.enabled (eq .Values.agent.namespace .Release.Namespace) }}
{{- fail (printf "agent.namespace: choose another than %s, the release's own; agents see the host's processes, and nothing else of Dure may be where that is allowed" .Release.Namespace) }}
{{- end }}
{{- with .Values.alerts.certificateEnding }}
{{- if gt (int64 .pageSeconds) (int64 .ticketSeconds) }}
{{- fail (printf "alerts.certificateEnding: pageSeconds %d is more than ticketSeconds %d; the ticket comes first" (int64 .pageSeconds) (int64 .ticketSeconds)) }}
{{- end }}
{{- end }}
{{- range .Values.alerts.slo.burnRates }}
{{- if le (include "dure.refused.seconds" .long | int64) (include "dure.refused.seconds" .short | int64) }}
{{- fail (printf "alerts.slo.burnRates: the long window %s is not longer than the short one %s" .long .short) }}
{{- end }}
{{- end }}
{{- end }}

{{- /* Seconds of a window such as 30m. */ -}}
{{- define "dure.refused.seconds" -}}
{{- $unit := . | substr (int (sub (len .) 1)) (len .) -}}
{{- mul (trimSuffix $unit . | int64) (get (dict "m" 60 "h" 3600 "d" 86400) $unit) -}}
{{- end }}
