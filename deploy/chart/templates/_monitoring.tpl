{{- /* How the operator's Prometheus reads a page. */ -}}
{{- define "inferometer.endpoint" -}}
port: inferometer
scheme: {{ include "inferometer.scheme" . }}
interval: {{ .Values.monitoring.interval }}
{{- with .Values.monitoring.scrapeTimeout }}
scrapeTimeout: {{ . }}
{{- end }}
honorLabels: false
{{- with .Values.monitoring.endpoint }}
{{ toYaml . }}
{{- end }}
# What rules and boards ask for and the operator does not set.
relabelings:
  # The default is written out: Argo CD compares lists as a whole, with what the server adds.
  - action: replace
    targetLabel: cluster
    replacement: {{ .Values.cluster | quote }}
  - action: replace
    sourceLabels: [__meta_kubernetes_pod_node_name]
    targetLabel: node
{{- with .Values.monitoring.relabelings }}
  {{- include "inferometer.ownRelabelings" . | trim | nindent 2 }}
{{- end }}
{{- with .Values.monitoring.metricRelabelings }}
metricRelabelings:
  {{- include "inferometer.ownRelabelings" . | trim | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "inferometer.ownRelabelings" -}}
{{- range . }}
- {{ merge (dict "action" (.action | default "replace")) . | toYaml | nindent 2 | trim }}
{{- end }}
{{- end -}}

{{- /* As the generated configuration has them, which derives them from the vocabulary's caps. */ -}}
{{- define "inferometer.scrapeLimits" -}}
{{- $job := include "inferometer.file" (list . "prometheus/prometheus.yml") | fromYaml | dig "scrape_configs" list | first -}}
sampleLimit: {{ int $job.sample_limit }}
labelLimit: {{ int $job.label_limit }}
labelNameLengthLimit: {{ int $job.label_name_length_limit }}
labelValueLengthLimit: {{ int $job.label_value_length_limit }}
{{- end -}}

{{- /* A generated rule file as it is, but for where its links lead; (list scope file). */ -}}
{{- define "inferometer.rules" -}}
{{- $values := (first .).Values.rules -}}
{{- $text := include "inferometer.file" (list (first .) (printf "prometheus/%s.rules.yml" (last .)))
    | replace "https://example.org/inferometer/alerts" $values.runbookUrl
    | replace "http://127.0.0.1:3000" $values.grafanaUrl -}}
{{- if and (eq (last .) "alerts") (or $values.additionalRuleLabels $values.additionalRuleAnnotations) -}}
{{- $file := $text | fromYaml -}}
{{- range $file.groups }}{{ range .rules -}}
{{- $labels := include "inferometer.merged" (list .labels $values.additionalRuleLabels) -}}
{{- $annotations := include "inferometer.merged" (list .annotations $values.additionalRuleAnnotations) -}}
{{- $_ := set . "labels" ($labels | fromYaml) -}}
{{- $_ := set . "annotations" ($annotations | fromYaml) -}}
{{- end }}{{ end -}}
{{- $text = toYaml $file -}}
{{- end -}}
{{- $text -}}
{{- end -}}

{{- /* Whether only some may reach the node and fleet pods. */ -}}
{{- define "inferometer.restrictsNetwork" -}}
{{- with .Values.networkPolicy.enabled | toString -}}
{{- if or (eq . "true") (and (eq . "auto") (or $.Values.monitoring.namespace $.Values.networkPolicy.from)) -}}
yes
{{- end -}}
{{- end -}}
{{- end -}}

{{- /* Of a NetworkPolicy: who may read the page. */ -}}
{{- define "inferometer.scrapers" -}}
- from:
    {{- with .Values.networkPolicy.from }}
    {{- toYaml . | nindent 4 }}
    {{- else }}
    - namespaceSelector:
        matchLabels:
          kubernetes.io/metadata.name: {{ .Values.monitoring.namespace | default "monitoring" }}
    {{- end }}
  ports:
    - port: inferometer
{{- end -}}
