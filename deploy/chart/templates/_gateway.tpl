{{- /* Where telemetry comes in: a name and a port for each. */ -}}
{{- define "inferometer.gatewayPorts" -}}
- name: otlp-http
  port: {{ int .Values.gateway.port }}
{{- with int .Values.gateway.grpcPort }}
- name: otlp-grpc
  port: {{ . }}
{{- end }}
{{- with int .Values.gateway.feedbackPort }}
- name: feedback
  port: {{ . }}
{{- end }}
{{- end -}}

{{- /* What a gateway's inferometer.yml has from other values than its config. */ -}}
{{- define "inferometer.gatewayConfig" -}}
{{- $values := .Values.gateway -}}
intake:
  listen: ":{{ int $values.port }}"
  {{- with int $values.grpcPort }}
  grpc_listen: ":{{ . }}"
  {{- end }}
  {{- if $values.configSecret }}
  config_file: /etc/inferometer-intake/web.yml
  {{- end }}
  {{- if $values.tokenSecret }}
  bearer_token_files:
    {{- range $values.tokenKeys }}
    - /etc/inferometer-tokens/{{ . }}
    {{- end }}
  {{- end }}
{{- with int $values.feedbackPort }}
feedback:
  listen: ":{{ . }}"
{{- end }}
ledger:
  path: /var/lib/inferometer/ledger.db
  {{- if $values.dsnSecret }}
  dsn_file: /etc/inferometer-database/dsn
  {{- end }}
  {{- if $values.keySecret }}
  key_file: /etc/inferometer-key/key
  {{- end }}
  {{- if $values.clickhouseSecret }}
  clickhouse:
    password_file: /etc/inferometer-clickhouse/password
  {{- end }}
{{- /* What each call is held against: the fleet's exporter publishes the same figures. */ -}}
{{- $fleet := .Values.fleet.config.fleet -}}
{{- with include "inferometer.callLimits" $fleet.limits }}
limits:
  {{- . | nindent 2 }}
{{- end }}
{{- $models := dict }}
{{- range $name, $model := $fleet.models }}
{{- with include "inferometer.callLimits" ($model | default dict).limits }}
{{- $_ := set $models $name (dict "limits" (fromYaml .)) }}
{{- end }}
{{- end }}
{{- with $models }}
models:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* Those of the fleet's limits that single calls are held against, those of one model too. */ -}}
{{- define "inferometer.callLimits" -}}
{{- with pick (. | default dict) "request_duration_p95_seconds" "time_to_first_token_p95_seconds"
    "time_per_output_token_p95_seconds" "call_cost_usd" }}
{{- toYaml . }}
{{- end }}
{{- end -}}

{{- /* Secrets that a gateway mounts, by the names of the volumes; each whole, as the kubelet then
exchanges its files. */ -}}
{{- define "inferometer.gatewaySecrets" -}}
{{- range $volume, $secret := dict "intake" .Values.gateway.configSecret "tokens" .Values.gateway.tokenSecret
    "key" .Values.gateway.keySecret "database" .Values.gateway.dsnSecret
    "clickhouse" .Values.gateway.clickhouseSecret
    "feedback" .Values.gateway.feedbackSecret
    "destinations" .Values.gateway.destinationsSecret }}
{{- if $secret }}
- volume: inferometer-{{ $volume }}
  secret: {{ $secret }}
{{- end }}
{{- end }}
{{- end -}}

{{- /* A pod's name and a hash must fit into a label. */ -}}
{{- define "inferometer.gatewayName" -}}
{{ include "inferometer.fullname" . | trunc 44 | trimSuffix "-" }}-gateway
{{- end -}}
