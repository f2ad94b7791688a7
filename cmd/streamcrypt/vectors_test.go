package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/docs/vectors"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keystore/dir"
)

// unsayable are the vectors that cannot be said on a command line.
var unsayable = map[string]string{
	"self-contained-context-not-utf8":     "a flag is text",
	"by-reference-context-not-utf8":       "a flag is text",
	"self-contained-bound-bytewise-order": "it binds a header without a name",
	"by-reference-bound-bytewise-order":   "it binds a header without a name",
	"no-keys-configured":                  "--key is required",
}

// TestVectors runs every vector that can be a record through the decrypt
// command, as a line of ndjson.
func TestVectors(t *testing.T) {
	all, err := vectors.All()
	if err != nil {
		t.Fatal(err)
	}
	left := len(unsayable)
	for i := range all {
		v := &all[i]
		if v.Kind > 1 { // key records and end records are no messages
			continue
		}
		if unsayable[v.Name] != "" {
			left--
			continue
		}
		t.Run(v.Name, func(t *testing.T) { decryptVector(t, v) })
	}
	if left != 0 {
		t.Errorf("%d vectors were to be skipped and are not there", left)
	}
}

func decryptVector(t *testing.T, v *vectors.Vector) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.ndjson")
	args := []string{
		"decrypt", "--from", "file:" + write(t, dir, "in.ndjson", vectorLine(t, v)), "--to", "file:" + out,
		"--context", string(v.Context),
	}
	for i := range v.Keys {
		args = append(args, "--key", v.Keys[i].Kind+":"+write(t, dir, fmt.Sprintf("key%d", i), v.Keys[i].File()))
	}
	for _, b := range v.Bound {
		args = append(args, "--bind", "header:"+string(b.Name))
	}
	if len(v.Records) > 0 {
		args = append(args, "--keystore", "file:"+vectorStore(t, v))
	}
	var stdout, stderr bytes.Buffer
	code := run(t.Context(), args, stdio{strings.NewReader(""), &stdout, &stderr})
	got, err := os.ReadFile(out)
	if v.Expect != "ok" {
		want := fmt.Sprintf("streamcrypt: from %s@0: %s", filepath.Join(dir, "in.ndjson"), v.Expect)
		if code != exitFailed || !strings.Contains(spoken(t, stderr.String()), want) || !strings.Contains(spoken(t, stderr.String()), "\nhint: ") {
			t.Errorf("exit code %d, want %q:\n%s", code, want, &stderr)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("an output file of %d bytes is there, %v", len(got), err)
		}
		return
	}
	if code != exitOK || err != nil {
		t.Fatalf("exit code %d, %v:\n%s", code, err, &stderr)
	}
	checkLine(t, v, got)
}

// vectorLine writes the message that a vector stands for.
func vectorLine(t *testing.T, v *vectors.Vector) []byte {
	t.Helper()
	fields := map[string]any{}
	var headers [][]any
	for _, b := range v.Bound {
		for _, value := range b.Values {
			headers = append(headers, []any{inBase64(b.Name), inBase64(value)})
		}
	}
	if v.Kind == uint8(envelope.Tombstone) {
		fields["value"] = nil
		headers = append(headers, []any{"streamcrypt", inBase64(v.Envelope)})
	} else {
		fields["value64"] = []byte(v.Envelope)
	}
	if v.Key != nil {
		fields["key64"] = []byte(v.Key)
	}
	if v.Subject != nil {
		fields["subject64"] = []byte(v.Subject)
	}
	if headers != nil {
		fields["headers"] = headers
	}
	b, err := json.Marshal(fields)
	if err != nil {
		t.Fatal(err)
	}
	return append(b, '\n')
}

func inBase64(b vectors.Hex) any {
	if b == nil {
		return nil
	}
	return map[string][]byte{"b64": b}
}

// checkLine holds the decrypted line against the vector: its value, and that
// the envelope's header is gone.
func checkLine(t *testing.T, v *vectors.Vector, b []byte) {
	t.Helper()
	var got struct {
		Value   *string `json:"value"`
		Value64 *[]byte `json:"value64"`
	}
	if err := json.Unmarshal(b, &got); err != nil {
		t.Fatalf("%q: %v", b, err)
	}
	var value []byte
	switch {
	case got.Value64 != nil:
		value = *got.Value64
	case got.Value != nil:
		value = []byte(*got.Value)
	}
	tombstone := v.Kind == uint8(envelope.Tombstone)
	if !bytes.Equal(value, v.Plaintext) || (value == nil) != tombstone {
		t.Errorf("a value of %d bytes, want %d", len(value), len(v.Plaintext))
	}
	if bytes.Contains(b, []byte(`"streamcrypt"`)) {
		t.Errorf("the envelope's header is still there: %.200s", b)
	}
}

// vectorStore makes a store of the vector's key records, each under the kid
// that its commitment gives.
func vectorStore(t *testing.T, v *vectors.Vector) string {
	t.Helper()
	folder := t.TempDir()
	store, err := dir.Open(folder)
	if err != nil {
		t.Fatal(err)
	}
	for _, record := range v.Records {
		var e cms.Envelope
		if err := cms.ParseKeyRecord(record, &e); err != nil {
			t.Fatal(err)
		}
		if err := store.Put(context.Background(), [kekcache.KIDSize]byte(e.Commitment), record); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

func write(t *testing.T, dir, name string, content []byte) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}
