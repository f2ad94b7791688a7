package local

import (
	"bytes"
	"crypto/aes"
	"encoding/json"
	"io/fs"
	"testing"

	"github.com/c2sp/wycheproof"
	"github.com/streamcrypt/streamcrypt/keys"
)

// readVectors decodes a file of Project Wycheproof into groups.
func readVectors(t *testing.T, name string, groups any) {
	t.Helper()
	text, err := fs.ReadFile(wycheproof.TestVectors, name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, groups); err != nil {
		t.Fatal(err)
	}
}

func TestKeyWrapWycheproof(t *testing.T) {
	var file struct {
		TestGroups []struct {
			Tests []struct {
				TcID                 int
				Comment              string
				Key, Msg, Ct, Result string
			}
		}
	}
	readVectors(t, "aes_wrap_test.json", &file)
	valid, invalid := 0, 0
	for _, g := range file.TestGroups {
		for _, v := range g.Tests {
			block, err := aes.NewCipher(unhex(t, v.Key))
			if err != nil {
				t.Fatal(err)
			}
			msg, ct := unhex(t, v.Msg), unhex(t, v.Ct)
			key, err := appendUnwrap(nil, block, ct)
			if v.Result != "valid" { // "acceptable" is a key of 8 bytes, which we refuse
				invalid++
				if err == nil {
					t.Errorf("%d (%s): opened", v.TcID, v.Comment)
				}
				continue
			}
			valid++
			if err != nil || !bytes.Equal(key, msg) {
				t.Errorf("%d (%s): unwrap: %v", v.TcID, v.Comment, err)
			}
			if wrapped, err := appendWrap(nil, block, msg); err != nil || !bytes.Equal(wrapped, ct) {
				t.Errorf("%d (%s): wrap: %v", v.TcID, v.Comment, err)
			}
		}
	}
	if valid == 0 || invalid == 0 {
		t.Errorf("%d valid and %d invalid vectors", valid, invalid)
	}
}

// Of Wycheproof's messages only those of 32 bytes are DEKs, so for the others
// any error will do; a label that is not empty must fail as well.
func TestRSAWycheproof(t *testing.T) {
	for _, c := range []struct {
		file string
		alg  int64
	}{
		{"rsa_oaep_2048_sha256_mgf1sha256_test.json", keys.AlgRSAOAEP256},
		{"rsa_oaep_2048_sha512_mgf1sha512_test.json", keys.AlgRSAOAEP512},
	} {
		t.Run(c.file, func(t *testing.T) {
			var file struct {
				TestGroups []struct {
					PrivateKeyPem string
					Tests         []struct {
						TcID                   int
						Msg, Ct, Label, Result string
					}
				}
			}
			readVectors(t, c.file, &file)
			opened := 0
			for _, g := range file.TestGroups {
				k, err := ParseRSA([]byte(g.PrivateKeyPem))
				if err != nil {
					t.Fatal(err)
				}
				for _, v := range g.Tests {
					msg := unhex(t, v.Msg)
					w := k.newWrapped(c.alg)
					w.Ciphertext = unhex(t, v.Ct)
					dek, err := k.Unwrap(t.Context(), keys.Context{}, nil, &w)
					good := v.Result == "valid" && v.Label == "" && len(msg) == keys.DEKSize
					if good != (err == nil) || good && !bytes.Equal(dek, msg) {
						t.Errorf("%d: %x, %v", v.TcID, dek, err)
					}
					if good {
						opened++
					}
				}
			}
			if opened == 0 {
				t.Error("no vector was to be opened")
			}
		})
	}
}
