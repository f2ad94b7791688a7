package keyring

import (
	"bytes"
	"encoding/binary"
	"log/slog"
	"os"
	"strings"
	"testing"
	"unicode/utf16"

	"github.com/streamcrypt/streamcrypt/keys/local"
)

// utf16Of returns a text as a Windows shell writes it.
func utf16Of(text []byte) []byte {
	b := []byte{0xff, 0xfe}
	for _, unit := range utf16.Encode([]rune(string(text))) {
		b = binary.LittleEndian.AppendUint16(b, unit)
	}
	return b
}

// TestKeyFilesOfEditors loads key files as editors and shells leave them: with
// a byte order mark and with CRLF they are taken, and UTF-16 is told by its
// name.
func TestKeyFilesOfEditors(t *testing.T) {
	t.Chdir(t.TempDir())
	aes, err := local.GenerateAES()
	if err != nil {
		t.Fatal(err)
	}
	rsa, err := local.GenerateRSA(local.MinRSABits)
	if err != nil {
		t.Fatal(err)
	}
	for scheme, file := range map[string][]byte{"local": aes, "rsa": rsa} {
		for name, c := range map[string]struct {
			text []byte
			want string
		}{
			"as it is":  {file, ""},
			"mark":      {append([]byte("\xef\xbb\xbf"), file...), ""},
			"CRLF":      {bytes.ReplaceAll(file, []byte("\n"), []byte("\r\n")), ""},
			"UTF-16":    {utf16Of(file), "UTF-16"},
			"half of a": {utf16Of(file)[2:], "UTF-16"},
			"OpenSSH":   {[]byte("-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----\n"), "OpenSSH"},
			"public":    {[]byte("ssh-rsa AAAAB3NzaC1yc2E= me@host\n"), "OpenSSH"},
		} {
			if scheme == "local" && c.want == "OpenSSH" {
				continue
			}
			if err := os.WriteFile("key", c.text, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := LoadWrappers(t.Context(), []string{scheme + ":key"}, Env{Log: slog.New(slog.DiscardHandler)})
			if (c.want == "") != (err == nil) || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("%s, %s: %v", scheme, name, err)
			}
		}
	}
}
