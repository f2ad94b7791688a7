package route

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// TestHungKeyStore: a key store that does not answer, as a file system in a
// network may, is given up when the run is told to end. That a message waits
// for its key is no reason to use up the grace period, which is longer here
// than any test.
func TestHungKeyStore(t *testing.T) {
	testDir(t)
	must(t, os.Mkdir("store", 0o700))
	writeFile(t, "in.ndjson", []byte("{\"value\":\"1\"}\n{\"value\":\"2\"}\n"))
	mustRun(t, Encrypt, config("ref", Config{From: "file:in.ndjson", To: "file:s.ndjson"}))
	records, err := filepath.Glob("store/*")
	if err != nil || len(records) != 1 {
		t.Fatal(records, err)
	}
	must(t, os.Remove(records[0]))
	must(t, syscall.Mkfifo(records[0], 0o600)) // a read of it waits for a writer
	for name, open := range map[string]direct{"decrypt": Decrypt, "verify": Verify, "rewrap": Rewrap} {
		t.Run(name, func(t *testing.T) {
			c := config("ref", Config{From: "file:s.ndjson", To: "file:out.ndjson", Keys: []string{"local:k.jwk"}, Grace: time.Hour})
			if name == "rewrap" {
				c.OldKeys, c.Keys = c.Keys, []string{"local:other.jwk"}
			}
			if name == "verify" {
				c.To = ""
			}
			r, err := open(t.Context(), c, Env{Log: quiet})
			must(t, err)
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			writer := make(chan *os.File)
			go func() {
				f, err := os.OpenFile(records[0], os.O_WRONLY, 0) // waits for the reader
				if err != nil {
					t.Error(err)
				}
				writer <- f
			}()
			ended := make(chan error, 1)
			go func() { ended <- r.Run(ctx) }()
			f := <-writer // nothing is ever written to it
			defer f.Close()
			cancel()
			if err := <-ended; !errors.Is(err, ErrInterrupted) {
				t.Errorf("got %v", err)
			}
			must(t, r.Close())
			noFile(t, "out.ndjson")
		})
	}
}
