{{- define "pgweir.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" -}}
{{- end -}}

{{- define "pgweir.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 63 | trimSuffix "-" -}}
{{- else if contains (include "pgweir.name" .) .Release.Name -}}
{{- .Release.Name | trunc 63 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name (include "pgweir.name" .) | trunc 63 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "pgweir.selector" -}}
app.kubernetes.io/name: {{ include "pgweir.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "pgweir.labels" -}}
{{ include "pgweir.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "pgweir.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- default (include "pgweir.fullname" .) .Values.serviceAccount.name -}}
{{- else -}}
{{- default "default" .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- define "pgweir.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end -}}
{{- end -}}

{{- /* A table of config.toml. JSON's strings, numbers, booleans and lists are TOML's. */ -}}
{{- define "pgweir.table" -}}
{{- range $key, $value := . }}
{{- if kindIs "float64" $value }}
{{ $key }} = {{ if eq $value (floor $value) }}{{ int64 $value }}{{ else }}{{ $value }}{{ end }}
{{- else if ne $key "passwordSecret" }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "pgweir.config" -}}
{{- $v := .Values -}}
listen_addr = "*"
listen_port = 6432
unix_socket_dir = ""
shutdown_timeout = "{{ int $v.shutdownTimeoutSeconds }}s"
http_listen = "{{ if $v.http.expose }}{{ else }}127.0.0.1{{ end }}:{{ int $v.http.port }}"
{{- if $v.http.insecure }}
http_insecure = true
{{- end }}
{{- /* The probe inside the pod asks without TLS. */ -}}
{{- if and $v.http.expose $v.http.tls.existingSecret }}
http_tls_cert_file = "/etc/pgweir/http-tls/tls.crt"
http_tls_key_file = "/etc/pgweir/http-tls/tls.key"
{{- end }}
{{- if $v.http.token.existingSecret }}
http_token_file = {{ printf "/etc/pgweir/http-token/%s" $v.http.token.key | toJson }}
{{- end }}
{{- if $v.authFile.existingSecret }}
auth_file = {{ printf "/etc/pgweir/auth-file/%s" $v.authFile.key | toJson }}
{{- end }}
{{- if $v.clientTLS.existingSecret }}
client_tls_sslmode = {{ toJson $v.clientTLS.sslmode }}
client_tls_cert_file = "/etc/pgweir/client-tls/tls.crt"
client_tls_key_file = "/etc/pgweir/client-tls/tls.key"
{{- with $v.clientTLS.caKey }}
client_tls_ca_file = {{ printf "/etc/pgweir/client-tls/%s" . | toJson }}
{{- end }}
{{- end }}
server_tls_sslmode = {{ toJson $v.serverTLS.sslmode }}
{{- if $v.serverTLS.existingSecret }}
server_tls_ca_file = {{ printf "/etc/pgweir/server-tls/%s" $v.serverTLS.caKey | toJson }}
{{- if $v.serverTLS.clientCertificate }}
server_tls_cert_file = "/etc/pgweir/server-tls/tls.crt"
server_tls_key_file = "/etc/pgweir/server-tls/tls.key"
{{- end }}
{{- end }}
{{- include "pgweir.table" $v.settings }}
{{- range $kind := list "databases" "users" }}
{{- range $name, $table := index $v $kind }}

[{{ $kind }}.{{ toJson $name }}]
{{- include "pgweir.table" $table }}
{{- with get ($table | default dict) "passwordSecret" }}
password_file = {{ printf "/etc/pgweir/passwords/%s" (include "pgweir.passwordPath" (list $kind $name)) | toJson }}
{{- end }}
{{- end }}
{{- end }}
{{ with $v.extraConfig }}
{{ . }}
{{- end }}
{{- end -}}

{{- /* Where the password of a database or a user is: names may be no names of files. */ -}}
{{- define "pgweir.passwordPath" -}}
{{ index . 0 }}/{{ index . 1 | sha256sum | trunc 16 }}
{{- end -}}

{{- define "pgweir.probe" -}}
{{- $http := .v.http -}}
{{- if $http.expose -}}
httpGet:
  path: {{ if .ready }}/readyz{{ else }}/healthz{{ end }}
  port: http
  scheme: {{ if $http.tls.existingSecret }}HTTPS{{ else }}HTTP{{ end }}
{{- else -}}
exec:
  command: [/usr/bin/pgweir, health, --url, "http://127.0.0.1:{{ int $http.port }}"{{ if not .ready }}, --live{{ end }}]
{{- end -}}
{{- end -}}
