{{- /* What is the same in every container; (list scope role). */ -}}
{{- define "inferometer.container" -}}
{{- $scope := first . -}}
name: inferometer
image: {{ include "inferometer.image" . }}
imagePullPolicy: {{ $scope.Values.image.pullPolicy }}
ports:
  - name: inferometer
    containerPort: {{ $scope.Values.web.port }}
{{- if eq (last .) "gateway" }}
{{- range include "inferometer.gatewayPorts" $scope | fromYamlArray }}
  - name: {{ .name }}
    containerPort: {{ .port }}
{{- end }}
{{- end }}
{{- with index $scope.Values (last .) "resources" }}
resources:
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}

{{- /* (list scope values-of-the-role) */ -}}
{{- define "inferometer.probes" -}}
{{- $scope := first . -}}
{{- $values := last . -}}
{{- $probes := dict "livenessProbe" "/-/healthy" "readinessProbe" "/-/ready" -}}
{{- if $values.startupProbe }}{{ $_ := set $probes "startupProbe" "/-/healthy" }}{{ end -}}
{{- range $probe, $path := $probes }}
{{ $probe }}:
  {{- if $scope.Values.web.configSecret }}
  # Every path may ask for a password now, and the kubelet has none.
  tcpSocket:
    port: inferometer
  {{- else }}
  httpGet:
    path: {{ $path }}
    port: inferometer
  {{- end }}
  {{- with include "inferometer.merged" (list (index $values $probe) (index $scope.Values $probe)) }}
  {{- . | nindent 2 }}
  {{- end }}
{{- end }}
{{- end -}}

{{- /* Our variables, as text, and those given, which count where a name is in both: server-side
apply takes no list with a name twice; (list ours given). */ -}}
{{- define "inferometer.environment" -}}
{{- $names := list -}}
{{- range last . }}{{ $names = append $names .name }}{{ end -}}
{{- range first . | fromYamlArray }}
{{- if not (has .name $names) }}
- {{ toYaml . | nindent 2 | trim }}
{{- end }}
{{- end }}
{{- with last . }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "inferometer.fileArguments" -}}
[run, --config, /etc/inferometer/inferometer.yml]
{{- end -}}

{{- /* Nothing but what a user who is nobody may do. */ -}}
{{- define "inferometer.restricted" -}}
runAsNonRoot: true
{{- with .Values.runAsUser }}
runAsUser: {{ int64 . }}
runAsGroup: {{ int64 . }}
{{- end }}
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
{{- $values := index $scope.Values (last .) -}}
{{- $ours := include "inferometer.labels" . | fromYaml -}}
labels:
  {{- include "inferometer.merged" (list $ours $values.podLabels $scope.Values.podLabels
      $scope.Values.commonLabels) | nindent 2 }}
annotations:
  # The file is read at the start: a change of it makes new pods.
  {{- $read := dict "inferometer/config" (include "inferometer.config" . | sha256sum) }}
  {{- include "inferometer.merged" (list $read $values.podAnnotations $scope.Values.podAnnotations
      (include "inferometer.scrapeAnnotations" $scope | fromYaml)) | nindent 2 }}
{{- end -}}

{{- define "inferometer.scrapeAnnotations" -}}
{{- if eq .Values.monitoring.kind "annotations" -}}
prometheus.io/scrape: "true"
prometheus.io/path: /metrics
prometheus.io/port: {{ .Values.web.port | quote }}
prometheus.io/scheme: {{ include "inferometer.scheme" . }}
{{- end -}}
{{- end -}}

{{- /* Ours and those of all charts, which may be names alone. */ -}}
{{- define "inferometer.pullSecrets" -}}
{{- $secrets := .Values.imagePullSecrets | default list -}}
{{- range (.Values.global | default dict).imagePullSecrets -}}
{{- $secrets = append $secrets (kindIs "string" . | ternary (dict "name" .) .) -}}
{{- end -}}
{{- uniq $secrets | toYaml -}}
{{- end -}}

{{- /* Where a pod runs and whence its image comes; (list scope values-of-the-role). */ -}}
{{- define "inferometer.scheduling" -}}
{{- $chosen := pick (last .) "nodeSelector" "affinity" "tolerations" "priorityClassName"
    "runtimeClassName" -}}
{{- $_ := set $chosen "imagePullSecrets" (include "inferometer.pullSecrets" (first .) | fromYamlArray) -}}
serviceAccountName: {{ include "inferometer.serviceAccountName" (first .) }}
automountServiceAccountToken: false
{{- range $key, $value := $chosen }}
{{- if $value }}
{{ dict $key $value | toYaml }}
{{- end }}
{{- end }}
{{- end -}}
