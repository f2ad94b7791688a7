//go:build releasecheck

package ops

import (
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// runPromtool runs Debian's promtool, which must succeed.
func runPromtool(t *testing.T, in string, args ...string) {
	t.Helper()
	c := exec.CommandContext(t.Context(), "promtool", args...)
	c.Stdin = strings.NewReader(in)
	if out, err := c.CombinedOutput(); err != nil {
		t.Errorf("promtool %q (Debian: apt-get install prometheus): %v\n%s", args, err, out)
	}
}

// TestPromtool has Prometheus's own tool read the rules, the dashboard's
// expressions as rules, and the exposition.
func TestPromtool(t *testing.T) {
	runPromtool(t, "", "check", "rules", "../../deploy/prometheus/alerts.yml")
	s := serve(t, Options{Address: "127.0.0.1:0"}, one(busyRoute()))
	_, text := get(t, s, "/metrics")
	runPromtool(t, text, "check", "metrics")

	var rules strings.Builder
	rules.WriteString("groups:\n- name: dashboard\n  rules:\n")
	for i, expr := range listExpressions(t) {
		expr = strings.NewReplacer("$__rate_interval", "5m", "$route", ".*").Replace(expr)
		rules.WriteString("  - record: x\n    expr: '" + expr + "'\n    labels: {n: '" + strconv.Itoa(i) + "'}\n")
	}
	path := filepath.Join(t.TempDir(), "rules.yml")
	if err := os.WriteFile(path, []byte(rules.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	runPromtool(t, "", "check", "rules", path)
}

// listExpressions returns the expressions of the dashboard.
func listExpressions(t *testing.T) (all []string) {
	t.Helper()
	for _, p := range readDashboard(t).Panels {
		for _, target := range p.Targets {
			all = append(all, target.Expr)
		}
	}
	return all
}
