package keycheck

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// kek is a local KEK that counts what it is asked, and answers with err if that
// is set.
type kek struct {
	*local.AES
	asked int
	err   error
}

func newKEK(t testing.TB) *kek {
	t.Helper()
	file, err := local.GenerateAES()
	must(t, err)
	k, err := local.ParseAES(file)
	must(t, err)
	return &kek{AES: k}
}

func (k *kek) Unwrap(ctx context.Context, kc keys.Context, dst []byte, w *keys.Wrapped) ([]byte, error) {
	k.asked++
	if k.err != nil {
		return dst, k.err
	}
	return k.AES.Unwrap(ctx, kc, dst, w)
}

var quiet = slog.New(slog.DiscardHandler)

// window is a sealer with a data key of its own.
func window(t testing.TB, store kekcache.Store, keks ...*kek) *envelope.Sealer {
	t.Helper()
	var wrappers []keys.Wrapper
	for _, k := range keks {
		wrappers = append(wrappers, k)
	}
	s, err := envelope.NewSealer(wrappers, envelope.SealerOptions{ChunkSize: 4096, Store: store})
	must(t, err)
	return s
}

// seal seals a payload of so many bytes.
func seal(t testing.TB, s *envelope.Sealer, size int) []byte {
	t.Helper()
	b, err := s.Seal(t.Context(), nil, make([]byte, size), envelope.Binding{})
	must(t, err)
	return b
}

// bare is a message's envelope: its value.
func bare(m *pipeline.Message) ([]byte, error) {
	if m.Value == nil {
		return nil, &pipeline.Reject{Reason: "bare-tombstone"}
	}
	return m.Value, nil
}

func newChecker(t testing.TB, o Options, keks ...*kek) *Checker {
	t.Helper()
	for _, k := range keks {
		o.Keys = append(o.Keys, k)
	}
	o.Sealed, o.Log = bare, quiet
	c, err := New(o)
	must(t, err)
	return c
}

// source serves one lane of messages, each in a batch of its own. It is a Lane
// and a Peeker too.
type source struct {
	name       string
	msgs       []pipeline.Message
	first, end int64 // of the Peeker
	at         int
	peeks      int
	committed  int
	released   int
}

// place makes a source of values, at offsets from 0 on.
func place(name string, values ...[]byte) *source {
	s := &source{name: name, end: int64(len(values))}
	for i, v := range values {
		s.msgs = append(s.msgs, pipeline.Message{Value: v, Origin: pipeline.Origin{Place: name, Offset: int64(i), Previous: -1}})
	}
	return s
}

func (s *source) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	return serve(ctx, s)
}

func (s *source) HoldsAll() bool { return true }

func (s *source) Assignment() *pipeline.Assignment { return pipeline.NewAssignment(s.name) }

func (s *source) Start() []pipeline.Position { return nil }

func (s *source) Read(context.Context, int) (*pipeline.Batch, error) {
	if s.committed != s.at || s.released != s.at {
		return nil, errors.New("the last batch is not done with")
	}
	if s.at == len(s.msgs) {
		return nil, io.EOF
	}
	s.at++
	next := s.msgs[s.at-1].Origin.Offset + 1
	return &pipeline.Batch{
		Messages: s.msgs[s.at-1 : s.at], Ends: []pipeline.Position{{Place: s.name, Next: next}},
		Release: func() { s.released++ },
	}, nil
}

func (s *source) Commit(_ context.Context, done *pipeline.Progress) error {
	s.committed += done.Messages
	if s.released == s.committed || done.Places[0].Next != s.msgs[s.at-1].Origin.Offset+1 {
		return fmt.Errorf("commit of %+v", done)
	}
	return nil
}

func (s *source) Place() string { return s.name }

func (s *source) Bounds() (int64, int64) { return s.first, s.end }

func (s *source) Peek(_ context.Context, offset int64) (pipeline.Message, error) {
	s.peeks++
	for i := range s.msgs {
		if s.msgs[i].Origin.Offset >= offset {
			return s.msgs[i], nil
		}
	}
	return pipeline.Message{}, io.EOF
}
