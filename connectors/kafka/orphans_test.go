package kafka

import (
	"slices"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestProcessOf: only the ids of this group's processes without an instance are
// known; ids of other groups and programs may look alike.
func TestProcessOf(t *testing.T) {
	t.Parallel()
	s := &Source{SourceOptions: SourceOptions{Group: "g"}}
	for id, want := range map[string]string{
		"g-ABCDEFGHI234-0":     "ABCDEFGHI234",
		"g-ABCDEFGHI234-17":    "ABCDEFGHI234",
		"g-ABCDEFGHI234-07":    "", // we write no such number
		"g-ABCDEFGHI234-":      "",
		"g-ABCDEFGHI234--1":    "",
		"g-ABCDEFGHI234-x":     "",
		"g-ABCDEFGHI234":       "",
		"g-ABCDEFGHI23-0":      "",
		"g-abcdefghi234-0":     "",
		"g-ABCDEFGHI230-0":     "", // no letter of base32
		"g-eu-ABCDEFGHI234-0":  "", // group g-eu
		"g-ABCDEFGHI234-7-0":   "", // group g-ABCDEFGHI234
		"gg-ABCDEFGHI234-0":    "",
		"g-pod-0":              "",
		"streamcrypt-abcdef-0": "",
	} {
		if got, ok := s.processOf(id); ok != (want != "") || ok && got != want {
			t.Errorf("%s: %q, %v", id, got, ok)
		}
	}
}

// TestOrphans: a member without an instance has left a transaction open, and is
// no member any more. It is aborted as soon as the group's leader knows that,
// and nobody else's is.
func TestOrphans(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 1)
	b.destination("out", 1)
	b.topic("elsewhere", 1)
	const gone = "g-ABCDEFGHI234-0"
	others := []string{"g-eu-ABCDEFGHI234-0", "g-pod-0", "stranger"}
	for _, id := range append(slices.Clone(others), gone) {
		c := b.client(kgo.TransactionalID(id), kgo.RecordPartitioner(kgo.ManualPartitioner()))
		if err := c.BeginTransaction(); err != nil {
			t.Fatal(err)
		}
		m := numbered(1000, 1)[0]
		topic := "elsewhere"
		if id == gone {
			topic = "out"
		}
		if err := c.ProduceSync(t.Context(), record(topic, 0, &m)).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
	b.put("in", 1, numbered(0, 10))
	r := b.member("", BestDelivery)
	admin := b.client()
	open := func() (ids []string) {
		req := kmsg.NewPtrListTransactionsRequest()
		req.StateFilters = []string{"Ongoing"}
		res, err := req.RequestWith(t.Context(), admin)
		if err != nil {
			t.Fatal(err)
		}
		for i := range res.TransactionStates {
			ids = append(ids, res.TransactionStates[i].TransactionalID)
		}
		return ids
	}
	b.eventually("the end of what was left open", func() bool { return !slices.Contains(open(), gone) })
	b.eventually("all messages", b.caughtUp)
	for _, id := range others {
		if !slices.Contains(open(), id) {
			t.Errorf("the transaction of %s was aborted", id)
		}
	}
	if err := r.stop(); err != nil {
		t.Error(err)
	}
	if err := onceInOrder(b.committed("out"), 10); err != nil {
		t.Error(err)
	}
}
