package local

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys"
)

// k64 is the key of the bytes 40 to 5f in base64url.
const k64 = "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8"

func TestParseAES(t *testing.T) {
	for name, file := range map[string]string{
		"as generated":   `{"kty":"oct","alg":"A256KW","k":"` + k64 + `","kid":"d3307a75b1ff5a62"}` + "\n",
		"least":          `{"k":"` + k64 + `","kty":"oct"}`,
		"another kid":    `{"kty":"oct","k":"` + k64 + `","kid":"mine"}`,
		"more members":   `{"kty":"oct","k":"` + k64 + `","use":"enc","x":{"k":[1,"k"]},"K":null}`,
		"white space":    " \r\n{\t\"kty\" : \"oct\",\n\"k\":\"" + k64 + "\" }\n\n",
		"for encryption": `{"kty":"oct","use":"enc","key_ops":["wrapKey"],"k":"` + k64 + `"}`,
		"set of one":     `{"keys":[{"kty":"oct","k":"` + k64 + `"}]}`,
		"escaped member": `{"kty":"oct","\u006b":"` + k64 + `"}`,
	} {
		k, err := ParseAES([]byte(file))
		if err != nil || k.Name() != "local:d3307a75b1ff5a62" {
			t.Errorf("%s: %v, %v", name, k, err)
		}
	}
}

func TestParseAESRefuses(t *testing.T) {
	jwk := func(k string) string { return `{"kty":"oct","k":"` + k + `"}` }
	for _, c := range []struct{ name, file, want string }{
		{"nothing", "", "not one JSON object"},
		{"the bare key", string(sequence(0x40, 32)), "not one JSON object"},
		{"the key in base64", k64, "not one JSON object"},
		{"array", `["oct"]`, "not one JSON object"},
		{"cut", jwk(k64)[:40], "not one JSON object"},
		{"unquoted key", `{"kty":"oct","k":` + k64 + `}`, "not one JSON object"},
		{"trailing brace", jwk(k64) + "}", "not one JSON object"},
		{"second object", jwk(k64) + jwk(k64), "not one JSON object"},
		{"JWK set", `{"keys":[` + jwk(k64) + `,` + jwk(k64) + `]}`, "a JWK set of 2 keys"},
		{"empty JWK set", `{"keys":[]}`, "a JWK set of 0 keys"},
		{"JWK set in a set", `{"keys":[{"keys":[` + jwk(k64) + `]}]}`, `no "kty"`},
		{"JWK set of none", `{"keys":7}`, "not one JSON object"},
		{"JWK set of words", `{"keys":["` + k64 + `"]}`, "not one JSON object"},
		{"for signatures", `{"kty":"oct","use":"sig","k":"` + k64 + `"}`, "for signatures"},
		{"to sign", `{"kty":"oct","key_ops":["sign"],"k":"` + k64 + `"}`, "for signatures"},
		{"kty null", `{"kty":null,"k":"` + k64 + `"}`, `no "kty"`},
		{"kty in capitals", `{"KTY":"oct","k":"` + k64 + `"}`, `no "kty"`},
		{"RSA", `{"kty":"RSA","n":"AQ","e":"AQAB"}`, "holds a JWK of another type, not a local AES key"},
		{"alg", `{"kty":"oct","alg":"A128KW","k":"` + k64 + `"}`, `"alg" is not A256KW`},
		{"alg null", `{"kty":"oct","alg":null,"k":"` + k64 + `"}`, `"alg" is not A256KW`},
		{"k twice", `{"kty":"oct","k":"` + k64 + `","k":"` + k64 + `"}`, "a member occurs twice"},
		{"k twice, once escaped", `{"kty":"oct","k":"` + k64 + `","\u006b":"` + k64 + `"}`, "a member occurs twice"},
		{"unknown twice", `{"kty":"oct","x":1,"x":1,"k":"` + k64 + `"}`, "a member occurs twice"},
		{"no k", `{"kty":"oct"}`, "not base64url"},
		{"k in capitals", `{"kty":"oct","K":"` + k64 + `"}`, "not base64url"},
		{"k a number", `{"kty":"oct","k":1234567890}`, "not base64url"},
		{"k padded", jwk(k64 + "="), "not base64url"},
		{"k in base64", jwk(strings.Repeat("+/", 21) + "+"), "not base64url"},
		{"k with a line break", jwk(k64[:20] + `\n` + k64[20:]), "not base64url"},
		{"k with bits left over", jwk(k64[:42] + "9"), "not base64url"},
		{"k empty", jwk(""), "has 0 bytes, not 32"},
		{"k too short", jwk(k64[:40]), "has 30 bytes, not 32"},
		{"k too long", jwk(k64[:40] + k64[:40]), "has 60 bytes, not 32"},
		{"large", jwk(k64) + strings.Repeat(" ", maxFile), "a key file has at most"},
		{"X25519", string(testdata(t, "x25519.pem")), "holds an X25519 key, not a local AES key"},
		{"RSA PEM", string(testdata(t, "rsa-public.pem")), "holds an RSA key, not a local AES key"},
		{"certificate", string(testdata(t, "certificate.pem")), "holds a PEM block"},
	} {
		_, err := ParseAES([]byte(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		showsNothing(t, c.name, c.file, err)
	}
}

// showsNothing fails if err quotes a run of the file's text that is not our own
// word.
func showsNothing(t *testing.T, name, file string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	for _, secret := range []string{k64, "MIIE", "MC4C", "1234567890"} {
		at := strings.Index(file, secret)
		for i := at; at >= 0 && i+6 <= len(file) && i < at+32; i++ {
			if strings.Contains(err.Error(), file[i:i+6]) {
				t.Errorf("%s: %v quotes the file", name, err)
			}
		}
	}
}

func TestParsePEM(t *testing.T) {
	x25519, x25519Public := parses(ParseX25519), parses(ParseX25519Public)
	rsa, rsaPublic := parses(ParseRSA), parses(ParseRSAPublic)
	for _, c := range []struct {
		file  string
		parse func([]byte) (string, error)
		want  string // name, or error
	}{
		{"x25519.pem", x25519, "x25519:7761b9822401fe8f"},
		{"x25519.pem", x25519Public, "x25519:7761b9822401fe8f"},
		{"x25519-public.pem", x25519Public, "x25519:7761b9822401fe8f"},
		{"x25519-public.pem", x25519, "holds a public key only; unwrapping needs the private one"},
		{"rsa.pem", rsa, "rsa:4e0feda4ef784df8"},
		{"rsa.pem", rsaPublic, "rsa:4e0feda4ef784df8"},
		{"rsa-pkcs1.pem", rsa, "rsa:4e0feda4ef784df8"},
		{"rsa-pkcs1.pem", rsaPublic, "rsa:4e0feda4ef784df8"},
		{"rsa-public.pem", rsaPublic, "rsa:4e0feda4ef784df8"},
		{"rsa-public-pkcs1.pem", rsaPublic, "rsa:4e0feda4ef784df8"},
		{"rsa-public.pem", rsa, "holds a public key only; unwrapping needs the private one"},
		{"rsa.pem", x25519, "holds an RSA key, not an X25519 key"},
		{"rsa-public.pem", x25519Public, "holds an RSA key, not an X25519 key"},
		{"x25519.pem", rsa, "holds an X25519 key, not an RSA key"},
		{"x25519-public.pem", rsaPublic, "holds an X25519 key, not an RSA key"},
		{"p256.pem", x25519, "holds an elliptic curve key, not an X25519 key"},
		{"p256.pem", rsaPublic, "holds an elliptic curve key, not an RSA key"},
		{"ed25519.pem", x25519Public, "holds an Ed25519 key, not an X25519 key"},
		{"rsa-1024.pem", rsa, "RSA key has 1024 bits; 2048 to 4096 are allowed"},
		{"rsa-1024.pem", rsaPublic, "RSA key has 1024 bits; 2048 to 4096 are allowed"},
		{"rsa-encrypted.pem", rsa, "holds a key under a passphrase, which is not supported"},
		{"certificate.pem", rsaPublic, "holds a certificate, not a key"},
	} {
		got, err := c.parse(testdata(t, c.file))
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: got %q, want %q", c.file, got, c.want)
		}
	}
}

// parses makes the parsers of all kinds alike.
func parses[K keys.Wrapper](parse func([]byte) (K, error)) func([]byte) (string, error) {
	return func(file []byte) (string, error) {
		k, err := parse(file)
		if err != nil {
			return "", err
		}
		return k.Name(), nil
	}
}

func TestErrorsOfFilesAreTyped(t *testing.T) {
	if _, err := ParseX25519(testdata(t, "x25519-public.pem")); !errors.Is(err, ErrPublicOnly) {
		t.Error(err)
	}
	for _, err := range []error{
		second(ParseRSA(testdata(t, "x25519.pem"))),
		second(ParseRSA([]byte(`{"kty":"oct","k":"` + k64 + `"}`))),
		second(ParseX25519Public([]byte(`{"kty":"oct","k":"` + k64 + `"}`))),
		second(ParseAES(testdata(t, "rsa.pem"))),
		second(Public(testdata(t, "p256.pem"))),
	} {
		var kind *KindError
		if !errors.As(err, &kind) {
			t.Errorf("%v is no *KindError", err)
		}
	}
}

func second[T any](_ T, err error) error { return err }

func TestParsePEMRefuses(t *testing.T) {
	good := string(testdata(t, "x25519.pem"))
	lines := strings.SplitAfter(good, "\n")
	for _, c := range []struct{ name, file, want string }{
		{"nothing", "", "holds no PEM block"},
		{"DER", "\x30\x2e\x02\x01", "holds no PEM block"},
		{"text before", "# mine\n" + good, "holds no PEM block"},
		{"text after", good + "mine\n", "holds text after its PEM block"},
		{"two keys", good + good, "holds more than one PEM block"},
		{"a damaged key and a good one", lines[0] + good, "holds more than one PEM block"},
		{"cut", lines[0] + lines[1], "holds a damaged PEM block"},
		{"empty", lines[0] + lines[2], "not a usable PKCS #8 key"},
		{"not base64", lines[0] + "?" + lines[1] + lines[2], "holds a damaged PEM block"},
		{"old encryption", lines[0] + "Proc-Type: 4,ENCRYPTED\n\n" + lines[1] + lines[2], "under a passphrase"},
		{"OpenSSH", strings.ReplaceAll(good, "PRIVATE KEY", "OPENSSH PRIVATE KEY"), "holds an OpenSSH key"},
		{"an OpenSSH public key", "ssh-ed25519 AAAA me", "holds an OpenSSH key"},
		{"other type", strings.ReplaceAll(good, "PRIVATE KEY", "STRANGE KEY"), "is no PKCS #8, PKCS #1 or PKIX key"},
		{"wrong type", strings.ReplaceAll(good, "PRIVATE", "PUBLIC"), "PUBLIC KEY: "},
		{"PKCS #1 in PKCS #8", strings.ReplaceAll(string(testdata(t, "rsa-pkcs1.pem")), "RSA PRIVATE", "PRIVATE"), "not a usable PKCS #8 key"},
		{"PKCS #8 in PKCS #1", strings.ReplaceAll(string(testdata(t, "rsa.pem")), "PRIVATE", "RSA PRIVATE"), "not a usable PKCS #1 key"},
		{"large", good + strings.Repeat("\n", maxFile), "a key file has at most"},
	} {
		_, err := ParseX25519([]byte(c.file))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
		showsNothing(t, c.name, c.file, err)
	}
	if _, err := ParseX25519([]byte("\r\n " + strings.ReplaceAll(good, "\n", "\r\n"))); err != nil {
		t.Errorf("other line ends: %v", err)
	}
}

func TestGenerateAndPublic(t *testing.T) {
	generateRSA := func() ([]byte, error) { return GenerateRSA(MinRSABits) }
	for _, c := range []struct {
		name          string
		generate      func() ([]byte, error)
		whole, public func([]byte) (string, error)
	}{
		{"x25519", GenerateX25519, parses(ParseX25519), parses(ParseX25519Public)},
		{"rsa", generateRSA, parses(ParseRSA), parses(ParseRSAPublic)},
	} {
		file := must[[]byte](t)(c.generate())
		public := must[[]byte](t)(Public(file))
		if again, err := Public(public); err != nil || !bytes.Equal(again, public) {
			t.Errorf("%s: the public half of a public half: %v", c.name, err)
		}
		if bytes.Contains(public, []byte("PRIVATE")) {
			t.Errorf("%s: the public half is private", c.name)
		}
		if _, err := c.whole(public); !errors.Is(err, ErrPublicOnly) {
			t.Errorf("%s: %v", c.name, err)
		}
		whole, err := c.whole(file)
		half, halfErr := c.public(public)
		if err != nil || halfErr != nil || whole != half {
			t.Errorf("%s: %s, %v; public half %s, %v", c.name, whole, err, half, halfErr)
		}
	}
	if got := must[[]byte](t)(Public(testdata(t, "rsa-pkcs1.pem"))); !bytes.Equal(got, testdata(t, "rsa-public.pem")) {
		t.Errorf("public half differs from OpenSSL's:\n%s", got)
	}
}

func TestGenerateAES(t *testing.T) {
	file := must[[]byte](t)(GenerateAES())
	k := must[*AES](t)(ParseAES(file))
	kid := strings.TrimPrefix(k.Name(), "local:")
	if !bytes.HasPrefix(file, []byte(`{"kty":"oct","alg":"A256KW","k":"`)) ||
		!bytes.HasSuffix(file, fmt.Appendf(nil, `","kid":"%s"}`+"\n", kid)) || len(file) != 104 {
		t.Errorf("file of %d bytes for %s", len(file), kid)
	}
	if other := must[*AES](t)(ParseAES(must[[]byte](t)(GenerateAES()))); other.Name() == k.Name() {
		t.Error("generated the same key twice")
	}
	if _, err := Public(file); !errors.Is(err, ErrNoPublic) {
		t.Error(err)
	}
	if _, err := Public([]byte(`{"kty":"oct","k":"AAAA"}`)); err == nil || errors.Is(err, ErrNoPublic) {
		t.Errorf("public half of a bad JWK: %v", err)
	}
}

func TestPublicRefusesWeakKeys(t *testing.T) {
	if _, err := Public(testdata(t, "rsa-1024.pem")); err == nil {
		t.Error("gave the public half of a key of 1024 bits")
	}
}

func TestNewAESRefusesSizes(t *testing.T) {
	for _, n := range []int{0, 16, 24, 31, 33, 64} {
		if _, err := NewAES(make([]byte, n)); err == nil || !strings.Contains(err.Error(), fmt.Sprint(n)) {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
}

func TestWidePermissions(t *testing.T) {
	for mode, want := range map[fs.FileMode]bool{
		0o600: false, 0o400: false, 0o700: false, fs.ModeSetuid | 0o600: false,
		0o640: true, 0o604: true, 0o610: true, 0o602: true, 0o644: true, 0o777: true,
	} {
		if got := WidePermissions(mode); got != want {
			t.Errorf("%v: %v", mode, got)
		}
	}
}
