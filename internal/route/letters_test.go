package route

import (
	"strings"
	"testing"
)

// TestLetterValues checks how much of a refused value its letter has, and that
// nothing of a plaintext can be asked for.
func TestLetterValues(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", []byte("{\"value\":\"no envelope\"}\n{\"valeu\":\"no record\"}\n"))
	for values, want := range map[string][]string{
		"":     {`"value":"no envelope"`, "no record"},
		"full": {`"value":"no envelope"`, "no record"},
		"hash": {`["streamcrypt-value-size","11"]`, `["streamcrypt-value-size","22"]`},
		"none": {`"value":null`},
	} {
		c := Config{From: "file:in.ndjson", To: "file:out.ndjson", DeadLetter: "file:dead" + values + ".ndjson", DeadLetterValue: values, Overwrite: true}
		s := mustRun(t, Decrypt, c)
		if s.Rejected != 2 {
			t.Errorf("%q: %+v", values, s)
		}
		dead := string(readFile(t, "dead"+values+".ndjson"))
		for _, part := range want {
			if !strings.Contains(dead, part) {
				t.Errorf("%q: no %s in %s", values, part, dead)
			}
		}
		if full := values == "" || values == "full"; strings.Contains(dead, "no envelope") != full || strings.Contains(dead, "no record") != full {
			t.Errorf("%q: %s", values, dead)
		}
	}
	c := Config{From: "file:in.ndjson", To: "file:s.scx", DeadLetter: "file:d.ndjson", DeadLetterValue: "hash"}
	refuses(t, Encrypt, c, "when encrypting a value is plaintext")
	c.DeadLetterValue = "none"
	mustRun(t, Encrypt, c)
	if dead := string(readFile(t, "d.ndjson")); strings.Contains(dead, "record") {
		t.Errorf("the letter of encrypting has the line: %s", dead)
	}
	refuses(t, Decrypt, Config{From: "file:in.ndjson", To: "file:o.ndjson", DeadLetterValue: "none"}, "no dead letters")
	refuses(t, Decrypt, Config{From: "file:in.ndjson", To: "file:o.ndjson", DeadLetter: "file:d.ndjson", DeadLetterValue: "all"}, `"all"`)
}
