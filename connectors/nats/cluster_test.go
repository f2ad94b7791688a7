package nats

import (
	"context"
	"fmt"
	"net"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// startCluster starts three servers that form a cluster, and returns one of
// them.
func startCluster(t *testing.T) *broker {
	t.Helper()
	var routes []*url.URL
	var ports []int
	for range 3 {
		// JetStream wants to know its routes before it starts.
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		routes = append(routes, &url.URL{Scheme: "nats", Host: l.Addr().String()})
		ports = append(ports, l.Addr().(*net.TCPAddr).Port)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	var first *broker
	for i, port := range ports {
		b := startBroker(t, func(o *server.Options) {
			o.ServerName = fmt.Sprint("n", i)
			o.Cluster = server.ClusterOpts{Name: "test", Host: "127.0.0.1", Port: port}
			o.Routes = routes
		})
		if first == nil {
			first = b
		}
	}
	eventually(t, "a cluster", func() bool {
		_, err := first.plain().AccountInfo(t.Context())
		return err == nil && first.server.JetStreamIsCurrent()
	})
	return first
}

// stepDown has the leader of a stream give way to another one.
func (b *broker) stepDown(stream string) {
	b.t.Helper()
	if _, err := b.plain().Conn().Request("$JS.API.STREAM.LEADER.STEPDOWN."+stream, nil, 10*time.Second); err != nil {
		b.t.Error(err)
	}
}

// TestLeaderChange: with each way of publishing, nothing is lost or doubled
// while a stream of three replicas gets another leader, and the newest value of
// a subject is the last. Atomic batches keep the whole order.
func TestLeaderChange(t *testing.T) {
	t.Parallel()
	b := startCluster(t)
	c := b.connect()
	const writes, size, keys = 3, 40, 4
	for name, is := range map[string]struct {
		mode   PublishMode
		values int64 // kept of each subject; 0 for all
	}{
		"ASYNC": {mode: PublishAsync}, "BATCH": {mode: PublishBatch}, "FAST": {mode: PublishFast},
		"VALUES": {values: 1},
	} {
		change := func(cfg *jetstream.StreamConfig) {
			cfg.Replicas, cfg.AllowAtomicPublish, cfg.AllowBatchPublish = 3, true, true
			cfg.MaxMsgsPerSubject = is.values
		}
		eventually(t, "a stream", func() bool {
			cfg := jetstream.StreamConfig{Name: name, Subjects: []string{subjectOf(name) + ".>"}}
			change(&cfg)
			_, err := b.plain().CreateStream(t.Context(), cfg)
			return err == nil
		})
		to, err := ParseSubjectMap(subjectOf(name)+".>", "")
		if err != nil {
			t.Fatal(err)
		}
		s := b.sink(c, SinkOptions{Stream: name, Publish: is.mode, Subjects: to})
		w, err := s.Open(t.Context(), clusterLane{})
		if err != nil {
			t.Fatal(err)
		}
		w.(*writer).answers.most = 2 * time.Second
		for i := range writes {
			var msgs []pipeline.Message
			for n := i * size; n < (i+1)*size; n++ {
				msgs = append(msgs, message(int64(n), fmt.Sprint(subjectOf(name), ".", n%keys), numbered(n, 0)))
			}
			changed := make(chan struct{})
			go func() {
				defer close(changed)
				if i == 1 {
					b.stepDown(name)
				}
			}()
			if err := w.Write(t.Context(), msgs, nil); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			<-changed
		}
		b.checkWritten(name, is.values > 0, is.mode == PublishBatch, writes*size, keys)
		if err := w.Close(t.Context()); err != nil {
			t.Error(err)
		}
	}
}

// clusterLane is a lane with new messages and an owner that stays.
type clusterLane struct{ newsLane }

func (clusterLane) ConfirmOwner(context.Context) error { return nil }
func (clusterLane) SubjectFilters() []string           { return nil }

// checkWritten checks what a stream holds of numbered messages under some
// subjects.
func (b *broker) checkWritten(stream string, values, ordered bool, n, keys int) {
	b.t.Helper()
	eventually(b.t, "a leader", func() bool {
		_, _, err := b.connect().requestMessage(b.t.Context(), stream, map[string]any{"last_by_subj": ">"})
		return err == nil
	})
	stored := b.lastStored(stream)
	if values {
		for _, m := range stored {
			if got, err := strconv.Atoi(string(m.Data)); err != nil || got < n-keys {
				b.t.Errorf("%s: %s is %q", stream, m.Subject, m.Data)
			}
		}
		n = keys
	}
	seen := map[string]bool{}
	for i, m := range stored {
		seen[string(m.Data)] = true
		if ordered && string(m.Data) != string(numbered(i, 0)) {
			b.t.Fatalf("%s: message %d is %q", stream, i, m.Data)
		}
	}
	if len(stored) != n || len(seen) != n {
		b.t.Errorf("%s: %d messages stored, %d different ones; want %d", stream, len(stored), len(seen), n)
	}
}
