package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
	"github.com/twmb/franz-go/pkg/kversion"

	"github.com/streamcrypt/streamcrypt/internal/offsets"
)

// groups reads and writes the offsets of groups by a client that is not ours.
type groups struct {
	t      *testing.T
	client *kgo.Client
}

func (g groups) commit(group, topic string, next map[int32]int64) {
	g.t.Helper()
	req := kmsg.NewPtrOffsetCommitRequest()
	req.Group, req.Generation = group, -1
	of := kmsg.NewOffsetCommitRequestTopic()
	of.Topic = topic
	for number, at := range next {
		p := kmsg.NewOffsetCommitRequestTopicPartition()
		p.Partition, p.Offset = number, at
		of.Partitions = append(of.Partitions, p)
	}
	req.Topics = append(req.Topics, of)
	res, err := req.RequestWith(g.t.Context(), g.client)
	if err != nil {
		g.t.Fatal(err)
	}
	for _, p := range res.Topics[0].Partitions {
		if p.ErrorCode != 0 {
			g.t.Fatalf("code %d", p.ErrorCode)
		}
	}
}

func (g groups) read(group, topic string, partitions int32) map[int32]int64 {
	g.t.Helper()
	req := kmsg.NewPtrOffsetFetchRequest()
	req.Group = group
	of := kmsg.NewOffsetFetchRequestTopic()
	of.Topic = topic
	for n := range partitions {
		of.Partitions = append(of.Partitions, n)
	}
	req.Topics = append(req.Topics, of)
	res, err := req.RequestWith(g.t.Context(), g.client)
	if err != nil {
		g.t.Fatal(err)
	}
	found := map[int32]int64{}
	for _, of := range res.Topics { // none of a group that is not there
		for _, p := range of.Partitions {
			if p.Offset >= 0 {
				found[p.Partition] = p.Offset
			}
		}
	}
	return found
}

// put writes n records to each partition of a topic.
func (g groups) put(topic string, partitions int32, n int) {
	g.t.Helper()
	var all []*kgo.Record
	for i := range n {
		for number := range partitions {
			all = append(all, &kgo.Record{Topic: topic, Partition: number, Key: fmt.Appendf(nil, "%d-%d", number, i), Value: []byte("{}")})
		}
	}
	if err := g.client.ProduceSync(g.t.Context(), all...).FirstErr(); err != nil {
		g.t.Fatal(err)
	}
}

// countSealed has verify open a topic of envelopes, which may be missing, and
// returns how many there are. Duplicates and gaps fail the test.
func (g groups) countSealed(url string) int64 {
	g.t.Helper()
	code, stdout, stderr := runArgs(g.t.Context(), "verify", "--json", "--key", "local:key.jwk", "--from", url)
	if code == exitNotStarted {
		return 0
	}
	var counted struct {
		Counts struct {
			Read int64 `json:"read"`
		} `json:"counts"`
	}
	if err := json.Unmarshal([]byte(stdout), &counted); err != nil || code != exitOK {
		g.t.Fatalf("exit code %d, %v:\n%s%s", code, err, stdout, stderr)
	}
	return counted.Counts.Read
}

// run runs the program and wants an exit code.
func (g groups) run(want int, args ...string) (stdout, stderr string) {
	g.t.Helper()
	code, stdout, stderr := runArgs(g.t.Context(), args...)
	if code != want {
		g.t.Fatalf("%v: exit code %d, want %d:\n%s%s", args, code, want, stdout, stderr)
	}
	return stdout, stderr
}

// offsetReport is what --json prints.
type offsetReport struct {
	Ready   bool          `json:"ready"`
	Applied string        `json:"applied"`
	Places  []offsets.Row `json:"places"`
}

func (g groups) report(want int, args ...string) (r offsetReport) {
	g.t.Helper()
	stdout, _ := g.run(want, append([]string{"offsets", "--json"}, args...)...)
	if err := json.Unmarshal([]byte(stdout), &r); err != nil {
		g.t.Fatal(err)
	}
	return r
}

func newGroups(t *testing.T, topics ...string) (groups, string) {
	t.Helper()
	broker := startKafka(t, kfake.SeedTopics(3, topics...))
	client, err := kgo.NewClient(kgo.SeedBrokers(broker), kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.MaxVersions(kversion.V3_8_0())) // later ones name topics by id
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return groups{t, client}, "kafka://" + broker + "/"
}

// TestOffsetsOfGroups takes a group from a topic to its envelopes and to a
// decrypted copy. The offsets are others: the sealed topics hold marks of
// transactions.
func TestOffsetsOfGroups(t *testing.T) {
	inMistakesFolder(t)
	g, kafka := newGroups(t, "orders", "refunds")
	for range 3 { // each run leaves a mark
		for _, topic := range []string{"orders", "refunds"} {
			g.put(topic, 3, 10)
		}
		g.run(exitOK, "encrypt", "--key", "local:key.jwk", "--from", kafka+"orders,refunds?group=enc&until=latest",
			"--to", kafka+"{topic}.sealed?create=true")
	}
	g.run(exitOK, "decrypt", "--key", "local:key.jwk", "--from", kafka+"orders.sealed?group=dec&until=latest",
		"--to", kafka+"copy?create=true")
	args := []string{"--group", "billing", "--from", kafka + "orders", "--via", kafka + "orders.sealed"}
	g.commit("billing", "orders", map[int32]int64{0: 0, 1: 17, 2: 30})

	r := g.report(exitOK, args...)
	if len(r.Places) != 3 || !r.Ready || r.Places[0].Offset != 0 || r.Places[1].Claimed != 17 || r.Places[2].State != offsets.AtEnd {
		t.Fatalf("%+v", r)
	}
	want := map[int32]int64{0: 0, 1: r.Places[1].Offset, 2: r.Places[2].Offset}
	if want[1] <= 17 {
		t.Errorf("%d: there are no marks", want[1])
	}
	stdout, _ := g.run(exitOK, append([]string{"offsets", "--csv"}, args...)...)
	if lines := fmt.Sprintf("orders.sealed,0,0\norders.sealed,1,%d\norders.sealed,2,%d\n", want[1], want[2]); stdout != lines {
		t.Errorf("%q, want %q", stdout, lines)
	}

	// They are set, once more without harm, and not over others.
	apply := append(args, "--apply", "billing2")
	for range 2 {
		stdout, _ = g.run(exitOK, append([]string{"offsets"}, apply...)...)
		if !strings.Contains(stdout, "set as the positions of group billing2, and read back") {
			t.Errorf("%s", stdout)
		}
	}
	if got := g.read("billing2", "orders.sealed", 3); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	g.commit("billing2", "orders.sealed", map[int32]int64{1: 2})
	if _, stderr := g.run(exitFailed, append([]string{"offsets"}, apply...)...); !strings.Contains(stderr, "the group has positions already") {
		t.Errorf("%s", stderr)
	}
	g.run(exitOK, append([]string{"offsets", "--replace"}, apply...)...)
	if got := g.read("billing2", "orders.sealed", 3); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}

	// The copy: the same records, by their keys.
	r = g.report(exitOK, append([]string{"--to", kafka + "copy", "--apply", "billing3"}, args...)...)
	if r.Applied != "billing3" {
		t.Errorf("%+v", r)
	}
	if got := g.read("billing3", "copy", 3); got[0] != 0 || got[1] != r.Places[1].ToOffset || got[1] < 17 {
		t.Errorf("%v, %+v", got, r)
	}

	// Several topics; readers that are ahead of the sealed side.
	g.commit("billing", "refunds", map[int32]int64{0: 5})
	several := []string{"--group", "billing", "--from", kafka + "orders,refunds", "--via", kafka + "{topic}.sealed"}
	if r = g.report(exitOK, several...); len(r.Places) != 6 || r.Places[3].Claimed != 5 || r.Places[4].State != offsets.NoPosition {
		t.Errorf("%+v", r)
	}
	g.put("orders", 3, 5)
	g.commit("billing", "orders", map[int32]int64{2: 32})
	r = g.report(exitFailed, append(several, "--apply", "billing4")...)
	if r.Ready || r.Applied != "" || r.Places[2].State != offsets.NotYet || len(g.read("billing4", "orders.sealed", 3)) != 0 {
		t.Errorf("%+v", r)
	}
	if stdout, stderr := g.run(exitFailed, append([]string{"offsets", "--csv"}, several...)...); stdout != "" ||
		!strings.Contains(stderr, "wait until the route has caught up") {
		t.Errorf("%s%s", stdout, stderr)
	}
}

// TestOffsetsByKey has sealed partitions with envelopes of several: a reader
// begins before each record that it has yet to read.
func TestOffsetsByKey(t *testing.T) {
	inMistakesFolder(t)
	g, kafka := newGroups(t, "orders", "sealed")
	g.put("orders", 3, 20)
	g.run(exitOK, "encrypt", "--key", "local:key.jwk", "--from", kafka+"orders?group=enc&until=latest",
		"--to", kafka+"sealed?partition=key&oversize=reject")
	g.commit("billing", "orders", map[int32]int64{0: 10, 1: 3, 2: 20})
	r := g.report(exitOK, "--group", "billing", "--from", kafka+"orders", "--via", kafka+"sealed")
	if len(r.Places) != 3 || !r.Ready || r.Places[0].From != "" || !r.Places[0].Scanned {
		t.Errorf("%+v", r)
	}
	again := int64(0)
	for i := range r.Places {
		again += r.Places[i].Again
	}
	if again == 0 {
		t.Errorf("%+v", r)
	}
}

// TestOffsetsOfMembers has a group with a member: it cannot be given positions.
func TestOffsetsOfMembers(t *testing.T) {
	inMistakesFolder(t)
	g, kafka := newGroups(t, "orders")
	g.put("orders", 3, 5)
	g.run(exitOK, "encrypt", "--key", "local:key.jwk", "--from", kafka+"orders?group=enc&until=latest",
		"--to", kafka+"sealed?create=true")
	g.commit("billing", "orders", map[int32]int64{0: 1, 1: 1, 2: 1})
	member, err := kgo.NewClient(kgo.SeedBrokers(g.client.OptValue(kgo.SeedBrokers).([]string)...),
		kgo.ConsumerGroup("busy"), kgo.ConsumeTopics("sealed"))
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close()
	if fetches := member.PollFetches(t.Context()); fetches.Err() != nil {
		t.Fatal(fetches.Err())
	}
	_, stderr := g.run(exitFailed, "offsets", "--group", "billing", "--from", kafka+"orders", "--via", kafka+"sealed", "--apply", "busy")
	if !strings.Contains(stderr, "group busy: the group has members: 1") || !strings.Contains(stderr, "stop the readers") {
		t.Errorf("%s", stderr)
	}
}

// TestOffsetsOfConsumers translates the position of a durable consumer into a
// sequence of the stream of envelopes.
func TestOffsetsOfConsumers(t *testing.T) {
	inMistakesFolder(t)
	url := "nats://" + startNATSWith(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	js := connectNATS(t, url)
	stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}})
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := js.Publish(t.Context(), "orders.a", []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	if err := stream.DeleteMsg(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.CreateConsumer(t.Context(), jetstream.ConsumerConfig{Durable: "billing", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := consumer.Fetch(8)
	if err != nil {
		t.Fatal(err)
	}
	for m := range batch.Messages() { // up to sequence 9
		if err := m.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	g := groups{t: t}
	via := url + "/SEALED?subject=sealed.>&create=true"
	g.run(exitOK, "encrypt", "--key", "local:key.jwk", "--from", url+"/ORDERS?until=latest", "--to", via)
	args := []string{"--group", "billing", "--from", url + "/ORDERS", "--via", via}
	r := g.report(exitOK, args...)
	if len(r.Places) != 1 || r.Places[0].Position != 10 || r.Places[0].Offset != 9 || r.Places[0].Claimed != 10 {
		t.Errorf("%+v", r)
	}
	if _, stderr := g.run(exitFailed, append([]string{"offsets", "--apply", "x"}, args...)...); !strings.Contains(stderr, "nats consumer add") {
		t.Errorf("%s", stderr)
	}
	// Envelopes of a route with another rule for subjects are others.
	other := []string{"--group", "billing", "--from", url + "/ORDERS", "--via", url + "/SEALED?subject=other.>"}
	if r = g.report(exitFailed, other...); r.Places[0].State != offsets.NotYet {
		t.Errorf("%+v", r)
	}
}
