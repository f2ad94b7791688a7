package envelope_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/streamcrypt/streamcrypt/docs/vectors"
	"github.com/streamcrypt/streamcrypt/envelope"
)

// FuzzOpen: whatever comes in, there is a payload or a reason, the same through
// all doors, and never a panic.
func FuzzOpen(f *testing.F) {
	all, err := vectors.All()
	if err != nil {
		f.Fatal(err)
	}
	var everyKey vectors.Vector
	seen := map[string]bool{}
	for i := range all {
		if v := &all[i]; len(v.Envelope) < 10_000 {
			f.Add([]byte(v.Envelope), []byte(v.Key), v.Kind)
			everyKey.Records = append(everyKey.Records, v.Records...)
			everyKey.DictionaryRecords = append(everyKey.DictionaryRecords, v.DictionaryRecords...)
		}
		for _, k := range all[i].Keys {
			if file := string(k.File()); k.Kind != "rsa" && !seen[file] { // RSA makes it too slow to find anything
				seen[file] = true
				everyKey.Keys = append(everyKey.Keys, k)
			}
		}
	}
	f.Fuzz(func(t *testing.T, e, key []byte, kind uint8) {
		b := envelope.Binding{Key: key, Kind: envelope.Kind(kind % 5)}
		everyKey := everyKey
		everyKey.Envelope, everyKey.Context = e, vectors.Hex("orders")
		o := vectorOpener(t, &everyKey)
		var refusal *envelope.Error
		out, err := o.Open(t.Context(), nil, e, b)
		if err != nil && (!errors.As(err, &refusal) || len(out) > 0) {
			t.Fatalf("Open: %d bytes, %v", len(out), err)
		}
		read, readErr := io.ReadAll(o.NewReader(t.Context(), onlyReader{bytes.NewReader(e)}, b))
		if readErr != nil && !errors.As(readErr, &refusal) {
			t.Fatalf("Reader: %v", readErr)
		}
		file, fileErr := io.ReadAll(o.NewReader(t.Context(), bytes.NewReader(e), b))
		if fileErr != nil && !errors.As(fileErr, &refusal) {
			t.Fatalf("Reader of a file: %v", fileErr)
		}
		if err == nil && (readErr != nil || !bytes.Equal(read, out)) {
			t.Fatalf("Open gives %d bytes, Reader %d, %v", len(out), len(read), readErr)
		}
		if (readErr == nil) != (fileErr == nil) || fileErr == nil && !bytes.Equal(read, file) {
			t.Fatalf("a pipe gives %d bytes, %v, a file %d, %v", len(read), readErr, len(file), fileErr)
		}
	})
}
