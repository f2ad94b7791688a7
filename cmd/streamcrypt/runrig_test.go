package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/internal/endpoint/all"
	"github.com/streamcrypt/streamcrypt/internal/ops"
)

// runRig is a run of several routes between a Kafka broker and a NATS server.
type runRig struct {
	t        *testing.T
	dir      string
	broker   string
	client   *kgo.Client
	stream   jetstream.JetStream
	nats     string
	log      *growing
	ops      string
	sent     int64
	ended    chan int
	stop     context.CancelFunc
	settings string // the file
	reload   string // how often it is looked at
}

// growing is a log that grows, for one test that waits for lines of it.
type growing struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (g *growing) Write(b []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.Write(b)
}

func (g *growing) String() string {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.text.String()
}

// waitUntil waits for a condition, a minute at most.
func (r *runRig) waitUntil(what string, holds func() bool) {
	r.t.Helper()
	deadline := time.Now().Add(time.Minute)
	for !holds() {
		if time.Now().After(deadline) {
			r.t.Fatalf("%s: not within a minute; the log:\n%s", what, r.log)
		}
		time.Sleep(10 * time.Millisecond)
	}
}

func newRunRig(t *testing.T) *runRig {
	t.Helper()
	r := &runRig{t: t, dir: t.TempDir(), log: new(growing), ended: make(chan int, 1)}
	r.broker = startKafka(t, kfake.SeedTopics(4, "pay"), kfake.GroupMinSessionTimeout(time.Second))
	var err error
	if r.client, err = kgo.NewClient(kgo.SeedBrokers(r.broker)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.client.Close)
	r.nats, r.stream = startNATS(t)
	for _, name := range []string{"ORDERS", "SEALED", "REFUNDS", "SECRET"} {
		config := jetstream.StreamConfig{Name: name, Subjects: []string{strings.ToLower(name) + ".>"}}
		if _, err := r.stream.CreateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	if code, _, stderr := runArgs(t.Context(), "keygen", "local", "--out", filepath.Join(r.dir, "key.jwk")); code != exitOK {
		t.Fatal(stderr)
	}
	r.settings = filepath.Join(r.dir, "run.yaml")
	return r
}

// put puts a configuration in the place of the file, as editors do.
func (r *runRig) put(refunds, more string) {
	r.t.Helper()
	text := fmt.Sprintf(`workers: 2
ops: 127.0.0.1:0
reload: %[6]s
defaults:
  key: local:%[1]s/key.jwk
routes:
  pay: {do: encrypt, from: 'kafka://%[2]s/pay?group=enc', to: 'kafka://%[2]s/pay.sealed?create=true'}
  orders: {do: encrypt, from: '%[3]s/ORDERS?consumer=enc', to: '%[3]s/SEALED?subject=sealed.>'}
  refunds: {do: encrypt, from: '%[3]s/REFUNDS?consumer=enc', to: '%[3]s/SECRET?subject=secret.>'%[4]s}
%[5]s`, r.dir, r.broker, r.nats, refunds, more, cmp.Or(r.reload, "20ms"))
	temporary := write(r.t, r.dir, "new.yaml", []byte(text))
	if err := os.Rename(temporary, r.settings); err != nil {
		r.t.Fatal(err)
	}
}

func (r *runRig) start() {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	r.stop = cancel
	go func() {
		r.ended <- startProgram(ctx, []string{"run", "-c", r.settings}, stdio{strings.NewReader(""), &bytes.Buffer{}, r.log},
			all.Table(), nil)
	}()
	r.t.Cleanup(cancel)
	r.awaitOps()
}

// awaitOps finds the address of the ops server in the log.
func (r *runRig) awaitOps() {
	r.t.Helper()
	r.waitUntil("the ops server", func() bool {
		r.ops = findOpsAddress(r.log.String())
		return r.ops != ""
	})
}

// send writes one message to each source.
func (r *runRig) send() {
	r.t.Helper()
	r.sent++
	for _, subject := range []string{"orders.eu", "refunds.eu"} {
		if _, err := r.stream.Publish(r.t.Context(), subject, []byte("widget")); err != nil {
			r.t.Fatal(err)
		}
	}
	record := &kgo.Record{Topic: "pay", Value: []byte("widget")}
	if err := r.client.ProduceSync(r.t.Context(), record).FirstErr(); err != nil {
		r.t.Fatal(err)
	}
}

// awaitAll waits until all that was sent has been carried and committed.
func (r *runRig) awaitAll(streams ...string) {
	r.t.Helper()
	for _, name := range streams {
		r.waitUntil(name, func() bool {
			s, err := r.stream.Stream(r.t.Context(), name)
			if err != nil {
				r.t.Fatal(err)
			}
			return s.CachedInfo().State.Msgs == uint64(r.sent)
		})
	}
	r.waitUntil("commits of the group", func() bool {
		topic := kmsg.NewOffsetFetchRequestGroupTopic()
		topic.Topic, topic.Partitions = "pay", []int32{0, 1, 2, 3}
		group := kmsg.NewOffsetFetchRequestGroup()
		group.Group, group.Topics = "enc", append(group.Topics, topic)
		request := kmsg.NewPtrOffsetFetchRequest()
		request.Groups = append(request.Groups, group)
		answer, err := request.RequestWith(r.t.Context(), r.client)
		if err != nil {
			r.t.Fatal(err)
		}
		var committed int64
		for _, g := range answer.Groups {
			for _, topic := range g.Topics {
				for _, p := range topic.Partitions {
					committed += max(p.Offset, 0)
				}
			}
		}
		return committed == r.sent
	})
}

// describeMember describes the only member of the group: another one, or the
// same one after it has joined again, is described otherwise.
func (r *runRig) describeMember() string {
	r.t.Helper()
	request := kmsg.NewPtrDescribeGroupsRequest()
	request.Groups = []string{"enc"}
	answer, err := request.RequestWith(r.t.Context(), r.client)
	if err != nil || len(answer.Groups) != 1 || len(answer.Groups[0].Members) != 1 {
		r.t.Fatal(answer, err)
	}
	return answer.Groups[0].Members[0].MemberID
}

// describeLanes describes the lanes of the routes that nothing has changed.
func (r *runRig) describeLanes() string {
	r.t.Helper()
	_, metrics := ask(r.t, r.ops, "/metrics")
	var lines []string
	for line := range strings.Lines(metrics) {
		if strings.HasPrefix(line, "streamcrypt_lanes") && !strings.Contains(line, `"refunds"`) {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}

type runStatus struct {
	Configuration ops.Configuration
	Routes        []struct {
		Name  string
		Phase ops.Phase
		Since time.Time
	}
}

func (r *runRig) readStatus() (s runStatus) {
	r.t.Helper()
	_, body := ask(r.t, r.ops, "/status.json")
	if err := json.Unmarshal([]byte(body), &s); err != nil {
		r.t.Fatal(err)
	}
	return s
}

func (s *runStatus) phaseOf(name string) ops.Phase {
	for _, route := range s.Routes {
		if route.Name == name {
			return route.Phase
		}
	}
	return ""
}
