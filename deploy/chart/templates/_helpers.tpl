{{- define "inferometer.name" -}}
{{- .Values.nameOverride | default .Chart.Name | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "inferometer.fullname" -}}
{{- $name := include "inferometer.name" . -}}
{{- $both := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- .Values.fullnameOverride | default $both | replace "." "-" | trunc 50 | trimSuffix "-" -}}
{{- end -}}

{{- /* Labels that select; (list scope component). */ -}}
{{- define "inferometer.selector" -}}
{{- $scope := first . -}}
app.kubernetes.io/name: {{ include "inferometer.name" $scope | quote }}
app.kubernetes.io/instance: {{ $scope.Release.Name | quote }}
app.kubernetes.io/component: {{ last . }}
{{- end -}}

{{- /* By which monitors part the Services of two releases in one namespace. */ -}}
{{- define "inferometer.release" -}}
inferometer/release: {{ include "inferometer.fullname" . | quote }}
{{- end -}}

{{- /* Labels of a part; (list scope component). */ -}}
{{- define "inferometer.labels" -}}
{{ include "inferometer.selector" . }}
app.kubernetes.io/version: {{ (first .).Chart.AppVersion | quote }}
{{- end -}}

{{- define "inferometer.namespace" -}}
{{- .Values.namespaceOverride | default .Release.Namespace -}}
{{- end -}}

{{- /* One map of several, in a list: of two that have a key the first counts. */ -}}
{{- define "inferometer.merged" -}}
{{- $all := dict -}}
{{- range . }}
{{- range $key, $value := . }}
{{- if not (hasKey $all $key) }}{{ $_ := set $all $key $value }}{{ end }}
{{- end }}
{{- end }}
{{- with $all }}{{ toYaml . }}{{ end -}}
{{- end -}}

{{- /* Of an object: (dict "scope" "component"), and "name" or its "suffix", "namespace", and lists of
"labels" and "annotations" where it has its own. The namespace is written out, as `helm template` is
piped into kubectl, which would take that of its context. */ -}}
{{- define "inferometer.metadata" -}}
{{- $ours := include "inferometer.labels" (list .scope .component) | fromYaml -}}
{{- $labels := append (prepend (.labels | default list) $ours) .scope.Values.commonLabels -}}
{{- $annotations := append (.annotations | default list) .scope.Values.commonAnnotations -}}
name: {{ .name | default (include "inferometer.fullname" .scope) }}{{ with .suffix }}-{{ . }}{{ end }}
namespace: {{ .namespace | default (include "inferometer.namespace" .scope) }}
labels:
  {{- include "inferometer.merged" $labels | nindent 2 }}
{{- with include "inferometer.merged" $annotations }}
annotations:
  {{- . | nindent 2 }}
{{- end }}
{{- end -}}

{{- define "inferometer.serviceAccountName" -}}
{{- with .Values.serviceAccount -}}
{{- .name | default (ternary (include "inferometer.fullname" $) "default" .create) -}}
{{- end -}}
{{- end -}}

{{- /* The image of a role's pods: a gateway has one of its own; (list scope role). */ -}}
{{- define "inferometer.image" -}}
{{- $scope := first . -}}
{{- $image := $scope.Values.image -}}
{{- if eq (last .) "gateway" }}{{ $image = $scope.Values.gateway.image }}{{ end -}}
{{- with ($scope.Values.global | default dict).imageRegistry | default $image.registry
    | default $scope.Values.image.registry }}{{ . }}/{{ end -}}
{{ $image.repository }}:{{ $image.tag | default $scope.Chart.AppVersion }}
{{- with $image.digest }}@{{ . }}{{ end -}}
{{- end -}}

{{- define "inferometer.listen" -}}
:{{ .Values.web.port }}
{{- end -}}

{{- define "inferometer.scheme" -}}
{{ ternary "https" "http" .Values.web.tls }}
{{- end -}}

{{- /* The inferometer.yml of a role; (list scope role). */ -}}
{{- define "inferometer.config" -}}
{{- $scope := first . -}}
{{- $role := last . -}}
{{- $values := index $scope.Values $role -}}
{{- $web := dict "listen" (include "inferometer.listen" $scope) "enable_reload" $scope.Values.web.enableReload -}}
{{- if $scope.Values.web.configSecret -}}
{{- $_ := set $web "config_file" "/etc/inferometer-web/web.yml" -}}
{{- end -}}
{{- if eq $role "fleet" -}}
{{- $_ := set $web "enable_alert_log" $values.enableAlertLog -}}
{{- end -}}
{{- $config := merge (dict "role" $role "web" $web) (deepCopy $values.config) -}}
{{- if eq $role "node" -}}
{{- $_ := set $config.gpu "kubelet_socket" $values.kubeletSocket -}}
{{- end -}}
{{- if eq $role "gateway" -}}
{{- $config = mergeOverwrite $config (include "inferometer.gatewayConfig" $scope | fromYaml) -}}
{{- end -}}
{{ toYaml $config }}
{{- end -}}

{{- /* A generated file that the chart carries; (list scope path). Without it the chart would come
to rules, routing and limits that are empty, and nobody would be told. */ -}}
{{- define "inferometer.file" -}}
{{- $text := (first .).Files.Get (printf "files/%s" (last .)) -}}
{{- if not $text }}{{ include "inferometer.fileMissing" (last .) }}{{ end -}}
{{- $text -}}
{{- end -}}

{{- define "inferometer.fileMissing" -}}
{{- fail (printf "files/%s of the chart is missing or empty: fetch the chart with all of its files" .) -}}
{{- end -}}
