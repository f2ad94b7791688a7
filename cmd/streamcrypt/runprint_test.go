package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// readEndings reads lines of JSON, each of which fits its schema, by the name
// of the route.
func readEndings(t *testing.T, stdout string) map[string]logLine {
	t.Helper()
	schema, err := jsonschema.NewCompiler().Compile(strings.Replace(schemaPath, "doctor", "result", 1))
	if err != nil {
		t.Fatal(err)
	}
	endings := make(map[string]logLine)
	for line := range strings.Lines(stdout) {
		value, err := jsonschema.UnmarshalJSON(strings.NewReader(line))
		if err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		if err := schema.Validate(value); err != nil {
			t.Errorf("%v: %s", err, line)
		}
		var l logLine
		if err := json.Unmarshal([]byte(line), &l); err != nil {
			t.Fatal(err)
		}
		if _, twice := endings[l.Route]; twice {
			t.Errorf("%q ended twice", l.Route)
		}
		endings[l.Route] = l
	}
	return endings
}

// TestRunJSON: each route prints how it ended, and a run that has not begun
// prints that.
func TestRunJSON(t *testing.T) {
	inMistakesFolder(t)
	write(t, ".", "more.ndjson", []byte(`{"value":"no envelope"}`+"\n"))
	file := write(t, ".", "run.yaml", []byte("defaults: {key: 'local:key.jwk'}\nroutes:\n"+
		"  good: {do: encrypt, from: 'file:in.ndjson', to: 'file:1.ndjson'}\n"+
		"  bad: {do: decrypt, from: 'file:more.ndjson', to: 'file:2.ndjson'}\n"+
		"  none: {do: encrypt, from: 'file:none.ndjson', to: 'file:3.ndjson'}\n"))
	code, stdout, stderr := runArgs(t.Context(), "run", "-c", file, "--json", "--instance", "member-7")
	endings := readEndings(t, stdout)
	if code != exitFailed || len(endings) != 3 {
		t.Fatalf("exit code %d, %d endings:\n%s%s", code, len(endings), stdout, stderr)
	}
	for name, want := range map[string]int{"good": exitOK, "bad": exitFailed, "none": exitNotStarted} {
		if got := endings[name]; got.ExitCode != want || (got.Error == "") != (want == exitOK) || *got.Complete != (want == exitOK) {
			t.Errorf("%s: %+v", name, got)
		}
		if got := endings[name].Instance; got != "member-7" {
			t.Errorf("%s: of instance %q", name, got)
		}
	}
	write(t, ".", "wrong.yaml", []byte("routes: {a: {do: encrypt}}\n"))
	code, stdout, _ = runArgs(t.Context(), "run", "-c", "wrong.yaml", "--json")
	if got := readEndings(t, stdout)[""]; code != exitNotStarted || got.ExitCode != exitNotStarted || got.Error == "" {
		t.Errorf("exit code %d: %s", code, stdout)
	}
}

// TestRunPlan: the plans of all routes are shown, one that would not start keeps
// no other from it, and nothing changes.
func TestRunPlan(t *testing.T) {
	inMistakesFolder(t)
	write(t, ".", "password", []byte("secret\n"))
	servers := startPlanServers(t)
	text := "defaults: {key: 'local:key.jwk'}\nroutes:\n" +
		"  good: {do: encrypt, from: 'kafka://$KAFKA/orders?group=enc&sasl=plain&user=root&password-file=password', " +
		"to: 'kafka://$KAFKA/sealed?oversize=reject&sasl=plain&user=root&password-file=password'}\n" +
		"  file: {do: encrypt, from: 'file:in.ndjson', to: 'file:1.ndjson'}\n"
	bad := "  bad: {do: encrypt, from: 'nats://$NATS/ORDERS?consumer=enc&user=joe&password-file=password', " +
		"to: 'nats://$NATS/SEALED?subject=sealed.>&user=joe&password-file=password'}\n"
	write(t, ".", "good.yaml", []byte(servers.fillIn(text)))
	write(t, ".", "run.yaml", []byte(servers.fillIn(text+bad)))
	before := listWorld(t, servers)
	code, stdout, stderr := runArgs(t.Context(), "run", "-c", "good.yaml", "--plan")
	if code != exitOK || !strings.HasPrefix(stdout, "good: encrypt\n") || !strings.Contains(stdout, "\n\nfile: encrypt\n") {
		t.Errorf("exit code %d:\n%s%s", code, stdout, stderr)
	}
	code, stdout, stderr = runArgs(t.Context(), "run", "-c", "run.yaml", "--plan", "--json")
	ready := make(map[string]bool)
	for line := range strings.Lines(stdout) {
		var plan planObject
		if err := json.Unmarshal([]byte(line), &plan); err != nil {
			t.Fatal(err)
		}
		ready[plan.Route] = plan.Ready
	}
	if code != exitNotStarted || len(ready) != 3 || !ready["good"] || !ready["file"] || ready["bad"] || !strings.Contains(stderr, "route bad: ") {
		t.Errorf("exit code %d, %v:\n%s", code, ready, stderr)
	}
	if after := listWorld(t, servers); after != before {
		t.Errorf("changed\n%s\nto\n%s", before, after)
	}
	if _, err := os.Stat("1.ndjson"); err == nil {
		t.Error("an output was made")
	}
}
