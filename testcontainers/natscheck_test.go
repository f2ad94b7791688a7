package testcontainers

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// numbered is a message as a reader sees it who has no key.
type numbered struct{ subject, number string }

// readNumbered reads a stream to its end, with the client alone. Messages of
// the stranger are left out.
func (r *natsRoutes) readNumbered(ctx context.Context, stream string) []numbered {
	r.Helper()
	ctx, cancel := context.WithTimeout(ctx, 3*time.Minute)
	defer cancel()
	held, err := r.js.Stream(ctx, stream)
	if err != nil {
		r.Fatal(err)
	}
	state := held.CachedInfo().State
	consumer, err := held.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{})
	if err != nil {
		r.Fatal(err)
	}
	it, err := consumer.Messages()
	if err != nil {
		r.Fatal(err)
	}
	defer it.Stop()
	var all []numbered
	var parts natsParts
	for last := uint64(0); state.Msgs > 0 && last < state.LastSeq; {
		m, err := it.Next(jetstream.NextMaxWait(time.Minute))
		if errors.Is(err, nats.ErrTimeout) || err != nil {
			r.Fatalf("stream %s behind %d of %d: %v", stream, last, state.LastSeq, err)
		}
		meta, err := m.Metadata()
		if err != nil {
			r.Fatal(err)
		}
		last = meta.Sequence.Stream
		_, subject, _ := strings.Cut(m.Subject(), ".")
		if strings.HasPrefix(subject, natsStranger) {
			continue
		}
		number, whole, err := parts.add(m.Headers().Get("Streamcrypt-Part"), m.Headers().Get(natsNumber))
		if err != nil {
			r.Errorf("stream %s@%d: %v", stream, last, err)
		}
		if whole {
			all = append(all, numbered{subject, number})
		}
	}
	if parts.next > 0 {
		r.Errorf("stream %s ends in the middle of a message", stream)
	}
	return all
}

// natsParts puts messages together that were sealed in parts: one behind the
// other, and all of them or none. Its zero value expects the first part.
type natsParts struct {
	next, of   int
	id, number string
}

var errHalf = errors.New("half a message is visible")

// add takes the header of parts and the number of the next message. It returns
// the number of a message that is whole with it.
func (p *natsParts) add(part, number string) (_ string, whole bool, err error) {
	if part == "" {
		if p.next > 0 {
			err = errHalf
		}
		*p = natsParts{}
		return number, true, err
	}
	var i, of int
	var id string
	if _, err := fmt.Sscanf(part, "%d/%d/%s", &i, &of, &id); err != nil {
		return "", false, err
	}
	switch {
	case i == 1 && p.next == 0:
		*p = natsParts{next: 2, of: of, id: id, number: number}
	case i > 1 && i == p.next && of == p.of && id == p.id:
		p.next++
	default:
		*p = natsParts{}
		return "", false, errHalf
	}
	if p.next <= p.of {
		return "", false, nil
	}
	number = p.number
	*p = natsParts{}
	return number, true, nil
}

// expectation is how the sinks may differ from the source.
type expectation struct {
	// Messages with a number below mayMiss may be missing in the sink that
	// keeps all: an operator has purged it, or its server came back with an
	// older disk.
	mayMiss int
	// Those below mayExceed may be missing in the source for such a cause, and
	// be sealed.
	mayExceed int
}

// check compares the sinks with the source, message by message.
func (r *natsRoutes) check(ctx context.Context, e expectation) {
	r.Helper()
	source := r.readNumbered(ctx, natsSource)
	all := r.readNumbered(ctx, natsAll)
	r.Logf("%d messages in the source, %d sealed", len(source), len(all))
	if n := r.count(); len(source) < n && e.mayExceed == 0 {
		r.Errorf("%d messages are in the source, and it has acknowledged %d", len(source), n)
	}
	r.checkAll(source, all, e)
	r.checkLast(source, r.readNumbered(ctx, natsLast))
	r.checkOpen(ctx, all)
}

// checkAll: every message of the source is sealed, and once.
func (r *natsRoutes) checkAll(source, all []numbered, e expectation) {
	r.Helper()
	sealed := map[numbered]int{}
	for _, m := range all {
		sealed[m]++
	}
	lost, twice := 0, 0
	for _, m := range source {
		switch n := sealed[m]; {
		case n > 1:
			twice++
			r.explain(twice, "message %s is sealed %d times", m.number, n)
		case n == 0 && m.number >= fmt.Sprintf("%08d", e.mayMiss):
			lost++
			r.explain(lost, "message %s is lost", m.number)
		}
		delete(sealed, m)
	}
	foreign := 0
	for m := range sealed {
		if m.number < fmt.Sprintf("%08d", e.mayExceed) {
			continue
		}
		foreign++
		r.explain(foreign, "message %+v is not of the source", m)
	}
	if lost+twice+foreign > 0 {
		r.Errorf("%d messages are lost, %d sealed twice or more, %d foreign", lost, twice, foreign)
	}
	if !slices.IsSortedFunc(all, func(a, b numbered) int { return strings.Compare(a.number, b.number) }) {
		r.Log("some messages were stored behind later ones")
	}
}

// explain logs the first few findings of a kind.
func (r *natsRoutes) explain(n int, format string, args ...any) {
	if n <= 5 {
		r.Helper()
		r.Logf(format, args...)
	}
}

// checkLast: the newest message of each subject is its value.
func (r *natsRoutes) checkLast(source, last []numbered) {
	r.Helper()
	want, got := map[string]string{}, map[string]string{}
	for _, m := range source {
		want[m.subject] = m.number
	}
	for _, m := range last {
		got[m.subject] = m.number
	}
	for subject, number := range want {
		if got[subject] != number {
			r.Errorf("the last value of %s is %q, and the newest is %q", subject, got[subject], number)
		}
	}
}

// checkOpen: all that is sealed opens, to the value that its number says. So no
// part of a message is visible, and no other value.
func (r *natsRoutes) checkOpen(ctx context.Context, all []numbered) {
	r.Helper()
	stream, err := r.js.Stream(ctx, natsAll)
	if err != nil {
		r.Fatal(err)
	}
	if err := stream.Purge(ctx, jetstream.WithPurgeSubject("enc."+natsStranger+".>")); err != nil {
		r.Fatal(err)
	}
	out := filepath.Join(r.TempDir(), "out.ndjson")
	streamcrypt(ctx, r.T, "decrypt", "--key", r.key, "--from", r.natsCluster.url()+"/ENC?until=latest", "--to", "file:"+out)
	text, err := os.ReadFile(out)
	if err != nil {
		r.Fatal(err)
	}
	i := 0
	for line := range bytes.Lines(text) {
		var record struct{ Value string }
		if err := json.Unmarshal(line, &record); err != nil {
			r.Fatal(err)
		}
		if i >= len(all) || record.Value != valueOf(all[i].number) {
			r.Fatalf("message %d opens to %.20q, %d bytes", i, record.Value, len(record.Value))
		}
		i++
	}
	if i != len(all) {
		r.Errorf("%d of %d messages open", i, len(all))
	}
}
