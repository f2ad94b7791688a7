package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/docs/vectors"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keystore/dir"
)

// unsayable tells why a vector cannot be said on a command line, or as a line
// of ndjson.
func unsayable(v *vectors.Vector) string {
	tombstones := slices.ContainsFunc(v.Headers, func(h vectors.Header) bool { return string(h.Name) == "streamcrypt" })
	switch {
	case v.Name == "record-seventeenth-try-is-not-made", v.Name == "record-tries-stop-at-wrong-keys-too":
		return "a store keeps equal records once"
	case v.Name == "bomb-one-byte-over-the-limit":
		return "the command takes more"
	case tombstones:
		return "a message with such a header is reserved-header before its envelope is opened"
	case v.Kind > uint8(envelope.Tombstone):
		return "it is no message"
	case v.Medium == "stream":
		return "it is no line"
	case v.Now != nil || v.MaxAge != nil || v.Limit != nil:
		return "it is about another clock or limit"
	case len(v.KeyNames) == 0:
		return "--key is required"
	case len(v.Dictionaries) > 1:
		return "there is one --dictionary"
	case !utf8.Valid(v.Context) || !utf8.Valid(v.KeyContext):
		return "a flag is text"
	case v.KeyContext != nil && len(v.KeyContext) == 0 && len(v.Context) > 0:
		return "an empty --key-context is the context"
	case v.Skew != nil && *v.Skew == 0:
		return "no --max-skew is 5 minutes"
	case slices.ContainsFunc(v.Bind, func(b vectors.Hex) bool { return len(b) == 0 || !utf8.Valid(b) || bytes.ContainsAny(b, ",") }):
		return "a flag is text"
	case v.Time != nil && (*v.Time < -62135596800000 || *v.Time > 253402300799999):
		return "RFC 3339 has no such time"
	}
	return ""
}

// sampleStep is the number of vectors of one kind of which a short test runs
// one, the first.
const sampleStep = 50

// kindOf names the kind of a vector: the verdict about it, and the flags that a
// reader needs for it.
func kindOf(v *vectors.Vector) string {
	return fmt.Sprint(v.Expect, v.Kind, v.KeyNames, len(v.Records) > 0, len(v.Signers) > 0, len(v.Bind) > 0,
		len(v.Dictionaries)+len(v.DictionaryRecords) > 0)
}

// TestVectors runs every vector that can be a record through the decrypt
// command, as a line of ndjson. Each is a start of the command, and most of its
// time is that of making the flags. In short it takes some of each kind: package
// envelope has them all.
func TestVectors(t *testing.T) {
	all, err := vectors.All()
	if err != nil {
		t.Fatal(err)
	}
	said, ofKind := 0, map[string]int{}
	for i := range all {
		v := &all[i]
		if unsayable(v) != "" {
			continue
		}
		said++
		kind := kindOf(v)
		if ofKind[kind]++; testing.Short() && ofKind[kind]%sampleStep != 1 {
			continue
		}
		t.Run(v.Name, func(t *testing.T) { decryptVector(t, v) })
	}
	if said < 600 {
		t.Errorf("%d of %d vectors", said, len(all))
	}
}

func decryptVector(t *testing.T, v *vectors.Vector) {
	dir := t.TempDir()
	out := filepath.Join(dir, "out.ndjson")
	args := []string{
		"decrypt", "--from", "file:" + write(t, dir, "in.ndjson", vectorLine(t, v)), "--to", "file:" + out,
		"--context", string(v.Context), "--on", "skewed=pass",
	}
	if v.KeyContext != nil {
		args = append(args, "--key-context", string(v.KeyContext))
	}
	if v.Skew != nil {
		args = append(args, "--max-skew", fmt.Sprintf("%ds", *v.Skew))
	}
	for i, signer := range v.Signers {
		args = append(args, "--signer", write(t, dir, fmt.Sprintf("signer%d", i), []byte(signer)))
	}
	for _, d := range v.Dictionaries {
		args = append(args, "--dictionary", write(t, dir, "dictionary", d))
	}
	for i := range v.Keys {
		args = append(args, "--key", v.Keys[i].Kind+":"+write(t, dir, fmt.Sprintf("key%d", i), v.Keys[i].File()))
	}
	for _, name := range v.Bind {
		args = append(args, "--bind", "header:"+string(name))
	}
	if len(v.Records)+len(v.DictionaryRecords) > 0 {
		args = append(args, "--keystore", "file:"+vectorStore(t, v))
	}
	code, _, stderr := runArgs(t.Context(), args...)
	got, err := os.ReadFile(out)
	if v.Expect != "ok" {
		want := fmt.Sprintf("streamcrypt: from %s@0: %s", filepath.Join(dir, "in.ndjson"), v.Expect)
		if code != exitFailed || !strings.Contains(spoken(t, stderr), want) || !strings.Contains(spoken(t, stderr), "\nhint: ") {
			t.Errorf("exit code %d, want %q:\n%s", code, want, stderr)
		}
		if !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("an output file of %d bytes is there, %v", len(got), err)
		}
		return
	}
	if code != exitOK || err != nil {
		t.Fatalf("exit code %d, %v:\n%s", code, err, stderr)
	}
	checkLine(t, v, got)
}

// vectorLine writes the message that a vector stands for.
func vectorLine(t *testing.T, v *vectors.Vector) []byte {
	t.Helper()
	fields := map[string]any{}
	var headers [][]any
	for _, h := range v.Headers {
		headers = append(headers, []any{inBase64(h.Name), inBase64(h.Value)})
	}
	if v.Time != nil && *v.Time != -62135596800000 { // the year 1 is none
		fields["time"] = time.UnixMilli(*v.Time).UTC().Format(time.RFC3339Nano)
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
	sum := sha256.Sum256(value)
	if v.SHA256 == nil && !bytes.Equal(value, v.Plaintext) || v.SHA256 != nil && !bytes.Equal(sum[:], v.SHA256) ||
		(value == nil) != tombstone {
		t.Errorf("a value of %d bytes, want %d", len(value), max(len(v.Plaintext), v.Length))
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
	put := func(name [kekcache.KIDSize]byte, record []byte) {
		if err := store.Put(context.Background(), name, record); err != nil {
			t.Fatal(err)
		}
	}
	var e cms.Envelope
	if err := cms.Parse(v.Envelope, &e); err == nil && e.ByReference {
		for _, record := range v.Records {
			put([kekcache.KIDSize]byte(e.KID), record)
		}
	}
	for _, d := range v.DictionaryRecords {
		put([kekcache.KIDSize]byte(d.Name), d.Bytes)
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
