package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/streamcrypt/streamcrypt/internal/endpoint/all"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// readShown returns the example of docs/operate.md behind a comment with its
// name.
func readShown(t *testing.T, name string) string {
	t.Helper()
	page, err := os.ReadFile("../../docs/operate.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(page), "<!-- "+name+" -->\n```yaml\n")
	if !found {
		t.Fatalf("docs/operate.md shows no %s", name)
	}
	text, _, _ := strings.Cut(rest, "```\n")
	return text
}

// unitCommands returns the command lines of a unit for streamcrypt, with a
// folder in the place of /etc/streamcrypt.
func unitCommands(t *testing.T, unit, instance, folder string) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("../../deploy/systemd/" + unit)
	if err != nil {
		t.Fatal(err)
	}
	command := regexp.MustCompile(`(?m)^Environment=COMMAND=(.*)$`).FindStringSubmatch(string(text))
	if command == nil {
		command = []string{"", ""}
	}
	lines := map[string][]string{}
	for _, found := range regexp.MustCompile(`(?m)^(Exec\w+)=/usr/bin/streamcrypt (.*)$`).FindAllStringSubmatch(string(text), -1) {
		line := strings.NewReplacer("/etc/streamcrypt", folder, "%i", instance, "$COMMAND", command[1]).Replace(found[2])
		lines[found[1]] = strings.Fields(line)
	}
	return lines
}

// TestUnitCommands runs the command lines of the units with the configurations
// that docs/operate.md shows. They get as far as the key, which is not there.
func TestUnitCommands(t *testing.T) {
	for unit, example := range map[string]string{
		"streamcrypt.service": "streamcrypt.yaml", "streamcrypt@.service": "streamcrypt@.yaml",
	} {
		t.Run(unit, func(t *testing.T) {
			folder := t.TempDir()
			lines := unitCommands(t, unit, "payments", folder)
			text := strings.ReplaceAll(readShown(t, example), "/etc/streamcrypt", folder)
			text = strings.ReplaceAll(text, "127.0.0.1:9464", "127.0.0.1:0") // another program may have it here
			start := lines["ExecStart"]
			file := start[len(start)-1]
			if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			code, _, stderr := runArgs(t.Context(), start...)
			if code != exitNotStarted || !strings.Contains(stderr, "orders.jwk: no such file") {
				t.Errorf("%q ends with %d: %s", start, code, stderr)
			}
			if lines["ExecReload"] == nil {
				return
			}
			if code, stdout, stderr := runArgs(t.Context(), lines["ExecReload"]...); code != exitOK || !strings.Contains(stdout, "1 routes") {
				t.Errorf("%q ends with %d: %s", lines["ExecReload"], code, stderr)
			}
			if err := os.WriteFile(file, []byte(strings.Replace(text, "do: encrypt", "do: encript", 1)), 0o600); err != nil {
				t.Fatal(err)
			}
			for name, line := range lines {
				if code, _, stderr := runArgs(t.Context(), line...); code != exitNotStarted || !strings.Contains(stderr, "encript") {
					t.Errorf("%s=%q with a mistake in the file ends with %d: %s", name, line, code, stderr)
				}
			}
		})
	}
}

// TestChartRoutes: the routes of the chart's example are without mistakes, in a
// pod whose name is in the environment.
func TestChartRoutes(t *testing.T) {
	text, err := os.ReadFile("../../deploy/chart/values-run.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var values struct{ Run map[string]any }
	if err := yaml.Unmarshal(text, &values); err != nil {
		t.Fatal(err)
	}
	content, err := yaml.Marshal(values.Run)
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	named := strings.ReplaceAll(string(content), "/etc/streamcrypt", folder)
	file := write(t, folder, "streamcrypt.yaml", []byte(named))
	for _, name := range []string{"files/kafka-ca/ca.crt", "secrets/nats-login/refunds.creds"} {
		if err := os.MkdirAll(filepath.Join(folder, filepath.Dir(name)), 0o700); err != nil {
			t.Fatal(err)
		}
		write(t, folder, name, nil)
	}
	t.Setenv("STREAMCRYPT_INSTANCE", "payments-0")
	if code, stdout, stderr := runArgs(t.Context(), "config", "check", file); code != exitOK || !strings.Contains(stdout, "2 routes") {
		t.Errorf("%d: %s", code, stderr)
	}
	code, _, stderr := runArgs(t.Context(), "run", "--config", file)
	if code != exitNotStarted || !strings.Contains(stderr, "route payments: key local:") ||
		!strings.Contains(stderr, "route refunds: key local:") || !strings.Contains(stderr, `"instance":"payments-0"`) {
		t.Errorf("%d: %s", code, stderr)
	}
}

// TestRunInstance: the process's instance is that of each route without one.
func TestRunInstance(t *testing.T) {
	const text = `instance: pod-0
routes:
  a: {do: encrypt, from: 'kafka://h:9092/a?group=g', to: 'kafka://h:9092/b', key: 'local:k'}
  c: {do: encrypt, from: 'kafka://h:9092/c?group=g', to: 'kafka://h:9092/d', key: 'local:k', instance: own}
`
	file, err := readRunFile("run.yaml", []byte(text), all.Table())
	if err != nil {
		t.Fatal(err)
	}
	if err := file.checkRoutes(&file.process, route.Env{Log: quiet, Endpoints: all.Table()}, 1<<40); err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{"pod-0", "own"} {
		if m := file.members[i]; m.Config.Instance != want {
			t.Errorf("route %s is %q, want %q", m.Name, m.Config.Instance, want)
		}
	}
}
