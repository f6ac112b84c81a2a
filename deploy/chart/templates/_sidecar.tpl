{{- /*
The exporter beside an engine, for a chart that has this one as a dependency:

    containers:
      - name: vllm
        ...
      - {{ include "inferometer.sidecar" .Subcharts.inferometer | nindent 8 | trim }}
    volumes:
      {{- include "inferometer.sidecarVolumes" .Subcharts.inferometer | nindent 6 }}

with "inferometer.sidecarLabels" and "inferometer.scrapeAnnotations" in the pod's metadata. Where
sidecar.native is true, the item belongs to initContainers, as the first of them.

It has no probes: a pod one container of which is not ready gets no requests, and a page that is
slow must not take an engine out of service. A sidecar that does not run still does: after a crash
its pod is not ready until it runs again, and an image that cannot be had stops the rollout.
*/ -}}
{{- define "inferometer.sidecar" -}}
{{- if and .Values.sidecar.native (semverCompare "<1.29.0-0" .Capabilities.KubeVersion.Version) -}}
{{- fail (printf "sidecar.native: takes Kubernetes 1.29 or newer, and this is %s" .Capabilities.KubeVersion.Version) -}}
{{- end -}}
{{ include "inferometer.container" (list . "sidecar") }}
{{- if include "inferometer.sidecarFile" . }}
args: {{ include "inferometer.fileArguments" . }}
volumeMounts:
  {{- include "inferometer.mounts" . | nindent 2 }}
{{- else }}
args: [run, --role, sidecar, --listen, {{ include "inferometer.listen" . | quote }}]
{{- end }}
{{- $env := include "inferometer.environment" (list (include "inferometer.model" .) .Values.sidecar.env) }}
env:
  {{- include "inferometer.environment" (list $env .Values.sidecar.extraEnv) | trim | nindent 2 }}
{{- if .Values.sidecar.native }}
restartPolicy: Always
{{- end }}
securityContext:
  {{- include "inferometer.restricted" . | nindent 2 }}
{{- end -}}

{{- define "inferometer.model" -}}
- name: INFEROMETER_MODEL
  {{- if .Values.sidecar.model }}
  value: {{ .Values.sidecar.model | quote }}
  {{- else }}
  valueFrom:
    fieldRef:
      fieldPath: metadata.annotations['inferometer/model']
  {{- end }}
{{- end -}}

{{- define "inferometer.sidecarVolumes" -}}
{{- if include "inferometer.sidecarFile" . -}}
{{- include "inferometer.volumes" (list . "sidecar") -}}
{{- end -}}
{{- end -}}

{{- define "inferometer.sidecarLabels" -}}
{{- toYaml .Values.sidecar.podLabels -}}
{{- end -}}

{{- /* Whether arguments cannot say it all. */ -}}
{{- define "inferometer.sidecarFile" -}}
{{- if or .Values.sidecar.config.engines .Values.web.configSecret .Values.web.enableReload -}}
yes
{{- end -}}
{{- end -}}

{{- /* All of it as a patch for a Deployment or StatefulSet. */ -}}
{{- define "inferometer.sidecarPatch" -}}
spec:
  template:
    metadata:
      labels:
        {{- include "inferometer.sidecarLabels" . | nindent 8 }}
      {{- with include "inferometer.scrapeAnnotations" . }}
      annotations:
        {{- . | nindent 8 }}
      {{- end }}
    spec:
      {{- with include "inferometer.pullSecrets" . | fromYamlArray }}
      imagePullSecrets:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{ ternary "initContainers" "containers" .Values.sidecar.native }}:
        - {{ include "inferometer.sidecar" . | nindent 10 | trim }}
      {{- with include "inferometer.sidecarVolumes" . }}
      volumes:
        {{- . | nindent 8 }}
      {{- end }}
{{- end -}}
