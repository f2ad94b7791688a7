package route

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// sparse is a place with messages at some of its offsets.
type sparse struct {
	offsets []int64
	end     int64
	peeks   int
}

func (s *sparse) Place() string { return "p" }

func (s *sparse) Bounds() (first, end int64) { return 0, s.end }

func (s *sparse) Peek(_ context.Context, offset int64) (pipeline.Message, error) {
	s.peeks++
	at, _ := slices.BinarySearch(s.offsets, offset)
	if at == len(s.offsets) {
		return pipeline.Message{}, io.EOF
	}
	return pipeline.Message{Origin: pipeline.Origin{Place: "p", Offset: s.offsets[at]}}, nil
}

func TestTakeMessages(t *testing.T) {
	dense := make([]int64, 100_000)
	for i := range dense {
		dense[i] = int64(i)
	}
	for _, c := range []struct {
		name   string
		place  sparse
		oldest bool
		want   []int64
	}{
		{"the last ones", sparse{offsets: []int64{1, 2, 3, 4, 5}, end: 6}, false, []int64{3, 4, 5}},
		{"the first ones", sparse{offsets: []int64{1, 2, 3, 4, 5}, end: 6}, true, []int64{1, 2, 3}},
		{"few", sparse{offsets: []int64{2}, end: 1000}, false, []int64{2}},
		{"far back", sparse{offsets: []int64{1, 5, 7, 900}, end: 1 << 40}, false, []int64{5, 7, 900}},
		{"none", sparse{end: 10}, false, nil},
		{"many before a gap", sparse{offsets: dense[:900], end: 1000}, false, []int64{897, 898, 899}},
		{"very many", sparse{offsets: dense, end: 100_000}, false, []int64{99_997, 99_998, 99_999}},
	} {
		t.Run(c.name, func(t *testing.T) {
			found, err := takeMessages(t.Context(), &c.place, 3, c.oldest)
			must(t, err)
			var got []int64
			for i := range found {
				got = append(got, found[i].Origin.Offset)
			}
			if !slices.Equal(got, c.want) {
				t.Errorf("got %v, want %v", got, c.want)
			}
			if c.place.peeks > 2*maxPeeks {
				t.Errorf("%d peeks", c.place.peeks)
			}
		})
	}
}

func TestSharePeekers(t *testing.T) {
	place := func(end int64) endpoint.Peeker { return &sparse{end: end} }
	for _, c := range []struct {
		places []endpoint.Peeker
		want   string
	}{
		{[]endpoint.Peeker{place(1)}, "[5]"},
		{[]endpoint.Peeker{place(1), place(0), place(1)}, "[3 2]"},
		{[]endpoint.Peeker{place(1), place(1), place(1), place(1), place(1), place(1)}, "[1 1 1 1 1]"},
		{[]endpoint.Peeker{place(0)}, "[]"},
	} {
		counts := []int{}
		for _, s := range sharePeekers(c.places, 5) {
			counts = append(counts, s.count)
		}
		if got := fmt.Sprint(counts); got != c.want {
			t.Errorf("%d places: %s, want %s", len(c.places), got, c.want)
		}
	}
}

// TestPeek: a topic and a stream are looked into, and are as before.
func TestPeek(t *testing.T) {
	testDir(t)
	const lines = `{"key":"a","value":"1"}` + "\n" + `{"key":"b","value":"2"}` + "\n" + `{"key":"a","value":null}` + "\n"
	writeFile(t, "in.ndjson", []byte(lines))
	nats, kafka := startBroker(t), startKafka(t)
	nats.stream(t, "SEALED", "sealed.>")
	for _, c := range []struct{ to, place, shown string }{
		{nats.url + "/SEALED", "SEALED@", "?subject=sealed.all"},
		{kafka.url + "/sealed", "sealed/", "?create=true"},
	} {
		mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: c.to + c.shown})
		count := strings.Count(lines, "\n")
		for _, oldest := range []bool{false, true} {
			var shown []string
			must(t, Peek(t.Context(), PeekOptions{From: c.to, Count: 2, Oldest: oldest}, Env{},
				func(m *pipeline.Message, sealed []byte, failed error) error {
					if failed != nil || len(sealed) == 0 {
						t.Errorf("%v: %v", m.Origin, failed)
					}
					shown = append(shown, fmt.Sprintf("%s@%d", m.Origin.Place, m.Origin.Offset))
					return nil
				}))
			if len(shown) != 2 || !strings.HasPrefix(shown[0], c.place) {
				t.Errorf("%s: shown %q of %d", c.to, shown, count)
			}
		}
		if s := mustRun(t, Verify, Config{From: c.to}); s.Messages != int64(count) {
			t.Errorf("%s: %d messages, %d were there", c.to, s.Messages, count)
		}
	}
	refuses(t, func(ctx context.Context, c Config, env Env) (*Route, error) {
		return nil, Peek(ctx, PeekOptions{From: c.From, Count: 1}, env, nil)
	}, Config{From: "file:in.ndjson"}, "only topics and streams")
}
