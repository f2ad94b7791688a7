package route

import (
	"fmt"
	"os"
	"strings"
	"testing"

	natsgo "github.com/nats-io/nats.go"
)

// putOrders publishes messages with the numbers from one up to another.
func (b *broker) putOrders(t *testing.T, stream string, from, to int) {
	t.Helper()
	for i := from; i < to; i++ {
		m := natsgo.NewMsg(strings.ToLower(stream) + ".x")
		m.Data = fmt.Appendf(nil, `{"order":%d}`, i)
		b.publish(t, m)
	}
	b.published(t)
}

// countOrders returns how often each number is in a file of records.
func countOrders(t *testing.T, path string, n int) (missing, double int) {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	for i := range n {
		switch strings.Count(string(text), fmt.Sprintf(`{\"order\":%d}`, i)) {
		case 0:
			missing++
		case 1:
		default:
			double++
		}
	}
	return missing, double
}

// A stream goes on where the checkpoint says, without a consumer, into a file
// and into a stream. A checkpoint of something else is refused by its name.
func TestCheckpointOfAStream(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "plain.>")
	b.stream(t, "OTHER", "other.>")
	b.stream(t, "SEALED", "sealed.>")
	run := func(to, checkpoint string) Config {
		return Config{From: b.url + "/PLAIN?until=latest", To: to, Checkpoint: checkpoint}
	}
	file, stream := "file:out.scx?append=true", b.url+"/SEALED?subject=sealed.>"
	for i, want := range []int64{100, 50, 0} {
		if want > 0 {
			b.putOrders(t, "PLAIN", i*100, i*100+int(want))
		}
		for to, checkpoint := range map[string]string{file: "ck", stream: "ck2"} {
			if s := mustRun(t, Encrypt, run(to, checkpoint)); s.Messages != want {
				t.Errorf("run %d to %s: %d messages, not %d", i, to, s.Messages, want)
			}
		}
	}
	mustRun(t, Decrypt, Config{From: "file:out.scx", To: "file:out.ndjson"})
	if missing, double := countOrders(t, "out.ndjson", 150); missing+double > 0 {
		t.Errorf("%d messages are missing, %d are there twice", missing, double)
	}
	if n := len(b.read(t, "SEALED")); n != 150 {
		t.Errorf("%d messages in the stream", n)
	}

	other := run(file, "ck")
	other.From = b.url + "/OTHER?until=latest"
	fails(t, Encrypt, other, "checkpoint ck: made for source")
	other = run(file, "ck")
	other.From = b.url + "/PLAIN?until=latest&subject=plain.x"
	fails(t, Encrypt, other, "checkpoint ck: made for source")
	fails(t, Encrypt, run("file:other.scx", "ck"), "checkpoint ck: made for destination")
	other = run(stream, "ck2")
	other.Context, other.ContextSet = "another", true
	fails(t, Encrypt, other, `checkpoint ck2: made for context "SEALED", not "another"`)
	other = run(stream, "ck2")
	other.Keys = []string{"local:other.jwk"}
	fails(t, Encrypt, other, "checkpoint ck2: made for keys")

	must(t, b.js.DeleteStream(t.Context(), "PLAIN"))
	b.stream(t, "PLAIN", "plain.>")
	fails(t, Encrypt, run(stream, "ck2"), "checkpoint ck2: made for source")
}

// A topic goes on where the checkpoint says, without a group.
func TestCheckpointOfATopic(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 3, nil)
	run := func(to, checkpoint string) Config {
		return Config{From: b.url + "/plain?until=latest", To: to, Checkpoint: checkpoint}
	}
	file, topic := "file:out.scx?append=true", b.url+"/sealed?create=true"
	for i, want := range []int{30, 12, 0} {
		if want > 0 {
			b.put(t, mixed("plain", want, 3)...)
		}
		for to, checkpoint := range map[string]string{file: "ck", topic: "ck2"} {
			c := run(to, checkpoint)
			if s := mustRun(t, Encrypt, c); s.Messages != int64(want) {
				t.Errorf("run %d to %s: %d messages, not %d", i, to, s.Messages, want)
			}
		}
	}
	if s := mustRun(t, Verify, Config{From: "file:out.scx"}); s.Messages != 42 {
		t.Errorf("%d messages in the file", s.Messages)
	}
	if n := b.numbersOf(t, "sealed"); n[0]+n[1]+n[2] != 42 {
		t.Errorf("%v messages in the topic", n)
	}
	b.topic(t, "other", 1, nil)
	other := run(file, "ck")
	other.From = b.url + "/other?until=latest"
	fails(t, Encrypt, other, "checkpoint ck: made for source")
	plan, err := MakePreview(t.Context(), "encrypt", Config{
		From: b.url + "/plain?until=latest", To: "file:new.scx", Checkpoint: "new", Keys: []string{"local:k.jwk"},
	}, Env{Log: quiet})
	must(t, err)
	if _, err := os.Stat("new"); !plan.IsUsable() || err == nil {
		t.Errorf("a plan has made the checkpoint: %v, %+v", err, plan.Problems)
	}
}
