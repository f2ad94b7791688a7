package transform_test

import (
	"bytes"
	"errors"
	"testing"

	"github.com/streamcrypt/streamcrypt/keystore/keystoretest"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// TestAlreadySealed seals everything twice: values of both profiles and both
// forms, and a tombstone. Nothing else is refused, though it begins alike.
func TestAlreadySealed(t *testing.T) {
	for name, r := range map[string]rig{"self": newRig(t, nil), "ref": newRig(t, new(keystoretest.Memory))} {
		seal, err := transform.NewEncrypt(transform.EncryptOptions{Sealer: r.sealer})
		if err != nil {
			t.Fatal(err)
		}
		for what, value := range map[string][]byte{"empty": {}, "short": []byte("x"), "chunked": make([]byte, 10_000), "null": nil} {
			m := pipeline.Message{Value: value}
			sealed, err := seal.Append(t.Context(), nil, &m)
			if err != nil {
				t.Fatal(err)
			}
			if m.Value = sealed; value == nil {
				m.Value = nil
			}
			_, err = seal.Append(t.Context(), nil, &m)
			refused, ok := errors.AsType[*pipeline.Reject](err)
			if !ok || refused.Reason != pipeline.ReasonAlreadySealed {
				t.Errorf("%s, %s: %v", name, what, err)
			}
			if value == nil {
				continue
			}
			label := bytes.Index(sealed, []byte{0x3a, 's', 'c', 0x00, 0x01})
			for n := range 5 {
				m := pipeline.Message{Value: bytes.Clone(sealed)}
				m.Value[label+n] ^= 1
				if _, err := seal.Append(t.Context(), nil, &m); err != nil {
					t.Errorf("%s, %s: byte %d of the label changed: %v", name, what, n, err)
				}
			}
		}
		for _, plain := range []string{"", "\xd8\x60", "\xd8\x60\x84\x58", "\xd0\x83\x40", "\xd8\x60\x84\x43\xa1\x01\x03", "{}"} {
			if _, err := seal.Append(t.Context(), nil, &pipeline.Message{Value: []byte(plain)}); err != nil {
				t.Errorf("%q: %v", plain, err)
			}
		}
	}
}
