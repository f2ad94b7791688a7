package file

import (
	"context"
	"errors"
	"io"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// witness writes down what it is told.
type witness struct {
	places func(func(string, int64, int64))
	ends   []error // of lanes
}

func (w *witness) ServeLane(places func(func(string, int64, int64))) func(error) {
	w.places = places
	return func(err error) { w.ends = append(w.ends, err) }
}

// TestObserver: a source tells of each lane, and how far it is.
func TestObserver(t *testing.T) {
	path, w := temp(t, "in"), new(witness)
	if err := write(t, sinkOptions(path, format.NDJSON), formattest.Messages(3)...); err != nil {
		t.Fatal(err)
	}
	o := sourceOptions(path, format.NDJSON)
	o.Observer = w
	requireAt := func(position, end int64) {
		t.Helper()
		w.places(func(place string, at, behind int64) {
			if place != path || at != position || behind != end {
				t.Errorf("%s is at %d of %d, want %d of %d", place, at, behind, position, end)
			}
		})
	}
	err := newSource(t, o).Serve(t.Context(), func(ctx context.Context, l pipeline.Lane) error {
		if len(w.ends) == 0 {
			return pipeline.ErrLost
		}
		requireAt(0, -1)
		b, err := l.Read(ctx, 1<<20)
		if err != nil {
			return err
		}
		if _, err := l.Read(ctx, 1<<20); err != io.EOF {
			return err
		}
		requireAt(0, 3)
		if err := l.Commit(ctx, &pipeline.Progress{Messages: 3, Places: b.Ends}); err != nil {
			return err
		}
		requireAt(3, 3)
		return nil
	})
	if err != nil || len(w.ends) != 2 || !errors.Is(w.ends[0], pipeline.ErrLost) || w.ends[1] != nil {
		t.Errorf("%v, lanes ended with %v", err, w.ends)
	}
}
