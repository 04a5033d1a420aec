package chart

import (
	"os"
	"regexp"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
)

func TestAPodMayDoNothingThatItNeedNot(t *testing.T) {
	pod := must(t, everything, "v1.31.0").deployment.Spec.Template.Spec
	c := pod.Containers[0]
	s := c.SecurityContext
	if !*pod.SecurityContext.RunAsNonRoot || *pod.SecurityContext.RunAsUser != 65532 || pod.SecurityContext.SeccompProfile.Type != corev1.SeccompProfileTypeRuntimeDefault ||
		*s.AllowPrivilegeEscalation || !*s.ReadOnlyRootFilesystem || s.Capabilities.Drop[0] != "ALL" || *pod.AutomountServiceAccountToken {
		t.Errorf("%+v %+v", pod.SecurityContext, s)
	}
}

func TestAPodHasTheSeccompProfileOfItsValues(t *testing.T) {
	for values, want := range map[string]string{
		"": "RuntimeDefault ",
		"seccompProfile: {type: Localhost, localhostProfile: with-io-uring.json}": "Localhost with-io-uring.json",
		"seccompProfile: {type: Unconfined}":                                      "Unconfined ",
	} {
		p := must(t, values, "1.30").deployment.Spec.Template.Spec.SecurityContext.SeccompProfile
		file := ""
		if p.LocalhostProfile != nil {
			file = *p.LocalhostProfile
		}
		if got := string(p.Type) + " " + file; got != want {
			t.Errorf("%q: %s, want %s", values, got, want)
		}
	}
}

func TestAPodHasTheTimeToDrain(t *testing.T) {
	for kubernetes, sleeps := range map[string]bool{"v1.29.4": false, "v1.30.0": true} {
		o := must(t, "shutdownTimeoutSeconds: 60\npreStopSeconds: 10", kubernetes)
		pod := o.deployment.Spec.Template.Spec
		if !strings.Contains(o.configMap.Data["config.toml"], `shutdown_timeout = "60s"`) || *pod.TerminationGracePeriodSeconds < 75 {
			t.Errorf("%d s of grace: %s", *pod.TerminationGracePeriodSeconds, o.configMap.Data)
		}
		life := pod.Containers[0].Lifecycle
		if got := life != nil && life.PreStop.Sleep.Seconds == 10; got != sleeps {
			t.Errorf("%s: %+v", kubernetes, life)
		}
	}
}

func TestProbesAskWhereHTTPIsServed(t *testing.T) {
	inside := must(t, "http: {port: 9000}", "v1.31.0").deployment.Spec.Template.Spec.Containers[0]
	if got := strings.Join(inside.ReadinessProbe.Exec.Command, " "); got != "/usr/bin/pgweir health --url http://127.0.0.1:9000" {
		t.Error(got)
	}
	if got := strings.Join(inside.LivenessProbe.Exec.Command, " "); got != "/usr/bin/pgweir health --url http://127.0.0.1:9000 --live" {
		t.Error(got)
	}
	plain := must(t, "http: {tls: {existingSecret: http-tls}}", "v1.31.0")
	if got := strings.Join(plain.deployment.Spec.Template.Spec.Containers[0].ReadinessProbe.Exec.Command, " "); got != "/usr/bin/pgweir health --url http://127.0.0.1:9127" ||
		strings.Contains(plain.configMap.Data["config.toml"], "http_tls") || strings.Contains(plain.kinds["Deployment"], "http-tls") {
		t.Errorf("a certificate without http.expose: %s asks\n%s", got, plain.configMap.Data["config.toml"])
	}
	outside := must(t, everything, "v1.31.0").deployment.Spec.Template.Spec.Containers[0]
	if get := outside.ReadinessProbe.HTTPGet; get.Path != "/healthz" || get.Scheme != corev1.URISchemeHTTPS {
		t.Errorf("%+v", get)
	}
	for _, p := range []*corev1.Probe{inside.StartupProbe, inside.LivenessProbe, inside.ReadinessProbe, outside.StartupProbe} {
		if p.TimeoutSeconds != 5 || p.FailureThreshold < 2 {
			t.Errorf("%+v", p)
		}
	}
}

func TestWhatIsOffIsNotThere(t *testing.T) {
	o := must(t, "", "v1.25.0")
	for _, kind := range []string{"ServiceMonitor", "HorizontalPodAutoscaler", "NetworkPolicy"} {
		if o.kinds[kind] != "" {
			t.Errorf("there is a %s", kind)
		}
	}
	if len(o.services) != 1 || *o.deployment.Spec.Replicas != 2 || o.kinds["PodDisruptionBudget"] == "" {
		t.Errorf("%d services, %v", len(o.services), o.deployment.Spec)
	}
	all := must(t, everything, "v1.31.0")
	for _, kind := range []string{"ServiceMonitor", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "ServiceAccount"} {
		if all.kinds[kind] == "" {
			t.Errorf("there is no %s", kind)
		}
	}
	if len(all.services) != 2 || all.deployment.Spec.Replicas != nil {
		t.Errorf("%d services, %v replicas beside an autoscaler", len(all.services), all.deployment.Spec.Replicas)
	}
	if o := must(t, "existingConfigSecret: own", "v1.31.0"); o.kinds["ConfigMap"] != "" {
		t.Error("there is a ConfigMap beside the own Secret")
	}
}

func TestWrongValuesAreRefused(t *testing.T) {
	for values, want := range map[string]string{
		"replicas: 3":                                   "replicas",
		"replicaCount: many":                            "replicaCount",
		"image: {pullPolicy: Sometimes}":                "pullPolicy",
		"image: {digest: latest}":                       "digest",
		"settings: {listen_port: 5432}":                 "listen_port",
		"settings: {Pool: 1}":                           "Pool",
		"users: {app: {password: secret}}":              "password",
		"databases: {app: {password: secret}}":          "password",
		"databases: {app: {passwordSecret: {name: a}}}": "key",
		"databases: {app: postgres}":                    "databases",
		"http: {port: 70000}":                           "port",
		"service: {type: ExternalName}":                 "type",
		"serverTLS: {sslmode: maybe}":                   "sslmode",
		"shutdownTimeoutSeconds: -1":                    "shutdownTimeoutSeconds",
		"readiness: perhaps":                            "readiness",
		"seccompProfile: {type: Localhost}":             "localhostProfile",
		"seccompProfile: {type: Docker}":                "/seccompProfile/type",
		"seccompProfile: {localhostProfile: x.json}":    "localhostProfile",
		"serviceMonitor: {enabled: true}":               "http.expose",
		"http: {expose: true}":                          "http.token.existingSecret",
		"authFile: {existingSecret: Not A Secret}":      "existingSecret",
	} {
		if _, err := render(t, values, "v1.31.0"); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", values, err, want)
		}
	}
}

func TestAChangedConfigurationReplacesThePods(t *testing.T) {
	sum := func(values string) string {
		return must(t, values, "v1.31.0").deployment.Spec.Template.Annotations["checksum/config"]
	}
	if a, b := sum(""), sum("settings: {default_pool_size: 7}"); a == b || a != sum("") {
		t.Errorf("%s and %s", a, b)
	}
}

func TestTheChartsVersionIsThePrograms(t *testing.T) {
	chart, err := os.ReadFile(folder + "/Chart.yaml")
	if err != nil {
		t.Fatal(err)
	}
	source, err := os.ReadFile("../../cmd/pgweir/main.go")
	if err != nil {
		t.Fatal(err)
	}
	of := func(text []byte, pattern string) string {
		return string(regexp.MustCompile(pattern).FindSubmatch(text)[1])
	}
	if a, b := of(chart, `appVersion: "(.*)"`), of(source, `var version = "(.*)"`); a != b {
		t.Errorf("the chart is for %s, the program %s", a, b)
	}
}
