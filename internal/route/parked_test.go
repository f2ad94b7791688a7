package route

import (
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// TestParkedRunFails ends a member of a group, every place of which stands
// still, and a run that has come to its end but for a place that stands still:
// neither is a success, and both tell which places those are.
func TestParkedRunFails(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 2, nil)
	b.put(t, &kgo.Record{Topic: "plain", Value: []byte("v")}, &kgo.Record{Topic: "plain", Partition: 1, Value: []byte("v")})
	mustRun(t, Encrypt, Config{From: b.url + "/plain?group=seal&until=latest", To: b.url + "/sealed?create=true"})
	b.put(t, &kgo.Record{Topic: "sealed", Partition: 1, Value: []byte("v")}) // behind an envelope

	for name, c := range map[string]struct {
		from, to string
		parked   []string
	}{
		"all of a member's": {"/plain?group=g1", "a", []string{"plain/0", "plain/1"}},
		"one of a member's": {"/sealed?group=g2", "b", []string{"sealed/1"}},
		"one of a bounded":  {"/sealed?group=g3&until=latest", "c", []string{"sealed/1"}},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Decrypt(t.Context(), Config{
				From: b.url + c.from, To: b.url + "/" + c.to + "?create=true", Keys: []string{"local:k.jwk"},
			}, Env{Log: quiet})
			must(t, err)
			defer r.Close()
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			ended := make(chan error, 1)
			go func() { ended <- r.Run(ctx) }()
			for len(r.Snapshot().ParkedPlaces) < len(c.parked) && ctx.Err() == nil {
				time.Sleep(5 * time.Millisecond) // asked again; the places decide
			}
			cancel()
			err = <-ended
			parked, ok := errors.AsType[*pipeline.ParkedError](err)
			if !ok || errors.Is(err, ErrInterrupted) {
				t.Fatalf("got %v", err)
			}
			var got []string
			for _, p := range parked.Parked {
				got = append(got, p.Places...)
			}
			slices.Sort(got)
			s := r.Snapshot()
			if !slices.Equal(got, c.parked) || !slices.Equal(s.ParkedPlaces, c.parked) || s.Parked != int64(len(c.parked)) {
				t.Errorf("parked %q, snapshot %+v", got, s)
			}
		})
	}
}
