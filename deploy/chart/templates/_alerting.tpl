{{- /* The generated routing in the words of an AlertmanagerConfig. Its dead man's switch is left
out, and so is mail: both are the whole Alertmanager's, not a namespace's. */ -}}

{{- define "inferometer.route" -}}
receiver: {{ .receiver }}
{{- with .group_by }}
groupBy: {{ toJson . }}
{{- end }}
{{- range $ours, $theirs := dict "groupWait" "group_wait" "groupInterval" "group_interval" "repeatInterval" "repeat_interval" }}
{{- with index $ $theirs }}
{{ $ours }}: {{ . }}
{{- end }}
{{- end }}
{{- if .continue }}
continue: true
{{- end }}
{{- with .matchers }}
matchers:
  {{- include "inferometer.matchers" . | trim | nindent 2 }}
{{- end }}
{{- with .routes }}
routes:
  {{- range . }}
  {{- if ne .receiver "dead-mans-switch" }}
  - {{ include "inferometer.route" . | nindent 4 | trim }}
  {{- end }}
  {{- end }}
{{- end }}
{{- end -}}

{{- define "inferometer.alertLog" -}}
{{ include "inferometer.scheme" . }}://{{ include "inferometer.fullname" . }}-fleet.{{ include "inferometer.namespace" . }}.svc:{{ .Values.web.port }}/v1/alerts
{{- end -}}

{{- /* From name="value" and name=~"value". */ -}}
{{- define "inferometer.matchers" -}}
{{- range . }}
- name: {{ regexFind "^[a-z_]+" . }}
  matchType: {{ regexFind "[=~!]+" . | quote }}
  value: {{ regexFind "\".*\"" . }}
{{- end }}
{{- end -}}

{{- /* (list scope receiver) */ -}}
{{- define "inferometer.receiver" -}}
{{- $values := (first .).Values.alertmanagerConfig -}}
{{- $scope := first . -}}
{{- with last . -}}
{{- $channel := ternary $values.financeChannel $values.slackChannel (eq .name "finance") -}}
name: {{ .name }}
{{- with .pagerduty_configs }}
pagerdutyConfigs:
  {{- range . }}
  - routingKey:
      name: {{ $values.secret }}
      key: {{ base .routing_key_file }}
    sendResolved: {{ .send_resolved }}
    severity: {{ .severity }}
    description: {{ toJson .description }}
    details:
      {{- range $key, $value := .details }}
      - key: {{ $key }}
        value: {{ toJson $value }}
      {{- end }}
    pagerDutyLinkConfigs:
      {{- range .links }}
      - href: {{ toJson .href }}
        alt: {{ toJson .text }}
      {{- end }}
  {{- end }}
{{- end }}
{{- with .slack_configs }}
slackConfigs:
  {{- range . }}
  - apiURL:
      name: {{ $values.secret }}
      key: {{ base .api_url_file }}
    channel: {{ $channel | quote }}
    sendResolved: {{ .send_resolved }}
    title: {{ toJson .title }}
    fallback: {{ toJson .fallback }}
    text: {{ toJson .text }}
  {{- end }}
{{- end }}
{{- if and .webhook_configs $scope.Values.fleet.enableAlertLog }}
webhookConfigs:
  {{- range .webhook_configs }}
  - url: {{ include "inferometer.alertLog" $scope }}
    sendResolved: {{ .send_resolved }}
    maxAlerts: {{ int .max_alerts }}
    {{- with $scope.Values.monitoring.endpoint }}
    httpConfig:
      {{- toYaml . | nindent 6 }}
    {{- end }}
  {{- end }}
{{- end }}
{{- end -}}
{{- end -}}
