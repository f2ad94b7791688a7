package testcontainers

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// checked is what the test looks at of a report in JSON.
type checked struct {
	Envelopes, Readable int64
	Places              []struct {
		Name          string
		First, Last   int64
		FirstReadable *int64 `json:"first_readable"`
		From          *int64 `json:"readable_from"`
		Changes       int64
	}
}

// TestKeysCheck loses a key. On a real broker, whose topic has transaction
// markers and records that were taken back, a sample finds the same first
// readable offsets as reading everything does.
func TestKeysCheck(t *testing.T) {
	k := kafkaTest{kafkaServer: startKafka(t, nil)}
	dir := t.TempDir()
	keys := make([]string, 2)
	for i, name := range []string{"lost.jwk", "new.jwk"} {
		path := filepath.Join(dir, name)
		streamcrypt(t.Context(), t, "keygen", "local", "--out", path)
		keys[i] = "local:" + path
	}
	k.topic(t, "plain", parts)
	s := series{partitions: parts, n: 40_000}
	k.put(t, "plain", 0, s.n/2, s.numbered)
	k.key = keys[0]
	k.run(t, "encrypt", k.url("plain?until=latest&group=enc"), k.url("sealed?create=true"))

	c := k.connect(t, kgo.RecordPartitioner(kgo.ManualPartitioner()), kgo.TransactionalID("noise"))
	if err := c.BeginTransaction(); err != nil {
		t.Fatal(err)
	}
	var noise []*kgo.Record
	for i := range 20_000 {
		noise = append(noise, &kgo.Record{Topic: "sealed", Partition: int32(i % parts), Value: []byte("taken back")})
	}
	if err := c.ProduceSync(t.Context(), noise...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	if err := c.EndTransaction(t.Context(), kgo.TryAbort); err != nil {
		t.Fatal(err)
	}

	k.put(t, "plain", s.n/2, s.n, s.numbered)
	k.key = keys[1]
	k.run(t, "encrypt", k.url("plain?until=latest&group=enc"), k.url("sealed"))

	all := k.check(t, keys[1])
	sample := k.check(t, keys[1], "--sample", "6")
	if all.Envelopes != int64(s.n) || all.Readable != int64(s.n/2) || len(all.Places) != parts || len(sample.Places) != parts {
		t.Fatalf("%+v", all)
	}
	if sample.Envelopes > parts*100 {
		t.Errorf("a sample of %d envelopes", sample.Envelopes)
	}
	for i, p := range all.Places {
		if p.FirstReadable == nil || *p.FirstReadable < 5000 || *p.From != *p.FirstReadable || p.Changes != 1 {
			t.Errorf("%+v", p)
			continue
		}
		if got := sample.Places[i]; got.FirstReadable == nil || *got.FirstReadable != *p.FirstReadable || got.First != p.First || got.Last != p.Last || got.Changes != 1 {
			t.Errorf("a sample says %+v, all of it %+v", got, p)
		}
	}
}

// check runs keys check on the sealed topic, which must end with code 1:
// something cannot be opened.
func (k *kafkaTest) check(t *testing.T, key string, more ...string) (r checked) {
	t.Helper()
	args := append([]string{"keys", "check", "--json", "--key", key, "--from", k.url("sealed")}, more...)
	out, err := exec.CommandContext(t.Context(), binary, args...).Output()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Fatalf("%v: %s", err, out)
	}
	if err := json.Unmarshal(out, &r); err != nil {
		t.Fatal(err)
	}
	return r
}
