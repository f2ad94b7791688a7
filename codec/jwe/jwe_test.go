package jwe

import (
	"encoding/hex"
	"errors"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/keys"
)

// text is base64url of a text.
func text(s string) string { return encoding.EncodeToString([]byte(s)) }

// zeros is base64url of n zero bytes.
func zeros(n int) string { return encoding.EncodeToString(make([]byte, n)) }

const (
	kidA = "0123456789abcdef"
	kidB = "fedcba9876543210"
)

// compact returns a compact form with this header, and sizes that are right for
// AES key wrap.
func compact(header string) string {
	return strings.Join([]string{text(header), zeros(40), zeros(12), zeros(5), zeros(16)}, ".")
}

// recipient returns a member of "recipients".
func recipient(header string, size int) string {
	return `{"header":` + header + `,"encrypted_key":"` + zeros(size) + `"}`
}

// general returns a general form; more are further members.
func general(recipients, more string) string {
	return `{"protected":"` + text(`{"enc":"A256GCM"}`) + `","recipients":[` + recipients + `],` + more +
		`"iv":"` + zeros(12) + `","ciphertext":"` + zeros(5) + `","tag":"` + zeros(16) + `"}`
}

// wrappedA and its siblings are headers of one recipient.
const (
	wrappedA = `{"alg":"A256KW","kid":"` + kidA + `"}`
	wrappedB = `{"alg":"A256KW","kid":"` + kidB + `"}`
	full     = `{"alg":"A256KW","enc":"A256GCM","kid":"` + kidA + `"}`
)

func epk(x string) string {
	return `{"alg":"ECDH-ES+A256KW","enc":"A256GCM","epk":{"kty":"OKP","crv":"X25519","x":"` + x + `"}}`
}

// TestParseRefuses: each fault has the word that docs/convert.md gives it, and the
// error says what it is.
func TestParseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want error
		says string
	}{
		"empty":                   {"", exchange.ErrNotEnvelope, ""},
		"text":                    {"eyes wide. open", exchange.ErrNotEnvelope, ""},
		"cbor":                    {"\xd8\x60\x84", exchange.ErrNotEnvelope, ""},
		"plain JSON":              {`{"order":1}`, exchange.ErrNotEnvelope, ""},
		"JSON about ciphertext":   {`{"ciphertext":"x"}`, exchange.ErrNotEnvelope, ""},
		"JSON twice":              {`{"a":1,"a":2,"note":"ciphertext"}`, exchange.ErrNotEnvelope, ""},
		"broken JSON":             {general(recipient(wrappedA, 40), "") + "x", exchange.ErrNotEnvelope, ""},
		"JWS":                     {text(`{"alg":"HS256"}`) + "." + text("{}") + "." + zeros(32), exchange.ErrMalformed, "parts"},
		"cut":                     {compact(full)[:90], exchange.ErrMalformed, "parts"},
		"six parts":               {compact(full) + ".AAAA", exchange.ErrMalformed, "tag is not base64url"},
		"zip":                     {compact(`{"alg":"A256KW","enc":"A256GCM","zip":"DEF"}`), exchange.ErrUnsupported, "zip"},
		"crit":                    {compact(`{"alg":"A256KW","enc":"A256GCM","crit":["exp"],"exp":1}`), exchange.ErrUnsupported, "crit"},
		"alg dir":                 {compact(`{"alg":"dir","enc":"A256GCM"}`), exchange.ErrUnsupported, `"dir"`},
		"alg none":                {compact(`{"alg":"none","enc":"A256GCM"}`), exchange.ErrUnsupported, `"none"`},
		"alg RSA1_5":              {compact(`{"alg":"RSA1_5","enc":"A256GCM"}`), exchange.ErrUnsupported, `"RSA1_5"`},
		"alg RSA-OAEP with SHA-1": {compact(`{"alg":"RSA-OAEP","enc":"A256GCM"}`), exchange.ErrUnsupported, `"RSA-OAEP"`},
		"alg direct agreement":    {compact(`{"alg":"ECDH-ES","enc":"A256GCM"}`), exchange.ErrUnsupported, `"ECDH-ES"`},
		"a password with a huge count": {compact(`{"alg":"PBES2-HS512+A256KW","enc":"A256GCM","p2c":4000000000,"p2s":"AAAA"}`),
			exchange.ErrUnsupported, "PBES2"},
		"a long alg":       {compact(`{"alg":"` + strings.Repeat("x", 1000) + `","enc":"A256GCM"}`), exchange.ErrUnsupported, "alg"},
		"no alg":           {compact(`{"enc":"A256GCM"}`), exchange.ErrMalformed, "no alg"},
		"no enc":           {compact(`{"alg":"A256KW"}`), exchange.ErrMalformed, "no enc"},
		"enc CBC":          {compact(`{"alg":"A256KW","enc":"A256CBC-HS512"}`), exchange.ErrUnsupported, "enc"},
		"enc of 128 bits":  {compact(`{"alg":"A256KW","enc":"A128GCM"}`), exchange.ErrUnsupported, "enc"},
		"alg twice":        {compact(`{"alg":"A256KW","alg":"dir","enc":"A256GCM"}`), exchange.ErrMalformed, "twice"},
		"alg is a number":  {compact(`{"alg":1,"enc":"A256GCM"}`), exchange.ErrMalformed, "alg is not a string"},
		"kid is null":      {compact(`{"alg":"A256KW","enc":"A256GCM","kid":null}`), exchange.ErrMalformed, "kid is not a string"},
		"not UTF-8":        {compact("{\"alg\":\"A256KW\",\"enc\":\"A256GCM\",\"x\":\"\xff\"}"), exchange.ErrMalformed, "JSON"},
		"two objects":      {compact(full + full), exchange.ErrMalformed, "JSON"},
		"padding":          {compact(full) + "==", exchange.ErrMalformed, "base64url"},
		"a line break":     {strings.Replace(compact(full), ".", ".\n", 1), exchange.ErrMalformed, "base64url"},
		"loose bits":       {compact(full)[:len(compact(full))-1] + "B", exchange.ErrMalformed, "base64url"},
		"wrapped too long": {text(full) + "." + zeros(48) + "." + zeros(12) + ".." + zeros(16), exchange.ErrMalformed, "encrypted key"},
		"wrapped is empty": {text(full) + ".." + zeros(12) + ".." + zeros(16), exchange.ErrMalformed, "encrypted key"},
		"iv of 16":         {text(full) + "." + zeros(40) + "." + zeros(16) + ".." + zeros(16), exchange.ErrMalformed, "iv"},
		"iv is empty":      {text(full) + "." + zeros(40) + "..." + zeros(16), exchange.ErrMalformed, "iv"},
		"tag of 12":        {text(full) + "." + zeros(40) + "." + zeros(12) + ".." + zeros(12), exchange.ErrMalformed, "tag"},
		"tag of 17":        {text(full) + "." + zeros(40) + "." + zeros(12) + ".." + zeros(17), exchange.ErrMalformed, "tag"},
		"an RSA key of 1024 bits": {text(`{"alg":"RSA-OAEP-256","enc":"A256GCM"}`) + "." + zeros(128) + "." + zeros(12) + ".." + zeros(16),
			exchange.ErrMalformed, "encrypted key"},
		"no epk":       {compact(`{"alg":"ECDH-ES+A256KW","enc":"A256GCM"}`), exchange.ErrMalformed, "epk"},
		"a short epk":  {compact(epk(zeros(31))), exchange.ErrMalformed, "epk"},
		"a P-256 epk":  {compact(`{"alg":"ECDH-ES+A256KW","enc":"A256GCM","epk":{"kty":"EC","crv":"P-256","x":"AA","y":"AA"}}`), exchange.ErrUnsupported, "curve"},
		"a secret epk": {compact(`{"alg":"ECDH-ES+A256KW","enc":"A256GCM","epk":{"kty":"OKP","crv":"X25519","x":"AA","d":"AA"}}`), exchange.ErrMalformed, "private"},
		"epk twice": {compact(`{"alg":"ECDH-ES+A256KW","enc":"A256GCM","epk":{"kty":"OKP","kty":"OKP","crv":"X25519","x":"` + zeros(32) + `"}}`),
			exchange.ErrMalformed, "twice"},
		"apu is no base64url": {compact(`{"alg":"ECDH-ES+A256KW","enc":"A256GCM","apu":"=","epk":{"kty":"OKP","crv":"X25519","x":"` + zeros(32) + `"}}`),
			exchange.ErrMalformed, "apu"},

		"two of one kid":       {general(recipient(wrappedA, 40)+","+recipient(wrappedA, 40), ""), exchange.ErrMalformed, "one kid"},
		"no recipients":        {general("", ""), exchange.ErrMalformed, "recipients"},
		"17 recipients":        {general(strings.Repeat(recipient(`{"alg":"A256KW"}`, 40)+",", 16)+recipient(`{"alg":"A256KW"}`, 40), ""), exchange.ErrTooLarge, "recipients"},
		"recipients no array":  {`{"recipients":{},"ciphertext":"","iv":"","tag":""}`, exchange.ErrMalformed, "recipients"},
		"dir among others":     {general(recipient(wrappedA, 40)+","+recipient(`{"alg":"dir"}`, 0), ""), exchange.ErrUnsupported, "dir"},
		"PBES2 alone":          {general(recipient(`{"alg":"PBES2-HS512+A256KW","p2c":4000000000}`, 40), ""), exchange.ErrUnsupported, "PBES2"},
		"both forms":           {general(recipient(wrappedA, 40), `"encrypted_key":"AA",`), exchange.ErrMalformed, "flattened"},
		"aad":                  {general(recipient(wrappedA, 40), `"aad":"AAAA",`), exchange.ErrUnsupported, "aad"},
		"a member twice":       {general(recipient(wrappedA, 40), `"tag":"AA",`), exchange.ErrMalformed, "twice"},
		"enc twice":            {general(recipient(`{"alg":"A256KW","enc":"A128GCM"}`, 40), ""), exchange.ErrMalformed, "twice"},
		"crit, unprotected":    {general(recipient(wrappedA, 40), `"unprotected":{"crit":["x"]},`), exchange.ErrUnsupported, "crit"},
		"zip of one recipient": {general(recipient(`{"alg":"A256KW","zip":"DEF"}`, 40), ""), exchange.ErrUnsupported, "zip"},
		"a header too large":   {general(recipient(wrappedA, 40), `"unprotected":{"x":"`+strings.Repeat("x", maxHeader)+`"},`), exchange.ErrTooLarge, "header"},
		"header is a number":   {general(recipient(`1`, 40), ""), exchange.ErrMalformed, "JSON"},
		"iv is a number":       {strings.Replace(general(recipient(wrappedA, 40), ""), `"iv":"`+zeros(12)+`"`, `"iv":1`, 1), exchange.ErrMalformed, "iv"},
	} {
		t.Run(name, func(t *testing.T) {
			var m exchange.Message
			err := codec{}.Parse(&m, []byte(c.in))
			if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.says) || len(err.Error()) > 200 {
				t.Errorf("%v, not %v with %q", err, c.want, c.says)
			}
			if is, begins := (codec{}).Recognizes([]byte(c.in)), !errors.Is(err, exchange.ErrNotEnvelope); is != begins {
				t.Errorf("recognised: %v, parsed as one: %v", is, begins)
			}
		})
	}
}

// TestParseTakes: what else is allowed is taken, and recipients of others are
// passed over.
func TestParseTakes(t *testing.T) {
	other := recipient(`{"alg":"PBES2-HS512+A256KW","p2c":4000000000}`, 40)
	for name, c := range map[string]struct {
		in   string
		kids []string // of the recipients; "" for none
	}{
		"compact":              {compact(full), []string{kidA}},
		"no kid":               {compact(`{"alg":"A256KW","enc":"A256GCM"}`), []string{""}},
		"another kid":          {compact(`{"alg":"A256KW","enc":"A256GCM","kid":"alice"}`), []string{""}},
		"a kid in capitals":    {compact(`{"alg":"A256KW","enc":"A256GCM","kid":"0123456789ABCDEF"}`), []string{""}},
		"spaces":               {compact("{ \n\"alg\":\"A256KW\",\"enc\":\"A256GCM\"}"), []string{""}},
		"more parameters":      {compact(`{"typ":"JWE","cty":"JWT","jku":"https://example.com","alg":"A256KW","enc":"A256GCM"}`), []string{""}},
		"general":              {general(recipient(wrappedA, 40)+","+recipient(wrappedB, 40), ""), []string{kidA, kidB}},
		"two without a kid":    {general(recipient(`{"alg":"A256KW"}`, 40)+","+recipient(`{"alg":"A256KW"}`, 40), ""), []string{"", ""}},
		"others":               {general(other+","+recipient(wrappedB, 40), ""), []string{kidB}},
		"white space around":   {" \n" + general(recipient(wrappedA, 40), "") + "\n", []string{kidA}},
		"further members":      {general(recipient(wrappedA, 40), `"x":{"y":[1]},`), []string{kidA}},
		"enc repeated":         {general(recipient(`{"alg":"A256KW","enc":"A256GCM"}`, 40), ""), []string{""}},
		"shared header":        {general(recipient(`{"kid":"`+kidA+`"}`, 40), `"unprotected":{"alg":"A256KW"},`), []string{kidA}},
		"nothing is protected": {strings.Replace(general(recipient(full, 40), ""), `"protected":"`+text(`{"enc":"A256GCM"}`)+`",`, "", 1), []string{kidA}},
		"flattened": {`{"protected":"` + text(full) + `","encrypted_key":"` + zeros(40) + `","iv":"` + zeros(12) +
			`","ciphertext":"","tag":"` + zeros(16) + `"}`, []string{kidA}},
		"escapes": {strings.Replace(general(recipient(wrappedA, 40), ""), `"ciphertext"`, `"\u0063iphertext"`, 1), []string{kidA}},
	} {
		t.Run(name, func(t *testing.T) {
			var m exchange.Message
			if !(codec{}).Recognizes([]byte(c.in)) {
				t.Error("not recognised")
			}
			for range 2 { // the second time it is like the one before
				if err := (codec{}).Parse(&m, []byte(c.in)); err != nil {
					t.Fatal(err)
				}
				if len(m.Nonce) != exchange.NonceSize || len(m.Sealed) < exchange.TagSize {
					t.Errorf("a nonce of %d bytes, %d sealed", len(m.Nonce), len(m.Sealed))
				}
				if len(m.Recipients) != len(c.kids) {
					t.Fatalf("%d recipients, not %d", len(m.Recipients), len(c.kids))
				}
				for i, r := range m.Recipients {
					if r.Alg != keys.AlgA256KW || hex.EncodeToString(r.KID) != c.kids[i] {
						t.Errorf("recipient %d: alg %d, kid %x", i, r.Alg, r.KID)
					}
				}
			}
		})
	}
}

// TestTheMessageBeforeDecidesNothing: a message that is like the one before but
// for its recipient, or its header, is read anew.
func TestTheMessageBeforeDecidesNothing(t *testing.T) {
	for name, in := range map[string][2]string{
		"compact": {compact(full), compact(`{"alg":"dir","enc":"A256GCM"}`)},
		"general": {general(recipient(wrappedA, 40), ""), general(recipient(`{"alg":"dir"}`, 40), "")},
		"a second iv": {general(recipient(wrappedA, 40), ""),
			strings.TrimSuffix(general(recipient(wrappedA, 40), ""), "}") + `,"iv":"` + zeros(12) + `"}`},
		"a brace behind": {general(recipient(wrappedA, 40), ""), general(recipient(wrappedA, 40), "") + "}"},
		"a member behind": {general(recipient(wrappedA, 40), ""),
			strings.TrimSuffix(general(recipient(wrappedA, 40), ""), "}") + `,"aad":"AAAA"}`},
	} {
		t.Run(name, func(t *testing.T) {
			var m, fresh exchange.Message
			if err := (codec{}).Parse(&m, []byte(in[0])); err != nil {
				t.Fatal(err)
			}
			after, alone := (codec{}).Parse(&m, []byte(in[1])), (codec{}).Parse(&fresh, []byte(in[1]))
			if after == nil || alone == nil || after.Error() != alone.Error() {
				t.Errorf("behind another message %v, alone %v", after, alone)
			}
		})
	}
}

// TestDerivation: the example of RFC 7518, appendix C.
func TestDerivation(t *testing.T) {
	secret := []byte{
		158, 86, 217, 29, 129, 113, 53, 211, 114, 131, 66, 131, 191, 132, 38, 156,
		251, 49, 110, 163, 218, 128, 106, 72, 246, 218, 167, 121, 140, 254, 144, 196,
	}
	party, err := readParty(object{"apu": []byte(`"QWxpY2U"`), "apv": []byte(`"Qm9i"`)})
	if err != nil {
		t.Fatal(err)
	}
	got := encoding.EncodeToString(concatKDF(secret, "A128GCM", party, 16))
	if got != "VqqN6vgjbSBcIijNcacQGg" {
		t.Error(got)
	}
}

func TestTemplateRefuses(t *testing.T) {
	for name, recipients := range map[string][]keys.Wrapped{
		"none":          nil,
		"17":            make([]keys.Wrapped, 17),
		"a key service": {{Alg: keys.AlgAWSKMS}},
		"one of two":    {{Alg: keys.AlgA256KW}, {Alg: keys.AlgAWSKMS}},
	} {
		if _, err := (codec{}).NewTemplate(recipients); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
