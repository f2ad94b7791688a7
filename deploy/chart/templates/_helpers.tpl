{{- define "streamcrypt.name" -}}
{{- printf "%s" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end }}

{{- define "streamcrypt.selector" -}}
app.kubernetes.io/name: streamcrypt
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "streamcrypt.labels" -}}
{{ include "streamcrypt.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "streamcrypt.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ .Values.image.tag | default .Chart.AppVersion }}
{{- end -}}
{{- end }}

{{- define "streamcrypt.account" -}}
{{- .Values.serviceAccount.name | default (ternary (include "streamcrypt.name" .) "default" .Values.serviceAccount.create) -}}
{{- end }}

{{- define "streamcrypt.ops" -}}
{{- .Values.ops.secret | default (printf "%s-ops" (include "streamcrypt.name" .)) -}}
{{- end }}

{{- define "streamcrypt.host" -}}
{{- printf "%s.%s.svc" (include "streamcrypt.name" .) .Release.Namespace -}}
{{- end }}
