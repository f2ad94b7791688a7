package route

import (
	"bytes"
	"context"
	"crypto/fips140"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/keys/local"
)

// testDir makes a folder with key files the current one: k.jwk, other.jwk,
// x.pem, x.pub. Tests that use it are not parallel.
func testDir(t *testing.T) {
	t.Helper()
	t.Chdir(t.TempDir())
	for _, name := range []string{"k.jwk", "other.jwk"} {
		key, err := local.GenerateAES()
		must(t, err)
		writeFile(t, name, key)
	}
	if fips140.Enforced() {
		return // there is no X25519 then
	}
	key, err := local.GenerateX25519()
	must(t, err)
	writeFile(t, "x.pem", key)
	pub, err := local.Public(key)
	must(t, err)
	writeFile(t, "x.pub", pub)
}

// newRSA is an RSA key of the smallest size.
func newRSA(t *testing.T) []byte {
	t.Helper()
	key, err := local.GenerateRSA(local.MinRSABits)
	must(t, err)
	return key
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func writeFile(t *testing.T, name string, b []byte) {
	t.Helper()
	must(t, os.WriteFile(name, b, 0o600))
}

func readFile(t *testing.T, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(name)
	must(t, err)
	return b
}

var quiet = slog.New(slog.DiscardHandler)

type direct func(context.Context, Config, Env) (*Route, error)

// run opens a route, runs it to its end and closes it.
func run(t *testing.T, open direct, c Config, env Env) (Snapshot, error) {
	t.Helper()
	if env.Log == nil {
		env.Log = quiet
	}
	if c.Keys == nil {
		c.Keys = []string{"local:k.jwk"}
	}
	if c.Wait == nil {
		c.Wait = new(time.Duration) // a service that is away in a test stays away
	}
	r, err := open(t.Context(), c, env)
	if err != nil {
		return Snapshot{}, err
	}
	err = r.Run(t.Context())
	s := r.Snapshot()
	must(t, r.Close())
	return s, err
}

func mustRun(t *testing.T, open direct, c Config) Snapshot {
	t.Helper()
	s, err := run(t, open, c, Env{})
	must(t, err)
	return s
}

// fails runs a route that must not go well, and returns its error.
func fails(t *testing.T, open direct, c Config, want string) error {
	t.Helper()
	_, err := run(t, open, c, Env{})
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("got error %v, want %q in it", err, want)
	}
	return err
}

// refuses opens a route that must not open: the error comes before anything is
// read.
func refuses(t *testing.T, open direct, c Config, want string) error {
	t.Helper()
	if c.Keys == nil {
		c.Keys = []string{"local:k.jwk"}
	}
	if c.Wait == nil {
		c.Wait = new(time.Duration) // a service that is away in a test stays away
	}
	r, err := open(t.Context(), c, Env{Log: quiet})
	if err == nil {
		must(t, r.Close())
	}
	if err == nil || !strings.Contains(err.Error(), want) {
		t.Fatalf("got error %v, want %q in it", err, want)
	}
	return err
}

// noFile checks that a file is not there, and that nothing temporary is.
func noFile(t *testing.T, name string) {
	t.Helper()
	if _, err := os.Stat(name); !os.IsNotExist(err) {
		t.Errorf("%s is there", name)
	}
	left, err := filepath.Glob(filepath.Join(filepath.Dir(name), ".streamcrypt-*"))
	must(t, err)
	if len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}

func same(t *testing.T, got, want []byte) {
	t.Helper()
	if !bytes.Equal(got, want) {
		t.Fatalf("%d bytes, want %d; they differ", len(got), len(want))
	}
}
