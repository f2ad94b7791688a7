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
	k.rewrapPattern(t, fresh)
	old := exitOf(t.Context(), t, "verify", "--key", k.key, "--context", "moving-sealed", "--from", k.url("moving-moved"))
	if old.code != 1 || !strings.Contains(old.stderr, "unknown-key") {
		t.Errorf("the old key: exit %d: %s", old.code, old.stderr)
	}
}

// rewrapPattern rewraps the topics of a pattern, and checks the keys of the
// copies.
func (k *kafkaTest) rewrapPattern(t *testing.T, fresh string) {
	t.Helper()
	s := series{partitions: parts, n: 2000}
	for _, topic := range []string{"movers.a", "movers.b"} {
		k.topic(t, topic, parts)
		k.put(t, topic, 0, s.n, s.numbered)
	}
	k.run(t, "encrypt", k.url("movers.a,movers.b?until=latest&group=movers-enc"), k.url("{topic}.sealed?create=true"))
	rewrap := exitOf(t.Context(), t, "rewrap", "--old-key", k.key, "--key", fresh,
		"--from", k.url(`~movers\..*\.sealed?until=latest&group=movers`), "--to", k.url("{topic}.moved?create=true"))
	if rewrap.code != 0 || !strings.Contains(rewrap.stderr, `"rewrapped":4000`) ||
		!strings.Contains(rewrap.stderr, "--context '{topic-.moved}'") {
		t.Fatalf("exit %d: %s", rewrap.code, rewrap.stderr)
	}
	streamcrypt(t.Context(), t, "decrypt", "--key", fresh, "--context", "{topic-.moved}",
		"--from", k.url(`~movers\..*\.moved?until=latest`), "--to", k.url("{topic-.sealed.moved}.opened?create=true"))
	k.once(t, "movers.a.opened", s)
	k.once(t, "movers.b.opened", s)
	for key, code := range map[string]int{fresh: 0, k.key: 1} {
		checked := exitOf(t.Context(), t, "keys", "check", "--key", key, "--context", "{topic-.moved}",
			"--from", k.url(`~movers\..*\.moved`))
		if checked.code != code {
			t.Errorf("keys check: exit %d, want %d: %s", checked.code, code, checked.stderr)
		}
	}
}
