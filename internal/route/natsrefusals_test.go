package route

import (
	"bytes"
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
)

// TestAnotherIDSecret: a process whose message ids are made with another secret
// than those of the others would store their messages twice. It is refused, and
// told which secret is the right one.
func TestAnotherIDSecret(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "p")
	b.stream(t, "ENC", "e")
	for name, text := range map[string]string{"a": "one secret of the ids, 32 bytes long", "b": "another secret of ids, 32 bytes long"} {
		must(t, os.WriteFile(name, []byte(text), 0o600))
	}
	_, err := b.js.Publish(t.Context(), "p", []byte("v"))
	must(t, err)
	c := func(secret string) Config {
		return Config{From: b.url + "/PLAIN?consumer=c&until=latest", To: b.url + "/ENC?subject=e" + secret}
	}
	mustRun(t, Encrypt, c("&id-secret=a"))
	mustRun(t, Encrypt, c("&id-secret=a"))
	for _, other := range []string{"&id-secret=b", ""} {
		_, err := run(t, Encrypt, c(other), Env{})
		if !errors.Is(err, connector.ErrIDSecret) || !strings.Contains(err.Error(), "consumer c") {
			t.Errorf("%q: %v", other, err)
		}
	}
	if n := len(b.read(t, "ENC")); n != 1 {
		t.Errorf("%d messages are sealed", n)
	}
}

// TestDestinationChanges: a consumer goes on when its messages go elsewhere from
// now on, or are given other subjects.
func TestDestinationChanges(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "p")
	b.stream(t, "ONE", "one.>")
	b.stream(t, "TWO", "two.>")
	for _, to := range []string{"/ONE?subject=one.a", "/ONE?subject=one.>", "/TWO?subject=two.>"} {
		_, err := b.js.Publish(t.Context(), "p", []byte("v"))
		must(t, err)
		if s := mustRun(t, Encrypt, Config{From: b.url + "/PLAIN?consumer=c&until=latest", To: b.url + to}); s.Messages != 1 {
			t.Errorf("%s: %d messages", to, s.Messages)
		}
	}
}

// TestSharedIntoLastValues: a shared consumer promises no order, and a stream
// that keeps last values needs it.
func TestSharedIntoLastValues(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	b.stream(t, "PLAIN", "p")
	b.stream(t, "ALL", "a")
	_, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "LAST", Subjects: []string{"l"}, MaxMsgsPerSubject: 1})
	must(t, err)
	const from = "/PLAIN?consumer=c&until=latest&shared=true"
	_, err = run(t, Encrypt, Config{From: b.url + from, To: b.url + "/LAST?subject=l"}, Env{})
	if err == nil || !strings.Contains(err.Error(), "promises no order") {
		t.Errorf("refused with %v", err)
	}
	mustRun(t, Encrypt, Config{From: b.url + from, To: b.url + "/ALL?subject=a"})
}

// TestSaysWhatItMade: a stream that create=true makes is named, with the limits
// that it took over.
func TestSaysWhatItMade(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	_, err := b.js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "PLAIN", Subjects: []string{"p"}, MaxMsgs: 77})
	must(t, err)
	for run, want := range []int{1, 0} {
		var logs bytes.Buffer
		_, err = runLogged(t, &logs, Config{
			From: b.url + "/PLAIN?consumer=c&until=latest", To: b.url + "/MADE?subject=made&create=true",
		})
		must(t, err)
		if n := strings.Count(logs.String(), `msg="nats stream made" stream=MADE subjects=[made] replicas=1`); n != want ||
			want == 1 && !strings.Contains(logs.String(), "max_msgs=77") {
			t.Errorf("run %d: said %d times: %s", run, n, logs.String())
		}
	}
}

func runLogged(t *testing.T, logs *bytes.Buffer, c Config) (Snapshot, error) {
	t.Helper()
	return run(t, Encrypt, c, Env{Log: slog.New(slog.NewTextHandler(logs, nil))})
}
