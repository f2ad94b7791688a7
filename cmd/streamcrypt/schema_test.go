package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
)

// compileSchema returns the schema that config schema prints.
func compileSchema(t *testing.T) *jsonschema.Schema {
	t.Helper()
	code, stdout, stderr := runArgs(t.Context(), "config", "schema")
	if code != exitOK {
		t.Fatal(stderr)
	}
	document, err := jsonschema.UnmarshalJSON(strings.NewReader(stdout))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	if err := compiler.AddResource("run.json", document); err != nil {
		t.Fatal(err)
	}
	schema, err := compiler.Compile("run.json")
	if err != nil {
		t.Fatal(err)
	}
	return schema
}

func parseYAML(t *testing.T, text string) any {
	t.Helper()
	var v any
	if err := yaml.Unmarshal([]byte(text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestExample: the example is without mistakes, and its schema agrees.
func TestExample(t *testing.T) {
	code, example, stderr := runArgs(t.Context(), "config", "example")
	if code != exitOK {
		t.Fatal(stderr)
	}
	if err := compileSchema(t).Validate(parseYAML(t, example)); err != nil {
		t.Error(err)
	}
	if docs, err := os.ReadFile("../../docs/config.md"); err != nil || !strings.Contains(string(docs), "```yaml\n"+example+"```\n") {
		t.Errorf("docs/config.md does not show the example: %v", err)
	}
	file := filepath.Join(t.TempDir(), "example.yaml")
	if err := os.WriteFile(file, []byte(example), 0o600); err != nil {
		t.Fatal(err)
	}
	code, stdout, stderr := runArgs(t.Context(), "config", "check", file)
	if code != exitOK || !strings.HasSuffix(stdout, ": 3 routes, no mistake found\n") {
		t.Errorf("exit code %d, %s%s", code, stdout, stderr)
	}
}

// TestSchemaRefuses: the schema knows fields, words and forms of values, of
// each command.
func TestSchemaRefuses(t *testing.T) {
	schema := compileSchema(t)
	route := func(fields string) string { return "routes: {a: {do: encrypt, from: x, to: y, key: z" + fields + "}}" }
	for text, good := range map[string]bool{
		route(""):                                          true,
		route(", key: [a, b], window: 1m30s"):              false, // a field twice is no YAML
		route(", window: 1m30s"):                           true,
		route(", chunk-size: 64KiB"):                       true,
		route(", chunk-size: 65536"):                       true,
		route(", overwrite: true"):                         true,
		route(", bind: [header:a, time]"):                  true,
		route(", windwo: 1m"):                              false,
		route(", window: soon"):                            false,
		route(", chunk-size: lots"):                        false,
		route(", profile: slef"):                           false,
		route(", max-age: 1h"):                             false,
		route(", workers: 2"):                              false,
		"routes: {a: {do: decrypt, max-age: 1h}}":          true,
		"routes: {a: {do: keygen}}":                        false,
		"routes: {a: {from: x}}":                           false,
		"routes: {a/b: {do: encrypt}}":                     false,
		"routes: {}":                                       false,
		"workers: 2":                                       false,
		"{memory: 1GiB, routes: {a: {do: encrypt}}}":       true,
		"{memory: -1, routes: {a: {do: encrypt}}}":         false,
		"{on-failure: stop, routes: {a: {do: encrypt}}}":   false,
		"{defaults: {key: k}, routes: {a: {do: encrypt}}}": true,
		"{defaults: {kye: k}, routes: {a: {do: encrypt}}}": false,
	} {
		var v any
		err := yaml.Unmarshal([]byte(text), &v)
		if err == nil {
			err = schema.Validate(v)
		}
		if (err == nil) != good {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestExpandSecrets(t *testing.T) {
	t.Setenv("DIR", "/run/secrets")
	t.Setenv("EMPTY", "")
	for _, c := range []struct{ field, in, out, err string }{
		{"from", "nats://h/S?creds=${DIR}/nats&consumer=c", "nats://h/S?creds=/run/secrets/nats&consumer=c", ""},
		{"from", "kafka://h/t?key=${DIR}/k&password-file=${DIR}/p", "kafka://h/t?key=/run/secrets/k&password-file=/run/secrets/p", ""},
		{"key", "local:${DIR}/key.jwk", "local:/run/secrets/key.jwk", ""},
		{"sign", "${DIR}/sign.pem", "/run/secrets/sign.pem", ""},
		{"ops-token-file", "${DIR}/token", "/run/secrets/token", ""},
		{"from", "kafka://h/t?group=g", "kafka://h/t?group=g", ""},
		{"from", "kafka://h/$t?group=g", "kafka://h/$t?group=g", ""},
		{"from", "kafka://h/${DIR}", "", "variables stand only"},
		{"from", "kafka://${DIR}/t", "", "variables stand only"},
		{"from", "kafka://h/t?group=${DIR}", "", "variables stand only"},
		{"to", "file:${DIR}/out", "", "variables stand only"},
		{"name", "${DIR}", "", "variables stand only"},
		{"sign", "a${DIR}", "", "variables stand only"},
		{"sign", "${DIR}/${DIR}", "", "variables stand only"},
		{"key", "local:${EMPTY}/k", "", "no such variable"},
		{"key", "local:${A B}/k", "", "not a variable"},
		{"key", "local:${DIR", "", "not a variable"},
	} {
		out, err := expandSecrets(c.field, c.in)
		switch {
		case c.err == "" && (err != nil || out != c.out):
			t.Errorf("%s: %q, %v", c.in, out, err)
		case c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)):
			t.Errorf("%s: %q, %v", c.in, out, err)
		}
	}
}
