// Package chart renders the Helm chart as Kubernetes would be given it, and has pgweir
// check the configuration that its pods would find.
package chart

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	"sigs.k8s.io/yaml"

	"helm.sh/helm/v3/pkg/chart/loader"
	"helm.sh/helm/v3/pkg/chartutil"
	"helm.sh/helm/v3/pkg/engine"
	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
)

const folder = "../../deploy/helm/pgweir"

// pgweir is the program of this tree.
var pgweir string

func TestMain(m *testing.M) {
	dir, err := os.MkdirTemp("", "chart-")
	if err == nil {
		pgweir = filepath.Join(dir, "pgweir")
		cmd := exec.Command("go", "build", "-trimpath", "-o", pgweir, "./cmd/pgweir")
		cmd.Dir, cmd.Stderr, cmd.Env = "../..", os.Stderr, append(os.Environ(), "CGO_ENABLED=0")
		err = cmd.Run()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	code := m.Run()
	os.RemoveAll(dir)
	os.Exit(code)
}

// everything is on, with names and values that need quoting.
const everything = `
image: {repository: registry.example.com/pgweir, digest: "sha256:` + "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef" + `"}
imagePullSecrets: [{name: pull}]
replicaCount: 3
settings: {auth_type: scram-sha-256, pool_mode: transaction, default_pool_size: 15, leak_check: 0.25, log_connections: false, admin_users: [ann, "o\"hara"], query_wait_timeout: 30s, census_user: watcher}
databases:
  shop: {host: 127.0.0.1, port: 1, pool_size: 20, user: shop, passwordSecret: {name: shop, key: password}}
  "odd \"name\"": {host: 127.0.0.2, port: 1, dbname: shop}
  "*": {host: 127.0.0.3, port: 1}
users:
  ann: {passwordSecret: {name: ann, key: password}, pool_size: 3}
  "o\"hara":
extraConfig: |
  [databases.more]
  host = "${MORE_HOST}"
  port = 1
authFile: {existingSecret: userlist}
clientTLS: {existingSecret: client-tls, caKey: ca.crt, sslmode: verify-ca}
serverTLS: {existingSecret: server-tls, sslmode: verify-full, clientCertificate: true}
http: {expose: true, tls: {existingSecret: http-tls}, token: {existingSecret: scraper}}
env: [{name: MORE_HOST, value: 127.0.0.4}]
envFrom: [{secretRef: {name: more}}]
shutdownTimeoutSeconds: 60
preStopSeconds: 10
service: {type: LoadBalancer, port: 5432, annotations: {a: b}}
readiness: live
autoscaling: {enabled: true}
networkPolicy: {enabled: true, clients: [{podSelector: {matchLabels: {app: shop}}}], scrapers: [{namespaceSelector: {}}]}
serviceMonitor: {enabled: true, labels: {release: prometheus}, tlsConfig: {insecureSkipVerify: true}}
serviceAccount: {name: pooler, annotations: {a: b}}
podAnnotations: {a: b}
podLabels: {c: d}
nodeSelector: {disk: ssd}
tolerations: [{operator: Exists}]
priorityClassName: high
affinity: {nodeAffinity: {}}
topologySpreadConstraints: [{maxSkew: 1, topologyKey: zone, whenUnsatisfiable: DoNotSchedule}]
`

// objects are what the chart makes, by kind.
type objects struct {
	deployment appsv1.Deployment
	configMap  corev1.ConfigMap
	services   []corev1.Service
	kinds      map[string]string // the text of the last one of each kind
}

func render(t *testing.T, values, kubernetes string) (string, error) {
	t.Helper()
	c, err := loader.Load(folder)
	if err != nil {
		t.Fatal(err)
	}
	v, err := chartutil.ReadValues([]byte(values))
	if err != nil {
		t.Fatal(err)
	}
	caps := chartutil.DefaultCapabilities.Copy()
	if caps.KubeVersion, err = chartutilVersion(kubernetes); err != nil {
		t.Fatal(err)
	}
	top, err := chartutil.ToRenderValues(c, v, chartutil.ReleaseOptions{Name: "shop", Namespace: "db", IsInstall: true}, caps)
	if err != nil {
		return "", err
	}
	files, err := engine.Engine{Strict: true}.Render(c, top)
	var b strings.Builder
	for name, text := range files {
		if strings.HasSuffix(name, ".yaml") {
			b.WriteString("\n---\n" + text)
		}
	}
	return b.String(), err
}

func chartutilVersion(text string) (chartutil.KubeVersion, error) {
	v, err := chartutil.ParseKubeVersion(text)
	if err != nil {
		return chartutil.KubeVersion{}, err
	}
	return *v, nil
}

// parse wants that each object has the fields of its kind and no others.
func parse(t *testing.T, text string) *objects {
	t.Helper()
	o := &objects{kinds: map[string]string{}}
	for _, doc := range strings.Split(text, "\n---\n") {
		var head struct{ Kind string }
		if err := yaml.Unmarshal([]byte(doc), &head); err != nil {
			t.Fatalf("%v\n%s", err, doc)
		}
		if head.Kind == "" {
			continue
		}
		o.kinds[head.Kind] = doc
		var service corev1.Service
		into := map[string]any{
			"Deployment": &o.deployment, "ConfigMap": &o.configMap, "Service": &service,
			"ServiceAccount": new(corev1.ServiceAccount), "PodDisruptionBudget": new(policyv1.PodDisruptionBudget),
			"HorizontalPodAutoscaler": new(autoscalingv2.HorizontalPodAutoscaler), "NetworkPolicy": new(networkingv1.NetworkPolicy),
			"ServiceMonitor": new(any),
		}[head.Kind]
		if into == nil {
			t.Fatalf("a %s is not expected", head.Kind)
		}
		if err := yaml.UnmarshalStrict([]byte(doc), into); err != nil {
			t.Errorf("%s: %v\n%s", head.Kind, err, doc)
		}
		if head.Kind == "Service" {
			o.services = append(o.services, service)
		}
	}
	return o
}

func must(t *testing.T, values, kubernetes string) *objects {
	t.Helper()
	text, err := render(t, values, kubernetes)
	if err != nil {
		t.Fatal(err)
	}
	return parse(t, text)
}

func TestTheChartLints(t *testing.T) {
	for name, values := range map[string]string{"defaults": "", "everything": everything} {
		v, err := chartutil.ReadValues([]byte(values))
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range lint.All(folder, v, "db", true).Messages {
			if m.Severity > support.InfoSev { // that it has no icon
				t.Errorf("%s: %v", name, m)
			}
		}
	}
}

func TestPodsFindAConfigurationThatPgweirTakes(t *testing.T) {
	for name, c := range map[string]struct {
		values string
		says   []string
	}{
		"defaults":   {"", []string{"listens on: * port 6432", "HTTP on: 127.0.0.1:9127", "auth_type scram-sha-256"}},
		"everything": {everything, []string{"HTTP on: :9127", `odd "name": shop on`, "shop: shop on", "more: more on 127.0.0.4:1", "users known: 3"}},
		"TLS inside": {"http: {tls: {existingSecret: http-tls}}", []string{"HTTP on: 127.0.0.1:9127"}},
		"insecure":   {"http: {expose: true, insecure: true}", []string{"HTTP on: :9127"}},
	} {
		t.Run(name, func(t *testing.T) {
			o := must(t, c.values, "v1.31.0")
			out, err := check(t, o)
			if err != nil {
				t.Errorf("%v: %s\n%s", err, out, o.configMap.Data["config.toml"])
			}
			for _, want := range append(c.says, "config.toml: ok") {
				if !strings.Contains(out, want) {
					t.Errorf("check does not say %q:\n%s", want, out)
				}
			}
		})
	}
}

// check lays out what is mounted into the pod, with Secrets made up, and has pgweir
// check the configuration there.
func check(t *testing.T, o *objects) (string, error) {
	t.Helper()
	dir := t.TempDir()
	pod := o.deployment.Spec.Template.Spec
	cert, key := certificate(t)
	secret := map[string]string{"tls.crt": cert, "tls.key": key, "ca.crt": cert, "token": strings.Repeat("t", 40), "userlist.txt": "\"bob\" \"secret\"\n", "password": "secret\n"}
	write := func(path, text string) {
		t.Helper()
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, mount := range pod.Containers[0].VolumeMounts {
		at := filepath.Join(dir, strings.TrimPrefix(mount.MountPath, "/etc/pgweir"))
		for _, v := range pod.Volumes {
			switch {
			case v.Name != mount.Name:
			case v.ConfigMap != nil:
				for name, text := range o.configMap.Data {
					write(filepath.Join(at, name), strings.ReplaceAll(text, "/etc/pgweir", dir))
				}
			case v.Secret != nil:
				for name, text := range secret {
					write(filepath.Join(at, name), text)
				}
			case v.Projected != nil:
				for _, s := range v.Projected.Sources {
					for _, item := range s.Secret.Items {
						write(filepath.Join(at, item.Path), secret[item.Key])
					}
				}
			}
		}
	}
	args := pod.Containers[0].Args
	cmd := exec.Command(pgweir, "check", "-c", filepath.Join(dir, strings.TrimPrefix(args[len(args)-1], "/etc/pgweir")))
	for _, v := range pod.Containers[0].Env {
		cmd.Env = append(cmd.Env, v.Name+"="+v.Value)
	}
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func certificate(t *testing.T) (cert, key string) {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.Command("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=pgweir", "-days", "365", "-keyout", "key", "-out", "cert")
	cmd.Dir = dir
	var out bytes.Buffer
	cmd.Stderr = io.Writer(&out)
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v: %s", err, out.String())
	}
	for name, to := range map[string]*string{"cert": &cert, "key": &key} {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		*to = string(text)
	}
	return cert, key
}
