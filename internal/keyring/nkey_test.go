package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/nats-io/nkeys"

	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// writeCurveKey makes a curve key with the library of NATS, in the files seed
// and public of a new folder.
func writeCurveKey(t *testing.T) (seed, public string) {
	t.Helper()
	t.Chdir(t.TempDir())
	key, err := nkeys.CreateCurveKeys()
	if err != nil {
		t.Fatal(err)
	}
	b, err := key.Seed()
	if err != nil {
		t.Fatal(err)
	}
	if public, err = key.PublicKey(); err != nil {
		t.Fatal(err)
	}
	write(t, "seed", string(b)+"\n")
	write(t, "public", public+"\n")
	return string(b), public
}

// TestNKey wraps for the public half in each of its forms, and unwraps with the
// seed.
func TestNKey(t *testing.T) {
	_, public := writeCurveKey(t)
	private, err := LoadUnwrappers(t.Context(), []string{"nkey:seed"}, Env{Log: silent})
	if err != nil {
		t.Fatal(err)
	}
	dek := bytes.Repeat([]byte{7}, keys.DEKSize)
	for _, url := range []string{"nkey:seed", "nkey:public", "nkey:" + public} {
		wrappers, err := LoadWrappers(t.Context(), []string{url}, Env{Log: silent})
		if err != nil {
			t.Fatal(err)
		}
		w, err := wrappers[0].Wrap(context.Background(), keys.Context{}, dek)
		if err != nil || w.Alg != keys.AlgECDHESA256KW || wrappers[0].Name() != private[0].Name() {
			t.Fatalf("%s: alg %d, %s, %v", url, w.Alg, wrappers[0].Name(), err)
		}
		if got, err := private[0].Unwrap(context.Background(), keys.Context{}, nil, &w); err != nil || !bytes.Equal(got, dek) {
			t.Errorf("%s: unwrapped %x, %v", url, got, err)
		}
	}
	if got := ListFiles([]string{"nkey:seed", "nkey:" + public}); len(got) != 1 || got[0].Path != "seed" {
		t.Errorf("files %v", got)
	}
}

// TestNKeyIsThePublicKeyOfNATS: the recipient is the key that NATS's library
// calls by this name.
func TestNKeyIsThePublicKeyOfNATS(t *testing.T) {
	seed, public := writeCurveKey(t)
	key, err := parseNKeySeed([]byte(seed))
	if err != nil {
		t.Fatal(err)
	}
	want, err := nkeys.Decode(nkeys.PrefixByteCurve, []byte(public))
	if err != nil || !bytes.Equal(key.PublicKey().Bytes(), want) {
		t.Errorf("public half %x, NATS has %x, %v", key.PublicKey().Bytes(), want, err)
	}
}

func TestNKeyRefusals(t *testing.T) {
	seed, public := writeCurveKey(t)
	user, err := nkeys.CreateUser()
	if err != nil {
		t.Fatal(err)
	}
	userSeed, err := user.Seed()
	if err != nil {
		t.Fatal(err)
	}
	write(t, "user", string(userSeed))
	write(t, "changed", seed[:20]+"A"+seed[21:])
	write(t, "junk", "SXABC")
	for url, want := range map[string]string{
		"nkey:user":    "another seed of NATS, which signs",
		"nkey:changed": "holds no curve key of NATS",
		"nkey:junk":    "holds no curve key of NATS",
		"nkey:none":    "no such file",

		"nkey:" + seed:                        "a seed stands in the URL",
		"nkey:" + seed[:20] + "A" + seed[21:]: "a seed stands in the URL",
	} {
		_, err := LoadWrappers(t.Context(), []string{url}, Env{Log: silent})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), seed[2:10]) {
			t.Errorf("%s: %v", url, err)
		}
		if reports := CheckKeys(t.Context(), []string{url}, Seal, keys.Context{}, Env{Log: silent}); strings.Contains(
			fmt.Sprint(reports, ListFiles([]string{url})), seed[2:10]) {
			t.Errorf("a look at %s shows the seed", want)
		}
	}
	for _, url := range []string{"nkey:public", "nkey:" + public} {
		if _, err := LoadUnwrappers(t.Context(), []string{url}, Env{Log: silent}); !errors.Is(err, local.ErrPublicOnly) {
			t.Errorf("%s: %v", url, err)
		}
	}
}

func TestGenerateNKey(t *testing.T) {
	file, err := FindKind("nkey").Generate(0)
	if err != nil {
		t.Fatal(err)
	}
	if name, err := NameKey(file); err != nil || !strings.HasPrefix(name, "x25519:") {
		t.Errorf("%s, %v", name, err)
	}
}
