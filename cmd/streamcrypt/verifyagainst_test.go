package main

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

// TestComparisonReport: the report and the object of --json fit their schemas,
// and the signature is over the bytes of the report.
func TestComparisonReport(t *testing.T) {
	proofs, err := jsonschema.NewCompiler().Compile(filepath.Join(filepath.Dir(schemaPath), "proof.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	results, err := jsonschema.NewCompiler().Compile(filepath.Join(filepath.Dir(schemaPath), "result.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	run := func(code int, args ...string) (stdout string) {
		t.Helper()
		got, stdout, stderr := runBinary(t.Context(), t, nil, args...)
		if got != code {
			t.Fatalf("%v: exit code %d: %s", args, got, stderr)
		}
		return stdout
	}
	run(exitOK, "keygen", "local", "--out", "k.jwk")
	run(exitOK, "keygen", "ed25519", "--out", "sign.pem")
	line := `{"key":"secret-key","value":"secret-value","headers":[["name","secret-header"]]}` + "\n"
	for name, n := range map[string]int{"in.ndjson": 5, "more.ndjson": 7} {
		if err := os.WriteFile(name, []byte(strings.Repeat(line, n)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	run(exitOK, "encrypt", "--from", "in.ndjson", "--to", "s.scx", "--key", "local:k.jwk")
	for from, code := range map[string]int{"in.ndjson": exitOK, "more.ndjson": exitFailed} {
		stdout := run(code, "verify", "--from", from, "--against", "s.scx", "--key", "local:k.jwk", "--json",
			"--report", from+".json", "--sign", "sign.pem")
		report, err := os.ReadFile(from + ".json")
		if err != nil {
			t.Fatal(err)
		}
		for text, schema := range map[string]*jsonschema.Schema{stdout: results, string(report): proofs} {
			value, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
			if err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			if err := schema.Validate(value); err != nil {
				t.Errorf("%v\n%s", err, text)
			}
			if strings.Contains(text, "secret") {
				t.Errorf("the report shows content: %s", text)
			}
		}
		var o struct {
			Complete   bool
			Comparison struct{ Identical bool }
		}
		if err := json.Unmarshal([]byte(stdout), &o); err != nil {
			t.Fatal(err)
		}
		if want := code == exitOK; o.Complete != want || o.Comparison.Identical != want {
			t.Errorf("%s: %s", from, stdout)
		}
		signature, err := os.ReadFile(from + ".json.sig")
		if err != nil {
			t.Fatal(err)
		}
		block, _ := pem.Decode([]byte(run(exitOK, "keygen", "--public", "sign.pem")))
		public, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			t.Fatal(err)
		}
		if !ed25519.Verify(public.(ed25519.PublicKey), report, signature) {
			t.Error("the signature does not verify")
		}
	}
}
