package ops

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

var metricName = regexp.MustCompile(`streamcrypt_[a-z_]*[a-z]`)

// knownMetrics returns the names of the metrics of names.go.
func knownMetrics(t *testing.T) map[string]bool {
	t.Helper()
	code, err := os.ReadFile("names.go")
	if err != nil {
		t.Fatal(err)
	}
	known := map[string]bool{"streamcrypt_build_info": true}
	for _, m := range regexp.MustCompile(`describe\(\s*"([a-z_]+)"`).FindAllStringSubmatch(string(code), -1) {
		known["streamcrypt_"+m[1]] = true
	}
	if len(known) < 35 {
		t.Fatalf("%d metrics", len(known))
	}
	return known
}

// TestDocumented: the table in docs/operate.md has every metric and no other,
// and the rules for alerts use no other.
func TestDocumented(t *testing.T) {
	known := knownMetrics(t)
	read := func(path string) map[string]bool {
		t.Helper()
		text, err := os.ReadFile(filepath.FromSlash(path))
		if err != nil {
			t.Fatal(err)
		}
		named := make(map[string]bool)
		for _, name := range metricName.FindAllString(string(text), -1) {
			named[name] = true
			if !known[name] {
				t.Errorf("%s names %s, which is no metric", path, name)
			}
		}
		return named
	}
	documented := read("../../docs/operate.md")
	for name := range known {
		if !documented[name] {
			t.Errorf("docs/operate.md does not name %s", name)
		}
	}
	read("../../deploy/prometheus/alerts.yml")
}

// TestAlerts reads the rules as Prometheus would: every rule has a name, an
// expression and a summary.
func TestAlerts(t *testing.T) {
	text, err := os.ReadFile("../../deploy/prometheus/alerts.yml")
	if err != nil {
		t.Fatal(err)
	}
	type rule struct {
		Alert, Expr, For string
		Labels           map[string]string
		Annotations      map[string]string
	}
	var file struct {
		Groups []struct {
			Name  string
			Rules []rule
		}
	}
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&file); err != nil {
		t.Fatal(err)
	}
	if len(file.Groups) != 1 || len(file.Groups[0].Rules) < 8 {
		t.Fatalf("%+v", file)
	}
	for _, r := range file.Groups[0].Rules {
		if r.Alert == "" || r.Expr == "" || r.Labels["severity"] == "" || r.Annotations["summary"] == "" {
			t.Errorf("%+v", r)
		}
	}
}
