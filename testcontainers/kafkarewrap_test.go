package testcontainers

import (
	"path/filepath"
	"strings"
	"testing"
)

// testRewrap: a topic of envelopes becomes one that another key opens and the
// old one does not, record by record the same.
func (k *kafkaTest) testRewrap(t *testing.T) {
	s := series{partitions: parts, n: 20_000, large: 500}
	k.topic(t, "moving", parts)
	k.put(t, "moving", 0, s.n, s.record)
	k.run(t, "encrypt", k.url("moving?until=latest&group=moving-enc"), k.url("moving-sealed?create=true"))
	path := filepath.Join(t.TempDir(), "new.jwk")
	streamcrypt(t.Context(), t, "keygen", "local", "--out", path)
	fresh := "local:" + path

	rewrap := exitOf(t.Context(), t, "rewrap", "--old-key", k.key, "--key", fresh,
		"--from", k.url("moving-sealed?until=latest&group=moving"), "--to", k.url("moving-moved?create=true"))
	if rewrap.code != 0 || !strings.Contains(rewrap.stderr, `"rewrapped":20000`) {
		t.Fatalf("exit %d: %s", rewrap.code, rewrap.stderr)
	}
	streamcrypt(t.Context(), t, "decrypt", "--key", fresh, "--context", "moving-sealed",
		"--from", k.url("moving-moved?until=latest"), "--to", k.url("moving-opened?create=true"))
	k.compare(t, "moving-opened", s, s.record)
	old := exitOf(t.Context(), t, "verify", "--key", k.key, "--context", "moving-sealed", "--from", k.url("moving-moved"))
	if old.code != 1 || !strings.Contains(old.stderr, "unknown-key") {
		t.Errorf("the old key: exit %d: %s", old.code, old.stderr)
	}
}
