package ops

import (
	"encoding/json"
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
	known := map[string]bool{
		"streamcrypt_build_info": true, "streamcrypt_memory_used_bytes": true, "streamcrypt_configuration_refused": true,
	}
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

// TestDashboard: every expression of the Grafana dashboard names metrics that
// there are, of which a histogram is asked for by its buckets, and nothing else
// with that ending.
func TestDashboard(t *testing.T) {
	board := readDashboard(t)
	known, at, seen := knownMetrics(t), map[[2]int]bool{}, map[string]bool{}
	for _, p := range board.Panels {
		place := [2]int{p.GridPos.X, p.GridPos.Y}
		if p.Title == "" || len(p.Targets) == 0 || at[place] {
			t.Errorf("panel %d, %q: no title, no expression, or upon another one", p.ID, p.Title)
		}
		at[place] = true
		for _, target := range p.Targets {
			names := metricName.FindAllString(target.Expr, -1)
			if len(names) == 0 || target.LegendFormat == "" {
				t.Errorf("%s: %q names no metric or has no legend", p.Title, target.Expr)
			}
			for _, name := range names {
				base, bucket := strings.CutSuffix(name, "_bucket")
				seen[base] = true
				if !known[base] || bucket != strings.Contains(target.Expr, "histogram_quantile") {
					t.Errorf("%s: %s is no metric, or not one of this kind", p.Title, name)
				}
			}
		}
	}
	if len(seen) < 20 {
		t.Errorf("%d metrics are shown", len(seen))
	}
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

// dashboard is the part of a Grafana dashboard that tests look at.
type dashboard struct {
	Panels []struct {
		ID      int
		Title   string
		GridPos struct{ X, Y int }
		Targets []struct{ Expr, LegendFormat string }
	}
}

func readDashboard(t *testing.T) (board dashboard) {
	t.Helper()
	text, err := os.ReadFile("../../deploy/grafana/streamcrypt.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &board); err != nil {
		t.Fatal(err)
	}
	return board
}
