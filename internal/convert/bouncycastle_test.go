package convert_test

import (
	"bytes"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/cmsder"
	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/internal/convert"
	"github.com/streamcrypt/streamcrypt/keys"
)

// TestBouncyCastle: BouncyCastle opens our messages for each kind of key, and
// we open messages of BouncyCastle. TEST_BOUNCYCASTLE is a folder with its jars
// (docs/interop/bouncycastle).
func TestBouncyCastle(t *testing.T) {
	jars := os.Getenv("TEST_BOUNCYCASTLE")
	if jars == "" {
		t.Skip("TEST_BOUNCYCASTLE is not set")
	}
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	run := func(name string, args ...string) {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %v: %v\n%s", name, args, err, out)
		}
	}
	libraries := filepath.Join(jars, "*")
	run("javac", "-cp", libraries, "-d", dir, filepath.Join("..", "..", "docs", "interop", "bouncycastle", "Cms.java"))
	// The JVM starts six times and does little each time.
	java := []string{"-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", dir + string(os.PathListSeparator) + libraries, "Cms"}

	all := recipients(t)
	writeKeys(t, dir, all)
	wrappers := []keys.Wrapper{all["aes"].wrap, all["x25519"].wrap, all["rsa"].wrap}
	payload := bytes.Repeat([]byte("a payload "), 1000)
	write(t, path("payload"), payload)
	sealer := must[*convert.Sealer](t)(convert.NewSealer(wrappers, convert.SealerOptions{Format: cmsder.Format}))
	t.Cleanup(func() { _ = sealer.Close() })
	write(t, path("ours"), must[[]byte](t)(sealer.NewWorker().Seal(t.Context(), nil, payload)))

	for name, kind := range map[string]string{"aes": "local", "rsa": "rsa", "x25519": "x25519"} {
		run("java", append(java, "open", kind+":"+path(name), path("ours"), path("opened"))...)
		if got := must[[]byte](t)(os.ReadFile(path("opened"))); !bytes.Equal(got, payload) {
			t.Errorf("%s: %d bytes", name, len(got))
		}
		public := path(name)
		if kind != "local" {
			public += ".pub"
		}
		_, kid, _ := strings.Cut(all[name].wrap.Name(), ":")
		run("java", append(java, "seal", kind+":"+public, kid, path("payload"), path("theirs"))...)
		opener := must[*convert.Opener](t)(convert.NewOpener([]keys.Unwrapper{all[name].unwrap},
			convert.OpenerOptions{Formats: []exchange.Format{cmsder.Format}}))
		theirs := must[[]byte](t)(os.ReadFile(path("theirs")))
		got, err := opener.NewWorker().Open(t.Context(), "place", nil, theirs)
		if err != nil || !bytes.Equal(got, payload) {
			t.Errorf("%s of BouncyCastle: %d bytes, %v", name, len(got), err)
		}
	}
}

// writeKeys writes key files as keygen does, and the public halves of pairs as
// NAME.pub.
func writeKeys(t *testing.T, dir string, all map[string]recipient) {
	t.Helper()
	for name, r := range all {
		file := filepath.Join(dir, name)
		if secret, is := r.private.([]byte); is {
			write(t, file, []byte(`{"kty":"oct","k":"`+base64.RawURLEncoding.EncodeToString(secret)+`"}`))
			continue
		}
		private := must[[]byte](t)(x509.MarshalPKCS8PrivateKey(r.private))
		write(t, file, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: private}))
		public := must[[]byte](t)(x509.MarshalPKIXPublicKey(r.public))
		write(t, file+".pub", pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: public}))
	}
}

func write(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}
