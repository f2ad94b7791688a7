package keyring

import (
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys/local"
)

var silent = slog.New(slog.DiscardHandler)

// writeLocked makes a local key that is locked in a folder of its own, and
// returns its name.
func writeLocked(t *testing.T) string {
	t.Helper()
	t.Chdir(t.TempDir())
	jwk, err := local.GenerateAES()
	if err != nil {
		t.Fatal(err)
	}
	write(t, "passphrase", "correct horse battery\n")
	locked, err := LockKey(jwk, "passphrase", silent)
	if err != nil {
		t.Fatal(err)
	}
	write(t, "key", string(locked))
	key, err := local.ParseAES(jwk)
	if err != nil {
		t.Fatal(err)
	}
	return key.Name()
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestLockedKey(t *testing.T) {
	name := writeLocked(t)
	url := []string{"local:key?passphrase-file=passphrase"}
	wrappers, err := LoadWrappers(t.Context(), url, Env{Log: silent})
	if err != nil || wrappers[0].Name() != name {
		t.Errorf("%v, %v", wrappers, err)
	}
	unwrappers, err := LoadUnwrappers(t.Context(), url, Env{Log: silent})
	if err != nil || unwrappers[0].Name() != name {
		t.Errorf("%v, %v", unwrappers, err)
	}
}

// TestLockedKeyIsStrong looks at the file as other tools would.
func TestLockedKeyIsStrong(t *testing.T) {
	writeLocked(t)
	coded, _, _ := strings.Cut(read(t, "key"), ".")
	text, err := base64.RawURLEncoding.DecodeString(coded)
	if err != nil {
		t.Fatal(err)
	}
	var header struct {
		Algorithm string `json:"alg"`
		Content   string `json:"enc"`
		Type      string `json:"cty"`
		Rounds    int    `json:"p2c"`
		Salt      string `json:"p2s"`
	}
	if err := json.Unmarshal(text, &header); err != nil {
		t.Fatal(err)
	}
	salt, err := base64.RawURLEncoding.DecodeString(header.Salt)
	if header.Algorithm != "PBES2-HS512+A256KW" || header.Content != "A256GCM" || header.Type != "jwk+json" ||
		header.Rounds < 210_000 || len(salt) < 16 || err != nil {
		t.Errorf("%s, %v", text, err)
	}
}

// TestLockedKeyOfOthers opens a file that jwcrypto made.
func TestLockedKeyOfOthers(t *testing.T) {
	fixture := read(t, "testdata/jwcrypto.jwe")
	t.Chdir(t.TempDir())
	write(t, "key", fixture)
	write(t, "passphrase", "correct horse battery")
	if _, err := LoadUnwrappers(t.Context(), []string{"local:key?passphrase-file=passphrase"}, Env{Log: silent}); err != nil {
		t.Error(err)
	}
}

func TestLockedKeyRefusals(t *testing.T) {
	writeLocked(t)
	locked := strings.TrimSpace(read(t, "key"))
	parts := strings.Split(locked, ".")
	write(t, "wrong", "incorrect horse\n")
	write(t, "empty", "\n")
	write(t, "lines", "correct horse battery\nstaple\n")
	write(t, "changed", strings.Join([]string{parts[0], parts[1], parts[2], "AAAA" + parts[3][4:], parts[4]}, "."))
	header, err := base64.RawURLEncoding.DecodeString(parts[0])
	if err != nil {
		t.Fatal(err)
	}
	setHeader := func(name, from, to string) {
		t.Helper()
		changed := strings.Replace(string(header), from, to, 1)
		if changed == string(header) {
			t.Fatalf("%s: no %s in %s", name, from, header)
		}
		parts[0] = base64.RawURLEncoding.EncodeToString([]byte(changed))
		write(t, name, strings.Join(parts, "."))
	}
	setHeader("huge", `"p2c":600000`, `"p2c":2000000000`)
	setHeader("few", `"p2c":600000`, `"p2c":1`)
	setHeader("direct", "PBES2-HS512+A256KW", "dir")
	setHeader("zip", `"cty":"jwk+json"`, `"zip":"DEF"`)
	plain, err := local.GenerateAES()
	if err != nil {
		t.Fatal(err)
	}
	write(t, "plain", string(plain))
	for url, want := range map[string]string{
		"local:key":                                "key local:key: is locked with a passphrase",
		"local:key?passphrase-file=wrong":          "does not open: another passphrase",
		"local:changed?passphrase-file=passphrase": "does not open: another passphrase",
		"local:huge?passphrase-file=passphrase":    "asks for 2000000000 rounds, and the most are 1000000",
		"local:few?passphrase-file=passphrase":     "does not open",
		"local:direct?passphrase-file=passphrase":  `is locked with "dir", and not with a passphrase`,
		"local:zip?passphrase-file=passphrase":     "is compressed",
		"local:plain?passphrase-file=passphrase":   "is not locked with a passphrase",
		"local:key?passphrase-file=empty":          "passphrase: empty: is empty",
		"local:key?passphrase-file=lines":          "passphrase: lines: has more than one line",
		"local:key?passphrase-file=none":           "passphrase: open none",
	} {
		_, err := LoadUnwrappers(t.Context(), []string{url}, Env{Log: silent})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q in it", url, err, want)
			continue
		}
		if strings.Contains(err.Error(), "horse") || strings.Contains(err.Error(), parts[3]) {
			t.Errorf("%s: the error tells a secret: %v", url, err)
		}
	}
	write(t, "short", "horse")
	if _, err := LockKey(plain, "short", silent); err == nil || !strings.Contains(err.Error(), "fewer than 12 bytes") {
		t.Errorf("a short passphrase: %v", err)
	}
}
