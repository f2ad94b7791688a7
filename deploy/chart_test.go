package deploy

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// The tools that render and check the chart, from the module proxy.
const (
	helmModule     = "helm.sh/helm/v3/cmd/helm@v3.22.0"
	validateModule = "sigs.k8s.io/kubectl-validate@v0.0.4"
)

// examples are the values that the chart is shipped with, and the kinds that
// they make.
var examples = map[string][]string{
	"chart/values-kafka.yaml": {"ConfigMap", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "Secret",
		"Service", "ServiceAccount", "ServiceMonitor", "StatefulSet"},
	"chart/values-nats.yaml": {"ConfigMap", "HorizontalPodAutoscaler", "NetworkPolicy", "PodDisruptionBudget", "Secret",
		"Service", "ServiceAccount", "ServiceMonitor", "StatefulSet"},
	"chart/values-run.yaml": {"ConfigMap", "NetworkPolicy", "PodDisruptionBudget", "Secret", "Service", "ServiceAccount",
		"ServiceMonitor", "StatefulSet"},
}

// TestChartValues: the schema takes the shipped values, and refuses mistakes
// that would open the network or leave out the route.
func TestChartValues(t *testing.T) {
	schema, err := jsonschema.NewCompiler().Compile("chart/values.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	for name := range examples {
		values := mergeValues(t, name)
		if err := schema.Validate(values); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for mistake, change := range map[string]func(map[string]any){
			"a misspelled field": func(v map[string]any) { v["replica"] = 3.0 },
			"nothing to do": func(v map[string]any) {
				delete(v["config"].(map[string]any), "from")
				delete(v["run"].(map[string]any), "routes")
			},
			"one route and several": func(v map[string]any) {
				v["config"] = map[string]any{"from": "a", "key": "b"}
				v["run"] = map[string]any{"routes": map[string]any{"c": map[string]any{}}}
			},
			"another command": func(v map[string]any) { v["command"] = "demo" },
			"a name for all members": func(v map[string]any) {
				v["config"].(map[string]any)["instance"] = "a"
			},
			"a name for all members in a route": func(v map[string]any) {
				v["run"] = map[string]any{"routes": map[string]any{"c": map[string]any{"instance": "a"}}}
				v["config"] = map[string]any{}
			},
			"a rule for every address": func(v map[string]any) {
				v["networkPolicy"].(map[string]any)["brokers"] = []any{map[string]any{"ports": []any{map[string]any{"port": 9092.0}}}}
			},
			"a rule for every port": func(v map[string]any) {
				v["networkPolicy"].(map[string]any)["keyServices"] = []any{map[string]any{"to": []any{map[string]any{}}, "ports": []any{}}}
			},
		} {
			values := mergeValues(t, name)
			change(values)
			if schema.Validate(values) == nil {
				t.Errorf("%s: the schema takes %s", name, mistake)
			}
		}
	}
}

// mergeValues returns the values of the chart under those of a file, as JSON
// has them.
func mergeValues(t *testing.T, name string) map[string]any {
	t.Helper()
	merged := map[string]any{}
	for _, file := range []string{"chart/values.yaml", name} {
		var values map[string]any
		if err := yaml.Unmarshal([]byte(readFile(t, file)), &values); err != nil {
			t.Fatal(err)
		}
		mergeInto(merged, values)
	}
	text, err := json.Marshal(merged)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]any{}
	if err := json.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	return values
}

func mergeInto(to, from map[string]any) {
	for name, value := range from {
		below, isMap := value.(map[string]any)
		there, wasMap := to[name].(map[string]any)
		if isMap && wasMap {
			mergeInto(there, below)
			continue
		}
		to[name] = value
	}
}

// TestChartConfigurations: the program takes the command line, the environment
// and the configuration that the chart's examples give it, and looks for the
// files that they name.
func TestChartConfigurations(t *testing.T) {
	skipUnlessRelease(t)
	program := filepath.Join(t.TempDir(), "streamcrypt")
	mustRun(t, "go", "build", "-tags", "nodemo", "-o", program, "./cmd/streamcrypt")
	for name := range examples {
		values := mergeValues(t, name)
		part, command := "config", values["command"].(string)
		if len(values["run"].(map[string]any)) > 0 {
			part, command = "run", "run"
		}
		text, err := yaml.Marshal(values[part])
		if err != nil {
			t.Fatal(err)
		}
		config := filepath.Join(t.TempDir(), "streamcrypt.yaml")
		if err := os.WriteFile(config, text, 0o600); err != nil {
			t.Fatal(err)
		}
		out, err := runTool(t.Context(), t, []string{"STREAMCRYPT_INSTANCE=orders-0"}, program, command, "--config", config)
		if err == nil || !strings.Contains(out, "no such file or directory") || !strings.Contains(out, "/etc/streamcrypt/") {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
}

// TestChart renders the chart with each of its examples and checks the result
// against the schemas of Kubernetes.
func TestChart(t *testing.T) {
	skipUnlessRelease(t)
	helm := buildModule(t, helmModule)
	validate := buildModule(t, validateModule)
	mustRun(t, helm, "lint", "--strict", "deploy/chart", "-f", "deploy/chart/values-kafka.yaml")
	if out, err := runTool(t.Context(), t, nil, helm, "template", "orders", "deploy/chart", "--kube-version", "1.30.0",
		"--set", "config.from=a,config.key=b"); err == nil || !strings.Contains(out, "no broker could be reached") {
		t.Errorf("a policy without brokers is rendered: %v: %s", err, out)
	}
	for name, kinds := range examples {
		t.Run(filepath.Base(name), func(t *testing.T) {
			text := mustRun(t, helm, "template", "orders", "deploy/chart", "--kube-version", "1.30.0", "--namespace", "pay", "-f", "deploy/"+name)
			objects := readObjects(t, text)
			var rendered []string
			dir := t.TempDir()
			for i, o := range objects {
				rendered = append(rendered, o["kind"].(string))
				if o["kind"] == "ServiceMonitor" {
					continue // its schema belongs to the Prometheus operator
				}
				out, err := yaml.Marshal(o)
				if err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".yaml"), out, 0o600); err != nil {
					t.Fatal(err)
				}
				if o["kind"] == "StatefulSet" {
					checkPod(t, o)
				}
			}
			slices.Sort(rendered)
			if !slices.Equal(rendered, kinds) {
				t.Errorf("%v, want %v", rendered, kinds)
			}
			checkAround(t, objects, mergeValues(t, name))
			mustRun(t, validate, dir, "--version", "1.29")
		})
	}
}

// TestChartChanges: a changed route of several leaves the pods alone, since the
// members take it up as they run. Another change replaces the pods.
func TestChartChanges(t *testing.T) {
	skipUnlessRelease(t)
	helm := buildModule(t, helmModule)
	render := func(values string, more ...string) string {
		args := []string{"template", "orders", "deploy/chart", "--kube-version", "1.30.0", "-f", "deploy/chart/" + values,
			"--show-only", "templates/statefulset.yaml"}
		return mustRun(t, helm, append(args, more...)...)
	}
	for _, c := range []struct {
		values, change string
		replaced       bool
	}{
		{"values-run.yaml", "run.routes.payments.window=5m", false},
		{"values-run.yaml", "run.defaults.key=local:/etc/streamcrypt/secrets/payment-keys/other.jwk", false},
		{"values-run.yaml", "run.memory=256MiB", true},
		{"values-kafka.yaml", "config.window=5m", true},
	} {
		before, after := render(c.values), render(c.values, "--set", c.change)
		if replaced := before != after; replaced != c.replaced {
			t.Errorf("%s with %s: pods are replaced: %t", c.values, c.change, replaced)
		}
	}
}

// checkPod: nothing in the pod is root, and nothing can be written but the
// volume for it.
func checkPod(t *testing.T, o map[string]any) {
	t.Helper()
	text, err := json.Marshal(o)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`"runAsNonRoot":true`, `"readOnlyRootFilesystem":true`, `"allowPrivilegeEscalation":false`, `"drop":["ALL"]`,
		`"automountServiceAccountToken":false`, `"enableServiceLinks":false`,
		`{"name":"STREAMCRYPT_INSTANCE","valueFrom":{"fieldRef":{"fieldPath":"metadata.name"}}}`,
		`"path":"/readyz"`, `"path":"/healthz"`, `"seccompProfile":{"type":"RuntimeDefault"}`,
	} {
		if !bytes.Contains(text, []byte(want)) {
			t.Errorf("the pod lacks %s", want)
		}
	}
}

// checkAround checks the objects around the pods: they are for these pods, the
// policy opens no more than the values say, and lag is what adds members.
func checkAround(t *testing.T, objects []map[string]any, values map[string]any) {
	t.Helper()
	specs := map[string]map[string]any{}
	for _, o := range objects {
		if spec, ok := o["spec"].(map[string]any); ok {
			specs[o["kind"].(string)] = spec
		}
	}
	pods := specs["StatefulSet"]["selector"]
	given := values["networkPolicy"].(map[string]any)
	var egress []any
	for _, rules := range []string{"brokers", "keyServices"} {
		some, _ := given[rules].([]any)
		egress = append(egress, some...)
	}
	if given["dns"] == true {
		egress = append(egress, map[string]any{
			"to": []any{map[string]any{
				"namespaceSelector": map[string]any{"matchLabels": map[string]any{"kubernetes.io/metadata.name": "kube-system"}},
				"podSelector":       map[string]any{"matchLabels": map[string]any{"k8s-app": "kube-dns"}},
			}},
			"ports": []any{map[string]any{"protocol": "UDP", "port": 53}, map[string]any{"protocol": "TCP", "port": 53}},
		})
	}
	ingress := []any{}
	if scrapers, _ := given["scrapers"].([]any); len(scrapers) > 0 {
		ingress = []any{map[string]any{"from": scrapers, "ports": []any{map[string]any{"protocol": "TCP", "port": "ops"}}}}
	}
	wantJSON(t, "NetworkPolicy", specs["NetworkPolicy"], map[string]any{
		"podSelector": pods, "policyTypes": []any{"Ingress", "Egress"}, "ingress": ingress, "egress": egress,
	})
	wantJSON(t, "PodDisruptionBudget", specs["PodDisruptionBudget"], map[string]any{
		"maxUnavailable": 1, "unhealthyPodEvictionPolicy": "AlwaysAllow", "selector": pods,
	})
	scaling, ok := specs["HorizontalPodAutoscaler"]
	if !ok {
		return
	}
	wantJSON(t, "HorizontalPodAutoscaler, target", scaling["scaleTargetRef"], map[string]any{
		"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "orders",
	})
	kind, metric := "Pods", map[string]any{"name": "streamcrypt_lag_messages"}
	if values["autoscaling"].(map[string]any)["metricType"] == "External" {
		kind = "External"
		metric["selector"] = map[string]any{"matchLabels": map[string]any{"namespace": "pay", "service": "orders"}}
	}
	wantJSON(t, "HorizontalPodAutoscaler, metrics", scaling["metrics"], []any{map[string]any{
		"type": kind, strings.ToLower(kind): map[string]any{
			"metric": metric, "target": map[string]any{"type": "AverageValue", "averageValue": "10000"},
		},
	}})
}

// wantJSON fails the test unless both are the same as JSON.
func wantJSON(t *testing.T, about string, got, want any) {
	t.Helper()
	is, err := json.Marshal(got)
	if err != nil {
		t.Fatal(err)
	}
	should, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(is, should) {
		t.Errorf("%s:\n%s\nwant:\n%s", about, is, should)
	}
}

// readObjects reads the documents of a rendered chart.
func readObjects(t *testing.T, text string) []map[string]any {
	t.Helper()
	var objects []map[string]any
	for decoder := yaml.NewDecoder(strings.NewReader(text)); ; {
		var o map[string]any
		err := decoder.Decode(&o)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			t.Fatal(err)
		}
		if o != nil {
			objects = append(objects, o)
		}
	}
}
