{{- /* Labels of every object; `dict "root" . "component" NAME` names the program that it belongs to. */ -}}
{{- define "loghub.labels" -}}
{{- $root := .root | default . -}}
app.kubernetes.io/name: loghub
app.kubernetes.io/instance: {{ $root.Release.Name }}
{{- with .component }}
app.kubernetes.io/component: {{ . }}
{{- end }}
app.kubernetes.io/part-of: loghub
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "loghub.selector" -}}
app.kubernetes.io/name: loghub
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- /* Agents' pods come from the operator, which knows no release. */ -}}
{{- define "loghub.agentSelector" -}}
app.kubernetes.io/name: loghub
app.kubernetes.io/component: agent
{{- end }}

{{- define "loghub.image" -}}
{{- $image := .root.Values.image }}
{{- $digest := index $image.digest .program }}
{{- $image.registry }}/{{ .program }}{{ if $digest }}@{{ $digest }}{{ else }}:{{ $image.tag }}{{ end }}
{{- end }}

{{- define "loghub.rootSecret" -}}
{{ .Values.rootCredentials.existingSecret | default "loghub-root" }}
{{- end }}

{{- /*
The Secret of the sealing key, empty where the key lies beside the data. A release that had its key
on the volume must go on with it: under another one the service could not read its access keys. So
`Auto` takes a Secret where there is one, or where there is no volume yet.
*/ -}}
{{- define "loghub.sealingSecret" -}}
{{- $sealing := .Values.ingest.sealing }}
{{- if $sealing.existingSecret }}
{{- $sealing.existingSecret }}
{{- else if eq $sealing.where "Secret" }}
{{- "loghub-ingest-key" }}
{{- else if eq $sealing.where "Auto" }}
{{- $claim := lookup "v1" "PersistentVolumeClaim" .Release.Namespace "data-loghub-ingest-0" }}
{{- if or (lookup "v1" "Secret" .Release.Namespace "loghub-ingest-key") (not $claim) }}
{{- "loghub-ingest-key" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "loghub.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "loghub.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}

{{- /* Where a program's pods run: `dict "root" . "program" NAME`. */ -}}
{{- define "loghub.placement" -}}
{{- $values := index .root.Values .program }}
{{- with .root.Values.image.pullSecrets }}
imagePullSecrets: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.nodeSelector }}
nodeSelector: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.tolerations }}
tolerations: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.affinity }}
affinity: {{- toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
