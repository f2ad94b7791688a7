package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/streamcrypt/streamcrypt/internal/doctor"
	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// runDoctor runs the command with --json, checks that the object fits its
// schema, and returns it.
func runDoctor(t *testing.T, servers mistakenServers, flags string) (int, doctorObject) {
	t.Helper()
	env, args := splitCommand(servers.fillIn(flags))
	code, stdout, stderr := runBinary(t.Context(), t, env, append(args, "--json")...)
	schema, err := jsonschema.NewCompiler().Compile(schemaPath)
	if err != nil {
		t.Fatal(err)
	}
	value, err := jsonschema.UnmarshalJSON(strings.NewReader(stdout))
	if err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	if err := schema.Validate(value); err != nil {
		t.Errorf("%v\n%s", err, stdout)
	}
	for _, secret := range []string{":secret", "=secret", `"secret`, strings.Repeat("a", 42)} { // password and key
		if strings.Contains(stdout+stderr, secret) {
			t.Errorf("a secret is shown:\n%s%s", stdout, stderr)
		}
	}
	var o doctorObject
	if err := json.Unmarshal([]byte(stdout), &o); err != nil {
		t.Fatal(err)
	}
	if (o.Worst == findings.Fail) != (code == exitFailed) || o.Worst != findings.Fail && code != exitOK {
		t.Errorf("exit code %d, worst %s", code, o.Worst)
	}
	return code, o
}

// schemaPath is absolute, since the tests work in folders of their own.
var schemaPath = func() string {
	dir, err := os.Getwd()
	if err != nil {
		panic(err)
	}
	return dir + "/../../docs/doctor.schema.json"
}()

// levelsOf returns the levels that the lines of a check have.
func (o *doctorObject) levelsOf(check string) []findings.Level {
	var levels []findings.Level
	for _, line := range o.Lines {
		if line.Check == check {
			levels = append(levels, line.Level)
		}
	}
	return levels
}

// TestDoctor looks at routes over real brokers of all kinds, with the rights of
// somebody who lacks some. Nothing changes, and no secret is shown.
func TestDoctor(t *testing.T) {
	inMistakesFolder(t)
	write(t, ".", "password", []byte("secret\n"))
	write(t, ".", "beside.yaml", []byte("from: in.ndjson\nto: beside.ndjson\nkey: local:key.jwk\n"))
	servers := startPlanServers(t)
	routes := servers.fillIn("defaults: {key: 'local:key.jwk'}\nroutes:\n" +
		"  good: {do: encrypt, from: 'kafka://$KAFKA/orders?group=enc&sasl=plain&user=root&password-file=password', " +
		"to: 'kafka://$KAFKA/sealed?sasl=plain&user=root&password-file=password'}\n")
	write(t, ".", "run.yaml", []byte(routes+servers.fillIn("  bad: {do: encrypt, from: 'nats://$NATS/ORDERS?consumer=enc&user=joe&password-file=password', "+
		"to: 'nats://$NATS/SEALED?subject=sealed.>&user=joe&password-file=password'}\n")))
	write(t, ".", "wrong.yaml", []byte(routes+"  bad: {do: encrypt, window: soon}\n"))
	const kafka = "kafka://$KAFKA/orders?group=enc&sasl=plain&user=USER&password-file=password"
	tests := []struct {
		name, flags string
		code        int
		lines       map[string]findings.Level // checks of which a line has this level
	}{
		{"machine", "streamcrypt doctor", exitOK, nil},
		{"kafka", "streamcrypt doctor --key local:key.jwk --from " + strings.Replace(kafka, "USER", "root", 1) +
			" --to kafka://$KAFKA/sealed?oversize=reject&sasl=plain&user=root&password-file=password", exitOK, map[string]findings.Level{
			doctor.Reach: findings.OK, doctor.Rights: findings.OK, doctor.Version: findings.OK, doctor.Configuration: findings.OK,
		}},
		{"kafka, without rights", "streamcrypt doctor --key local:key.jwk --from " + strings.Replace(kafka, "USER", "joe", 1) +
			" --to kafka://$KAFKA/sealed?sasl=plain&user=joe&password-file=password", exitFailed, map[string]findings.Level{
			doctor.Rights: findings.Fail,
		}},
		{"nats, without rights", "streamcrypt doctor --key local:key.jwk --from nats://$NATS/ORDERS?consumer=enc&user=joe&password-file=password" +
			" --to nats://$NATS/SEALED?subject=sealed.>&user=joe&password-file=password", exitFailed, map[string]findings.Level{
			doctor.Rights: findings.Fail, doctor.DuplicateWindow: findings.OK, doctor.ClockSkew: findings.OK,
		}},
		{"kms", "$AWS streamcrypt doctor --key awskms:$ARN?endpoint=http://$KMS/ok --from in.ndjson --to out.ndjson", exitOK, map[string]findings.Level{
			doctor.KeyReach: findings.OK, doctor.KeyRights: findings.OK,
		}},
		{"kms, denied", "$AWS streamcrypt doctor --key awskms:$ARN?endpoint=http://$KMS/denied", exitFailed, map[string]findings.Level{
			doctor.KeyRights: findings.Fail,
		}},
		{"mistake", "streamcrypt doctor --key local:key.jwk --from in.ndjson --to kafka://$KAFKA/x?nonsense=1", exitFailed, map[string]findings.Level{
			doctor.Configuration: findings.Fail,
		}},
		{"beside", "streamcrypt doctor --key local:key.jwk --from in.ndjson --to out.ndjson --beside beside.yaml", exitFailed, map[string]findings.Level{
			doctor.SameName: findings.Fail,
		}},
		{"a file of routes", "streamcrypt doctor -c run.yaml", exitFailed, map[string]findings.Level{
			doctor.Rights: findings.Fail, doctor.Configuration: findings.OK, doctor.KeyShared: findings.Warn, doctor.ClockSkew: findings.OK,
		}},
		{"a file with a mistake", "streamcrypt doctor -c wrong.yaml", exitFailed, map[string]findings.Level{
			doctor.Configuration: findings.Fail, doctor.Rights: findings.OK,
		}},
		{"dumps allowed", "streamcrypt --allow-core doctor", exitFailed, map[string]findings.Level{doctor.CoreDumps: findings.Fail}},
		{"verify", "streamcrypt doctor --key local:key.jwk --from in.ndjson --audit none/a.log", exitFailed, map[string]findings.Level{
			doctor.AuditLog: findings.Fail,
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			before := listWorld(t, servers)
			code, o := runDoctor(t, servers, test.flags)
			if after := listWorld(t, servers); after != before {
				t.Errorf("changed\n%s\nto\n%s", before, after)
			}
			if code != test.code {
				bad := slices.DeleteFunc(slices.Clone(o.Lines), func(l findings.Line) bool { return l.Level == findings.OK })
				t.Errorf("exit code %d: %+v", code, bad)
			}
			for check, level := range test.lines {
				if !slices.Contains(o.levelsOf(check), level) {
					t.Errorf("%s: %v, want %s", check, o.levelsOf(check), level)
				}
			}
		})
	}
}

// TestDoctorOfSeveral: the lines about a route of a file have its name, and a
// file is not looked at beside another route.
func TestDoctorOfSeveral(t *testing.T) {
	inMistakesFolder(t)
	write(t, ".", "run.yaml", []byte("defaults: {key: 'local:none.jwk'}\nroutes:\n"+
		"  first: {do: encrypt, from: 'file:in.ndjson', to: 'file:1.ndjson'}\n  second: {do: encrypt, from: 'file:none.ndjson', to: 'file:2.ndjson'}\n"))
	code, stdout, stderr := runArgs(t.Context(), "doctor", "-c", "run.yaml")
	for _, want := range []string{
		"ok    configuration    run.yaml: 2 routes, no mistake\n", "fail  key-reach        route first: key local:none.jwk: ",
		"ok    reach            route first: from file:in.ndjson: ", "fail  settings         route second: from file:none.ndjson: stat ",
	} {
		if code != exitFailed || !strings.Contains(stdout, want) {
			t.Errorf("exit %d, no %q in\n%s%s", code, want, stdout, stderr)
		}
	}
	if code, _, stderr := runArgs(t.Context(), "doctor", "-c", "run.yaml", "--key", "local:key.jwk"); code != exitNotStarted {
		t.Errorf("exit %d: %s", code, stderr)
	}
}

// TestDoctorText: for people each line has its level, its check and, where it
// is not ok, the remedy.
func TestDoctorText(t *testing.T) {
	inMistakesFolder(t)
	code, stdout, stderr := runArgs(t.Context(), "doctor", "--key", "local:none.jwk")
	if code != exitFailed || !strings.Contains(stderr, errUnhealthy.Error()) ||
		!strings.Contains(stdout, "fail  key-reach        key local:none.jwk: ") || !strings.Contains(stdout, "do: is the file there") {
		t.Errorf("exit %d\n%s%s", code, stdout, stderr)
	}
	for _, wrong := range [][]string{{"--to", "x.ndjson"}, {"--from", "in.ndjson"}, {"--audit", "x"}} {
		if code, _, _ := runArgs(t.Context(), append([]string{"doctor"}, wrong...)...); code != exitNotStarted {
			t.Errorf("%v: exit code %d", wrong, code)
		}
	}
}
