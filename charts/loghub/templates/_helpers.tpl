{{- define "loghub.labels" -}}
app.kubernetes.io/name: loghub
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "loghub.selector" -}}
app.kubernetes.io/name: loghub
app.kubernetes.io/instance: {{ .root.Release.Name }}
app.kubernetes.io/component: {{ .component }}
{{- end }}

{{- define "loghub.image" -}}
{{ .root.Values.image.registry }}/{{ .program }}:{{ .root.Values.image.tag }}
{{- end }}

{{- define "loghub.rootSecret" -}}
{{ .Values.rootCredentials.existingSecret | default "loghub-root" }}
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
