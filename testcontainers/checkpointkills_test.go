package testcontainers

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kgo"
)

// TestKilledCheckpoints kills backfills that keep their position in a
// checkpoint, at random moments, and runs them again until they are complete.
// Then verify --against finds nothing missing, extra, different or reordered.
// Into a file and a stream nothing is there twice. Into a topic a run without a
// group delivers at least once, and a route that decrypts drops the rest.
func TestKilledCheckpoints(t *testing.T) {
	k := kafkaTest{kafkaServer: startKafka(t, nil)}
	t.Chdir(t.TempDir())
	streamcrypt(t.Context(), t, "keygen", "local", "--out", "key.jwk")
	s := series{partitions: 4, n: 24_000}
	k.topic(t, "plain", s.partitions)
	k.put(t, "plain", 0, s.n, s.numbered)
	t.Run("topic into topic", func(t *testing.T) { k.testKilledIntoTopic(t, s) })
	t.Run("topic into file", func(t *testing.T) { k.testKilledIntoFile(t, s) })
	t.Run("folder into topic", func(t *testing.T) { k.testKilledFolder(t) })
	t.Run("migrate", func(t *testing.T) { k.testKilledMigration(t, s) })
	t.Run("stream into stream", testKilledStream)
}

// fillRate has a backfill take long enough to be killed in the middle.
const fillRate = "4MB/s"

// comparison is the part of the line of verify --json that the tests look at.
type comparison struct {
	Comparison struct {
		Identical bool
		Counts    struct {
			Matched, Missing, Extra, Different, Reordered, Undecryptable, Unverifiable, Duplicates int64
		}
	}
}

// compareSides compares both sides, of n messages. Messages that are there
// twice are tolerated if that is said; their number is logged.
func compareSides(t *testing.T, n int, twice bool, plain, sealed string) {
	t.Helper()
	e := exitOf(t.Context(), t, "verify", "--json", "--key", "local:key.jwk", "--from", plain, "--against", sealed)
	lines := bytes.Split(bytes.TrimSpace(e.stdout), []byte("\n"))
	var c comparison
	if err := json.Unmarshal(lines[len(lines)-1], &c); err != nil {
		t.Fatalf("%v\n%s", err, e.stderr)
	}
	got := c.Comparison.Counts
	t.Logf("compared: %+v", got)
	want := got
	want.Matched, want.Missing, want.Extra, want.Different, want.Reordered, want.Undecryptable, want.Unverifiable = int64(n), 0, 0, 0, 0, 0, 0
	if !twice {
		want.Duplicates = 0
	}
	if got != want || c.Comparison.Identical != (got.Duplicates == 0) {
		t.Errorf("exit code %d, identical %v: %+v\n%s", e.code, c.Comparison.Identical, got, e.stderr)
	}
}

func (k *kafkaTest) testKilledIntoTopic(t *testing.T, s series) {
	k.topic(t, "sealed", s.partitions, "max.message.bytes", "1100000")
	k.topic(t, "opened", s.partitions, "max.message.bytes", "1200000")
	killAtRandom(t, countKills(t, 3), k.countEnds(t, "sealed", s.partitions), int64(s.n), "encrypt",
		"--key", "local:key.jwk", "--checkpoint", "topic.ck", "--rate", "2MB/s", "--read-ahead", "256KiB",
		"--from", k.url("plain?until=latest"), "--to", k.url("sealed?delivery=at-least-once"))
	compareSides(t, s.n, true, k.url("plain"), k.url("sealed"))
	streamcrypt(t.Context(), t, "decrypt", "--key", "local:key.jwk",
		"--from", k.url("sealed?group=open&until=latest"), "--to", k.url("opened"))
	k.compare(t, "opened", s, s.numbered)
}

func (k *kafkaTest) testKilledIntoFile(t *testing.T, s series) {
	const bytesEach = 380 // of an envelope, about: the moments are random anyway
	size := func() int64 {
		for _, name := range []string{"out.scx", "out.scx.partial"} {
			if info, err := os.Stat(name); err == nil {
				return info.Size() / bytesEach
			}
		}
		return 0
	}
	killAtRandom(t, countKills(t, 3), size, int64(s.n), "encrypt",
		"--key", "local:key.jwk", "--checkpoint", "file.ck", "--rate", fillRate,
		"--from", k.url("plain?until=latest"), "--to", "file:out.scx")
	compareSides(t, s.n, false, k.url("plain"), "file:out.scx")
}

// testKilledFolder seals a folder of compressed files into a topic.
func (k *kafkaTest) testKilledFolder(t *testing.T) {
	const files, each = 3, 8_000
	for f := range files {
		var packed bytes.Buffer
		w := gzip.NewWriter(&packed)
		for i := range each {
			fmt.Fprintf(w, `{"key":"%d-%06d","value":"%01000d"}`+"\n", f, i, i)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		name := filepath.Join("exports", fmt.Sprint(f)+".ndjson.gz")
		if err := os.MkdirAll("exports", 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(name, packed.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	k.topic(t, "exports.sealed", 2)
	k.topic(t, "exports.opened", 2)
	killAtRandom(t, countKills(t, 3), k.countEnds(t, "exports.sealed", 2), files*each, "encrypt",
		"--key", "local:key.jwk", "--checkpoint", "folder.ck", "--rate", "8MB/s", "--read-ahead", "256KiB",
		"--from", "exports/*.ndjson.gz", "--to", k.url("exports.sealed?delivery=at-least-once"))
	streamcrypt(t.Context(), t, "decrypt", "--key", "local:key.jwk",
		"--from", k.url("exports.sealed?group=open&until=latest"), "--to", k.url("exports.opened"))
	seen, sealed := map[string]int{}, k.countEnds(t, "exports.sealed", 2)()
	k.read(t, "exports.opened", 2, func(r *kgo.Record) {
		if _, number, _ := strings.Cut(string(r.Key), "-"); strings.TrimLeft(number, "0") != strings.TrimLeft(string(r.Value), "0") {
			t.Errorf("%s: %s", r.Key, r.Value)
		}
		seen[string(r.Key)]++
	})
	twice := 0
	for _, n := range seen {
		twice += n - 1
	}
	t.Logf("%d envelopes of %d messages, %d of them opened twice", sealed, files*each, twice)
	if len(seen) != files*each || twice != 0 {
		t.Errorf("%d messages, want %d; %d twice", len(seen), files*each, twice)
	}
}

// testKilledMigration kills a migration at random moments: while it copies,
// and perhaps while it compares.
func (k *kafkaTest) testKilledMigration(t *testing.T, s series) {
	k.topic(t, "migrated", s.partitions, "max.message.bytes", "1100000")
	killAtRandom(t, countKills(t, 3), k.countEnds(t, "migrated", s.partitions), int64(s.n), "migrate", "--yes", "--end",
		"--key", "local:key.jwk", "--rate", fillRate,
		"--from", k.url("plain?group=migrate"), "--to", k.url("migrated"))
	compareSides(t, s.n, false, k.url("plain"), k.url("migrated"))
}

// testKilledStream copies a stream without a consumer of its own.
func testKilledStream(t *testing.T) {
	url, js := startNATS(t.Context(), t)
	const n = 10_000
	for _, name := range []string{"plain", "sealed"} {
		config := jetstream.StreamConfig{Name: strings.ToUpper(name), Subjects: []string{name + ".>"}, Duplicates: 30 * time.Minute}
		if _, err := js.CreateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	putNumbers(t, js, n)
	count := func() int64 { return int64(countMessages(t.Context(), t, js, "SEALED")) }
	killAtRandom(t, countKills(t, 3), count, n, "encrypt", "--key", "local:key.jwk", "--checkpoint", "stream.ck", "--rate", "500kB/s",
		"--from", url+"/PLAIN?until=latest", "--to", url+"/SEALED?subject=sealed.>&strip=plain")
	compareSides(t, n, false, url+"/PLAIN", url+"/SEALED")
}
