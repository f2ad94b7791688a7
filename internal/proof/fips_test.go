package proof

import (
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestFIPSOnly runs itself again in the mode in which the cipher chooses every
// nonce: a comparison has HMAC there.
func TestFIPSOnly(t *testing.T) {
	const inside = "TEST_STREAMCRYPT_FIPS_ONLY"
	if os.Getenv(inside) == "" {
		cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestFIPSOnly$", "-test.v")
		cmd.Env = append(os.Environ(), "GODEBUG=fips140=only", inside+"=1")
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "--- PASS: TestFIPSOnly") {
			t.Fatalf("%v\n%s", err, out)
		}
		return
	}
	key := make([]byte, 32)
	content := &Content{Key: []byte("k"), Value: []byte("v")}
	if NewQuickDigester(key).SumContent(content) != NewDigester(key).SumContent(content) {
		t.Error("the digest is another than HMAC")
	}
}
