package route

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
)

// TestObjectStore: objects come through a sealed store as they are, the newest
// of each name, and a deleted one is deleted in the copy. The sealed store shows
// nothing of them.
func TestObjectStore(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	source, err := b.js.CreateObjectStore(t.Context(), jetstream.ObjectStoreConfig{Bucket: "papers"})
	must(t, err)
	large := make([]byte, 500_000) // several chunks
	_, _ = rand.NewChaCha8([32]byte{1}).Read(large)
	put := func(name string, content []byte) {
		_, err := source.PutBytes(t.Context(), name, content)
		must(t, err)
	}
	put("large", large)
	put("changed", []byte("before"))
	put("changed", []byte("after"))
	put("deleted", []byte("secret"))
	put("empty", nil)
	must(t, source.Delete(t.Context(), "deleted"))
	move := func() {
		mustRun(t, Encrypt, Config{
			From: b.url + "/OBJ_papers?consumer=c&until=latest",
			To:   b.url + "/OBJ_sealed?subject=$O.sealed.>&strip=$O.papers&create=true",
		})
		mustRun(t, Decrypt, Config{
			From: b.url + "/OBJ_sealed?consumer=c&until=latest",
			To:   b.url + "/OBJ_copy?subject=$O.copy.>&strip=$O.sealed&create=true",
		})
	}
	move()
	copied, err := b.js.ObjectStore(t.Context(), "copy")
	must(t, err)
	for name, want := range map[string][]byte{"large": large, "changed": []byte("after"), "empty": {}} {
		got, err := copied.GetBytes(t.Context(), name)
		if err != nil || !bytes.Equal(got, want) {
			t.Errorf("%s: %d bytes, %v", name, len(got), err)
		}
	}
	if _, err := copied.GetBytes(t.Context(), "deleted"); !errors.Is(err, jetstream.ErrObjectNotFound) {
		t.Errorf("deleted: %v", err)
	}
	// It goes on.
	put("changed", []byte("at last"))
	must(t, source.Delete(t.Context(), "large"))
	move()
	if got, err := copied.GetString(t.Context(), "changed"); got != "at last" {
		t.Errorf("changed: %q, %v", got, err)
	}
	if _, err := copied.GetBytes(t.Context(), "large"); !errors.Is(err, jetstream.ErrObjectNotFound) {
		t.Errorf("deleted later: %v", err)
	}
	for _, m := range b.read(t, "OBJ_sealed") {
		if bytes.Contains(m.data, []byte("at last")) || bytes.Contains(m.data, []byte("nuid")) {
			t.Errorf("%s shows plaintext", m.subject)
		}
	}
	described := map[string]int{} // of each object there is one description: the rollup takes the others away
	for _, m := range b.read(t, "OBJ_copy") {
		if strings.HasPrefix(m.subject, "$O.copy.M.") {
			described[m.subject]++
		}
	}
	for subject, n := range described {
		if n != 1 || len(described) != 4 {
			t.Errorf("one of %d objects is described %d times: %s", len(described), n, subject)
		}
	}
}
