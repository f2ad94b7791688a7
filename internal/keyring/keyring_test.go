package keyring

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys/local"
)

// files writes one key file of each kind and returns their folder.
func files(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	write := func(name string, b []byte, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	aes, err := local.GenerateAES()
	write("k.jwk", aes, err)
	x, err := local.GenerateX25519()
	write("x.pem", x, err)
	pub, err := local.Public(x)
	write("x.pub", pub, err)
	r, err := local.GenerateRSA(local.MinRSABits)
	write("r.pem", r, err)
	pub, err = local.Public(r)
	write("r.pub", pub, err)
	write("empty", nil, nil)
	write("large", bytes.Repeat([]byte("x"), maxFile+1), nil)
	return dir
}

func TestLoad(t *testing.T) {
	t.Chdir(files(t))
	log := slog.New(slog.DiscardHandler)
	tests := []struct {
		urls           string
		wrap, unwrap   string // part of the error; "" for none
		wrapIs, openIs error
	}{
		{urls: "local:k.jwk"},
		{urls: "x25519:x.pem rsa:r.pem local:k.jwk"},
		{urls: "x25519:x.pub", unwrap: "key x25519:x.pub: ", openIs: local.ErrPublicOnly},
		{urls: "rsa:r.pub", unwrap: "key rsa:r.pub: ", openIs: local.ErrPublicOnly},
		{urls: "x25519:r.pem", wrap: "holds an RSA key, not an X25519 key", unwrap: "not an X25519 key"},
		{urls: "local:none", wrap: "local:none", wrapIs: fs.ErrNotExist, unwrap: "local:none", openIs: fs.ErrNotExist},
		{urls: "local:.", wrap: "key local:.", unwrap: "key local:."},
		{urls: "local:empty", wrap: "key local:empty", unwrap: "key local:empty"},
		{urls: "local:large", wrap: "a key file has at most", unwrap: "a key file has at most"},
		{urls: "", wrap: "no key", unwrap: "no key"},
		{urls: "local:k.jwk local:k.jwk", wrap: "given twice", unwrap: "given twice"},
		{urls: "x25519:x.pem x25519:x.pub", wrap: "given twice", unwrap: "public key only"},
		{urls: "k.jwk", wrap: "no scheme", unwrap: "no scheme"},
		{urls: "lcoal:k.jwk", wrap: `the nearest known one is "local"`, unwrap: `"local"`},
		{urls: "local:k.jwk?x=1", wrap: "known are passphrase-file", unwrap: "known are passphrase-file"},
		{urls: "x25519:x.pem?x=1", wrap: "there is none here", unwrap: "there is none here"},
		{urls: "local://h/k.jwk", wrap: "not of the form local:FILE", unwrap: "not of the form"},
		{urls: "local:", wrap: "not of the form local:FILE", unwrap: "not of the form"},
		{urls: "vault:transit/x", wrap: "no vault keys", unwrap: "no vault keys"},
		{urls: "pq:f", wrap: "no pq keys", unwrap: "no pq keys"},
	}
	check := func(t *testing.T, n int, err error, want string, is error, urls []string) {
		t.Helper()
		if want == "" && (err != nil || n != len(urls)) {
			t.Errorf("%d keys, %v", n, err)
		}
		if want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("got %v, want %q in it", err, want)
		}
		if is != nil && !errors.Is(err, is) {
			t.Errorf("got %v, want %v", err, is)
		}
	}
	for _, tc := range tests {
		t.Run(tc.urls, func(t *testing.T) {
			urls := strings.Fields(tc.urls)
			w, err := LoadWrappers(t.Context(), urls, Env{Log: log})
			check(t, len(w), err, tc.wrap, tc.wrapIs, urls)
			u, err := LoadUnwrappers(t.Context(), urls, Env{Log: log})
			check(t, len(u), err, tc.unwrap, tc.openIs, urls)
		})
	}
}

func TestWidePermissionsAreWarnedOf(t *testing.T) {
	dir := files(t)
	t.Chdir(dir)
	for name, want := range map[string]bool{"local:k.jwk": true, "x25519:x.pem": true, "x25519:x.pub": false, "rsa:r.pub": false} {
		_, path, _ := strings.Cut(name, ":")
		for _, mode := range []fs.FileMode{0o600, 0o640, 0o644} {
			if err := os.Chmod(path, mode); err != nil {
				t.Fatal(err)
			}
			var out bytes.Buffer
			if _, err := LoadWrappers(t.Context(), []string{name}, Env{Log: slog.New(slog.NewTextHandler(&out, nil))}); err != nil {
				t.Fatal(err)
			}
			if warned := strings.Contains(out.String(), "level=WARN"); warned != (want && mode != 0o600) {
				t.Errorf("%s with %v: warned: %v", name, mode, warned)
			}
		}
	}
}
