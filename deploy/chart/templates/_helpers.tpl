{{- define "inferometer.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- /* Labels that select; (list scope component). */ -}}
{{- define "inferometer.selector" -}}
{{- $scope := first . -}}
app.kubernetes.io/name: {{ $scope.Chart.Name }}
app.kubernetes.io/instance: {{ $scope.Release.Name }}
app.kubernetes.io/component: {{ last . }}
{{- end -}}

{{- /* Labels of a part; (list scope component). */ -}}
{{- define "inferometer.labels" -}}
{{ include "inferometer.selector" . }}
app.kubernetes.io/version: {{ (first .).Chart.AppVersion | quote }}
{{- end -}}

{{- define "inferometer.image" -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}

{{- /* The inferometer.yml of a role; (list scope role). */ -}}
{{- define "inferometer.config" -}}
{{- $scope := first . -}}
{{- $role := last . -}}
{{- $values := index $scope.Values $role -}}
{{- $web := dict "listen" (printf ":%d" (int $scope.Values.web.port)) "enable_reload" $scope.Values.web.enableReload -}}
{{- with $scope.Values.web.configSecret -}}
{{- $_ := set $web "config_file" "/etc/inferometer-web/web.yml" -}}
{{- end -}}
{{- $config := dict "role" $role "web" $web -}}
{{- if eq $role "fleet" -}}
{{- $_ := set $web "enable_alert_log" $values.enableAlertLog -}}
{{- end -}}
{{- $config = merge $config (deepCopy $values.config) -}}
{{- if eq $role "node" -}}
{{- $_ := set $config.gpu "kubelet_socket" $values.kubeletSocket -}}
{{- end -}}
{{ toYaml $config }}
{{- end -}}

{{- /* What is the same in every container; (list scope role). */ -}}
{{- define "inferometer.container" -}}
{{- $scope := first . -}}
name: inferometer
image: {{ include "inferometer.image" $scope }}
imagePullPolicy: {{ $scope.Values.image.pullPolicy }}
ports:
  - name: inferometer
    containerPort: {{ $scope.Values.web.port }}
{{- /* With a web configuration every path may ask for a password, which the kubelet has not. */}}
livenessProbe:
  {{- include "inferometer.probe" (list $scope "/-/healthy") | nindent 2 }}
readinessProbe:
  {{- include "inferometer.probe" (list $scope "/-/ready") | nindent 2 }}
resources:
  {{- index $scope.Values (last .) "resources" | toYaml | nindent 2 }}
{{- end -}}

{{- define "inferometer.probe" -}}
{{- if (first .).Values.web.configSecret -}}
tcpSocket:
  port: inferometer
{{- else -}}
httpGet:
  path: {{ last . }}
  port: inferometer
{{- end }}
timeoutSeconds: 5
{{- end -}}

{{- /* Nothing but what the image's own user may do. */ -}}
{{- define "inferometer.restricted" -}}
runAsNonRoot: true
{{ include "inferometer.confined" . }}
{{- end -}}

{{- /* No privilege, whoever the user is. */ -}}
{{- define "inferometer.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "inferometer.mounts" -}}
- name: inferometer
  mountPath: /etc/inferometer
  readOnly: true
{{- if .Values.web.configSecret }}
- name: inferometer-web
  mountPath: /etc/inferometer-web
  readOnly: true
{{- end }}
{{- end -}}

{{- /* (list scope role) */ -}}
{{- define "inferometer.volumes" -}}
{{- $scope := first . -}}
- name: inferometer
  configMap:
    name: {{ include "inferometer.fullname" $scope }}-{{ last . }}
    items:
      - key: inferometer.yml
        path: inferometer.yml
{{- with $scope.Values.web.configSecret }}
- name: inferometer-web
  secret:
    secretName: {{ . }}
{{- end }}
{{- end -}}

{{- /* Labels and annotations of a pod of ours; (list scope role). */ -}}
{{- define "inferometer.podMetadata" -}}
{{- $scope := first . -}}
labels:
  {{- include "inferometer.labels" . | nindent 2 }}
  {{- with $scope.Values.podLabels }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
annotations:
  # The file is read at the start: a change of it makes new pods.
  inferometer/config: {{ include "inferometer.config" . | sha256sum }}
  {{- include "inferometer.scrapeAnnotations" $scope | nindent 2 }}
  {{- with $scope.Values.podAnnotations }}
  {{- toYaml . | nindent 2 }}
  {{- end }}
{{- end -}}

{{- define "inferometer.scrapeAnnotations" -}}
{{- if eq .Values.monitoring.kind "annotations" -}}
prometheus.io/scrape: "true"
prometheus.io/port: {{ .Values.web.port | quote }}
prometheus.io/scheme: {{ include "inferometer.scheme" . }}
{{- end -}}
{{- end -}}

{{- define "inferometer.scheme" -}}
{{ ternary "https" "http" .Values.web.tls }}
{{- end -}}

{{- /* Where a pod runs and whence its image comes; (list scope values-of-the-role). */ -}}
{{- define "inferometer.scheduling" -}}
{{- $chosen := pick (last .) "nodeSelector" "tolerations" "priorityClassName" -}}
{{- with (first .).Values.imagePullSecrets -}}
{{- $_ := set $chosen "imagePullSecrets" . -}}
{{- end -}}
{{- range $key, $value := $chosen }}
{{- if $value }}
{{ dict $key $value | toYaml }}
{{- end }}
{{- end }}
{{- end -}}
