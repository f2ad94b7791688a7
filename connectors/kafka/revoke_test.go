package kafka

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// diary is what happened, in order.
type diary struct {
	mu     sync.Mutex
	events []string
}

func (d *diary) note(format string, args ...any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.events = append(d.events, fmt.Sprintf(format, args...))
}

func (d *diary) all() []string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.events)
}

func (d *diary) has(event string) bool { return slices.Contains(d.all(), event) }

// idler serves lanes that read until they end.
func (d *diary) idler(ctx context.Context, src *Source, name string) (ended chan error) {
	ended = make(chan error, 1)
	go func() {
		ended <- src.Serve(ctx, func(ctx context.Context, l pipeline.Lane) error {
			d.note("%s has %d", name, len(l.Start()))
			_, err := l.Read(ctx, 1<<10)
			if !errors.Is(err, context.Canceled) {
				d.note("%s: %v", name, err)
			}
			d.note("%s lets go", name)
			return nil
		})
	}()
	return ended
}

// TestRevokeWaitsForNoFetch: a partition goes to another member although the
// fetch that asks for it is never answered, and the lane that had it goes on
// with the others. From the moment that another member joins, no more than two
// heartbeats go by before this one joins as well.
func TestRevokeWaitsForNoFetch(t *testing.T) {
	t.Parallel()
	b := startBroker(t)
	b.topic("in", 2)
	var d diary
	hold := make(chan struct{})
	b.ControlKey(int16(kmsg.Fetch), func(kmsg.Request) (kmsg.Response, error, bool) {
		d.note("fetch")
		b.SleepControl(func() { <-hold })
		return nil, nil, false
	})
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	c := b.connect(nil)
	c.Wire().Timeout = 2 * patient // or the fetch would end by itself
	first := d.idler(ctx, b.source(c, SourceOptions{Topic: "in", Group: "g", Workers: 1}), "first")
	b.eventually("the fetch", func() bool { return d.has("fetch") })
	member := b.GroupInfo("g").Members[0].MemberID
	b.ControlKey(int16(kmsg.Heartbeat), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		if req.(*kmsg.HeartbeatRequest).MemberID == member {
			d.note("heartbeat")
		}
		return nil, nil, false
	})
	b.ControlKey(int16(kmsg.JoinGroup), func(req kmsg.Request) (kmsg.Response, error, bool) {
		b.KeepControl()
		switch id := req.(*kmsg.JoinGroupRequest).MemberID; id {
		case "":
		case member:
			d.note("the first joins")
		default:
			d.note("another joins")
		}
		return nil, nil, false
	})
	second := d.idler(ctx, b.source(b.connect(nil), SourceOptions{Topic: "in", Group: "g", Workers: 1}), "second")
	b.eventually("a partition for each", func() bool { return d.has("second has 1") })
	events := d.all()
	cancel()
	if err := errors.Join(<-first, <-second); err != nil {
		t.Error(err)
	}
	close(hold) // not a moment earlier
	if slices.Contains(events, "first lets go") {
		t.Error("the lane of the other partition has ended")
	}
	joins := slices.Index(events, "another joins")
	follows := slices.Index(events[max(joins, 0):], "the first joins")
	if joins < 0 || follows < 0 {
		t.Fatalf("events are %q", events)
	}
	beats := 0
	for _, event := range events[joins : joins+follows] {
		if event == "heartbeat" {
			beats++
		}
	}
	if beats > 2 {
		t.Errorf("%d heartbeats between the two joins: %q", beats, events)
	}
}
