package nats

import (
	"fmt"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// TestDeniedPublishAtOnce: a publish that is not allowed has no answer, and the
// right is named without waiting for one, in every way of publishing.
func TestDeniedPublishAtOnce(t *testing.T) {
	t.Parallel()
	for name, mode := range map[string]PublishMode{"async": PublishAsync, "batch": PublishBatch} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b, c := startGuarded(t, without("sealed.>"))
			_, err := b.js.UpdateStream(t.Context(), jetstream.StreamConfig{
				Name: "SEALED", Subjects: []string{"sealed", "sealed.>"}, AllowAtomicPublish: true,
			})
			if err != nil {
				t.Fatal(err)
			}
			s := b.sink(c, SinkOptions{Stream: "SEALED", Publish: mode})
			w := b.writer(s).(*writer)
			w.answers.most = time.Hour // longer than the test may take
			wantDenied(t, w.Write(t.Context(), numberedMessages("sealed.x", 3, 0), nil), "sealed.x")
		})
	}
}

// TestDenialOfAnother: the answer to one subject is not the refusal of another
// one, nor one from before.
func TestDenialOfAnother(t *testing.T) {
	t.Parallel()
	var d denials
	began := time.Now()
	for _, subject := range []string{"sealed.x.y", "sealed"} {
		d.noteDenial(fmt.Errorf("%w: Permissions Violation for Publish to %q", natsgo.ErrPermissionViolation, subject))
	}
	for _, test := range []struct {
		subject string
		since   time.Time
		want    bool
	}{
		{"sealed.x.y", began, true}, {"sealed", began, true},
		{"sealed.x", began, false}, {"sealed.x.y", time.Now().Add(time.Hour), false},
	} {
		if got := d.findSubject(test.since.Add(-1), test.subject) != nil; got != test.want {
			t.Errorf("%s since %v: %v", test.subject, test.since, got)
		}
	}
}
