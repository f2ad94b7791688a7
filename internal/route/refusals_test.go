package route

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// A message with more headers than a file takes is a dead letter, and the
// archive is whole without it.
func TestMessageTooLargeForAFile(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "orders.>")
	for i := range 5 {
		m := natsgo.NewMsg("orders.a")
		m.Data = fmt.Append(nil, i)
		if i == 2 {
			m.Header["H"] = make([]string, 4200)
		}
		b.publish(t, m)
	}
	b.published(t)
	for _, to := range []string{"file:s.scx", "file:s.ndjson"} {
		c := Config{From: b.url + "/PLAIN?until=latest", To: to}
		fails(t, Encrypt, c, "PLAIN@3: header")
		c.DeadLetter, c.Overwrite = "file:dead.ndjson", true
		s := mustRun(t, Encrypt, c)
		if s.Messages != 5 || s.Rejected != 1 || s.Reasons["header"] != 1 || s.Parked != 0 {
			t.Errorf("%s: %+v", to, s)
		}
		if s := mustRun(t, Verify, Config{From: to, On: []string{"gap=pass"}}); s.Messages != 4 {
			t.Errorf("%s holds %d messages", to, s.Messages)
		}
	}
	if dead := readFile(t, "dead.ndjson"); bytes.Count(dead, []byte(`"PLAIN@3"`)) != 2 || bytes.Count(dead, []byte("\n")) != 2 {
		t.Errorf("letters: %s", dead)
	}
}

// A time that ndjson cannot hold is a dead letter, which then goes without a
// time.
func TestTimeThatCannotBeWritten(t *testing.T) {
	testDir(t)
	writeArchive(t, "s.scx", time.Date(20_000, 1, 1, 0, 0, 0, 0, time.UTC), time.Time{})

	c := Config{From: "file:s.scx", To: "file:out.ndjson"}
	fails(t, Decrypt, c, "s.scx@0: malformed")
	c.DeadLetter = "file:dead.ndjson"
	s := mustRun(t, Decrypt, c)
	if s.Messages != 2 || s.Rejected != 1 || s.Reasons["malformed"] != 1 {
		t.Errorf("%+v", s)
	}
	same(t, readFile(t, "out.ndjson"), []byte("{\"value\":\"1\"}\n"))
	if dead := string(readFile(t, "dead.ndjson")); !strings.Contains(dead, `"s.scx@0"`) || strings.Contains(dead, `"time"`) {
		t.Errorf("letter: %s", dead)
	}
}

// A subject that does not begin as strip= says is the fault of its message.
func TestSubjectThatCannotBeMapped(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "orders.>", "other")
	b.stream(t, "ENC", "enc.>")
	for _, subject := range []string{"orders.a", "other", "orders.b"} {
		b.publish(t, &natsgo.Msg{Subject: subject, Data: []byte("x")})
	}
	b.published(t)
	c := Config{From: b.url + "/PLAIN?until=latest", To: b.url + "/ENC?subject=enc.>&strip=orders"}
	fails(t, Encrypt, c, `PLAIN@2: header: subject cannot be published to: "other"`)
	c.DeadLetter = "file:dead.ndjson"
	s := mustRun(t, Encrypt, c)
	if s.Messages != 3 || s.Rejected != 1 || s.Reasons["header"] != 1 {
		t.Errorf("%+v", s)
	}
	var got []string
	for _, m := range b.read(t, "ENC") {
		got = append(got, m.subject)
	}
	if last := got[max(0, len(got)-2):]; strings.Join(last, " ") != "enc.a enc.b" {
		t.Errorf("published: %v", got)
	}

	// That there is no subject at all is the configuration's: it stops the run.
	writeFile(t, "in.ndjson", []byte("{\"value\":\"x\"}\n"))
	c.From = "file:in.ndjson"
	fails(t, Encrypt, c, "no subject of its own")
}

func TestAppendToAFile(t *testing.T) {
	testDir(t)
	writeFile(t, "one.ndjson", []byte("{\"value\":\"1\"}\n{\"key\":\"k\",\"value\":null}\n"))
	writeFile(t, "two.ndjson", []byte("{\"value\":\"2\"}\n"))
	for _, to := range []string{"all.scx", "all.ndjson"} {
		for _, from := range []string{"one.ndjson", "two.ndjson", "one.ndjson"} {
			mustRun(t, Encrypt, Config{From: "file:" + from, To: "file:" + to + "?append=true"})
		}
		one, two := readFile(t, "one.ndjson"), readFile(t, "two.ndjson")
		want := bytes.Join([][]byte{one, two, one}, nil)
		s := mustRun(t, Decrypt, Config{From: "file:" + to, To: "file:out.ndjson", Overwrite: true})
		if s.Messages != 5 || s.Skipped+s.Rejected != 0 || s.Gaps != 0 {
			t.Errorf("%s: %+v", to, s)
		}
		same(t, readFile(t, "out.ndjson"), want)
		refuses(t, Encrypt, Config{From: "file:one.ndjson", To: "file:" + to}, "already exists")
		refuses(t, Encrypt, Config{From: "file:one.ndjson", To: "file:" + to + "?append=true", Overwrite: true}, "append and overwrite")
	}
}

// What is appended stays when a run is interrupted; a file that is new appears
// at once, or not.
func TestAppendedIsNotAtOnce(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", nil)
	for to, want := range map[string]bool{"file:s.scx": true, "file:s.scx?append=true": false, "file:-?format=seq": false} {
		r, err := Encrypt(t.Context(), Config{From: "file:in.ndjson", To: to, Keys: []string{"local:k.jwk"}}, Env{Log: quiet})
		must(t, err)
		if got := r.job.(*records).out.AtOnce; got != want {
			t.Errorf("%s: at once: %v", to, got)
		}
		must(t, r.Close())
	}
}

// writeArchive writes an archive of messages with these times, whose values
// count from 0.
func writeArchive(t *testing.T, path string, times ...time.Time) {
	t.Helper()
	p := &plan{Config: Config{Keys: []string{"local:k.jwk"}}, env: Env{Log: quiet}}
	p.bind.Time, p.sink.Archive = true, true
	sealer, err := p.loadSealing(t.Context(), true)
	must(t, err)
	functions, err := (&records{plan: p}).newSealedArchive(t.Context(), sealer)
	must(t, err)
	encrypt, err := transform.NewEncrypt(transform.EncryptOptions{Sealer: sealer})
	must(t, err)
	var msgs []pipeline.Message
	for i, at := range times {
		m := pipeline.Message{Value: []byte(strconv.Itoa(i)), Time: at}
		m.Value, err = encrypt.Append(t.Context(), nil, &m)
		must(t, err)
		msgs = append(msgs, m)
	}
	sink, err := file.NewSink(file.SinkOptions{Path: path, Format: format.Seq, Archive: functions})
	must(t, err)
	w, err := sink.Open(t.Context(), nil)
	must(t, err)
	must(t, w.Write(t.Context(), msgs, &pipeline.Progress{Messages: len(msgs)}))
	must(t, w.Close(t.Context()))
}
