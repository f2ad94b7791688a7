package kekcache_test

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// fakeKEK is a key service whose every call can fail or take its time. Its
// wrapped keys are the DEK with all bits flipped.
type fakeKEK struct {
	name string

	mu    sync.Mutex
	err   error         // of every call
	takes time.Duration // every call
	calls int
	busy  int // calls under way
	most  int // and at one time
	born  map[[chunker.CommitmentSize]byte]time.Time
	lent  [][]byte // DEKs that were given and returned
}

func newKEK(name string) *fakeKEK {
	return &fakeKEK{name: name, born: map[[chunker.CommitmentSize]byte]time.Time{}}
}

func (k *fakeKEK) set(err error, takes time.Duration) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.err, k.takes = err, takes
}

func (k *fakeKEK) away() { k.set(k.fault(keys.Away), 0) }
func (k *fakeKEK) gone() { k.set(k.fault(keys.Gone), 0) }
func (k *fakeKEK) fine() { k.set(nil, 0) }

func (k *fakeKEK) fault(class keys.Class) error {
	return &keys.Error{Class: class, Key: k.name, Op: "test", Err: errors.New(class.String())}
}

// count is how often the service was called.
func (k *fakeKEK) count() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.calls
}

// peak is how many calls were under way at one time, at most.
func (k *fakeKEK) peak() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.most
}

func (k *fakeKEK) forgetPeak() {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.most = 0
}

// underWay is how many calls are.
func (k *fakeKEK) underWay() int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.busy
}

// call is what every operation begins with.
func (k *fakeKEK) call(ctx context.Context) error {
	k.mu.Lock()
	k.calls++
	keys.NoteRequest(ctx, fmt.Sprintf("%s-%d", k.name, k.calls))
	k.busy++
	k.most = max(k.most, k.busy)
	takes := k.takes
	k.mu.Unlock()
	if takes > 0 {
		select {
		case <-time.After(takes):
		case <-ctx.Done():
		}
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.busy--
	if ctx.Err() != nil { // as a client of a service reports it
		return &keys.Error{Class: keys.Away, Key: k.name, Op: "test", Err: ctx.Err()}
	}
	return k.err
}

func (k *fakeKEK) Name() string { return k.name }

func (k *fakeKEK) Wrap(ctx context.Context, _ keys.Context, dek []byte) (keys.Wrapped, error) {
	now := time.Now()
	if err := k.call(ctx); err != nil {
		return keys.Wrapped{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.born[chunker.Commitment((*[chunker.KeySize]byte)(dek))] = now
	k.lent = append(k.lent, dek) // against the rules, to see what becomes of it
	return keys.Wrapped{Alg: keys.AlgA256KW, KID: []byte(k.name), Ciphertext: flip(nil, dek)}, nil
}

// age is how long ago the wrapping of a key was asked for.
func (k *fakeKEK) age(key *kekcache.Key) time.Duration {
	k.mu.Lock()
	defer k.mu.Unlock()
	return time.Since(k.born[key.Commitment])
}

func (k *fakeKEK) Fits(w *keys.Wrapped) bool { return string(w.KID) == k.name }

func (k *fakeKEK) Unwrap(ctx context.Context, _ keys.Context, dst []byte, w *keys.Wrapped) ([]byte, error) {
	if err := k.call(ctx); err != nil {
		return nil, err
	}
	b := flip(dst, w.Ciphertext)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.lent = append(k.lent, b)
	return b, nil
}

// cleared says that all DEKs which the service was given or returned are gone.
func (k *fakeKEK) cleared() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return !slices.ContainsFunc(k.lent, func(b []byte) bool { return !bytes.Equal(b, make([]byte, len(b))) })
}

// freeKEK is a fakeKEK that is no service, so that no failure counts.
type freeKEK struct{ *fakeKEK }

func (freeKEK) IsLocal() {}

func flip(dst, b []byte) []byte {
	for _, c := range b {
		dst = append(dst, ^c)
	}
	return dst
}

// fakeGenerator is a service that makes its DEKs itself.
type fakeGenerator struct {
	*fakeKEK
	dek []byte
}

func (g *fakeGenerator) Generate(ctx context.Context, kc keys.Context, dst []byte) ([]byte, keys.Wrapped, error) {
	if err := g.call(ctx); err != nil {
		return nil, keys.Wrapped{}, err
	}
	b := append(dst, g.dek...)
	g.mu.Lock()
	defer g.mu.Unlock()
	g.lent = append(g.lent, b)
	return b, keys.Wrapped{KID: []byte(g.name), Ciphertext: flip(nil, b)}, nil
}

// fakeStore keeps key records in memory.
type fakeStore struct {
	mu         sync.Mutex
	err        error // of every call
	takes      time.Duration
	puts, gets int
	records    map[[kekcache.KIDSize]byte][][]byte
}

func newStore() *fakeStore {
	return &fakeStore{records: map[[kekcache.KIDSize]byte][][]byte{}}
}

func (s *fakeStore) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.err = err
}

func (s *fakeStore) Put(_ context.Context, kid [kekcache.KIDSize]byte, record []byte) error {
	time.Sleep(s.takes)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.puts++
	if s.err != nil {
		return s.err
	}
	s.records[kid] = append(s.records[kid], record)
	return nil
}

func (s *fakeStore) Get(_ context.Context, kid [kekcache.KIDSize]byte) ([][]byte, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gets++
	return s.records[kid], s.err
}

func (s *fakeStore) Each(_ context.Context, do func([kekcache.KIDSize]byte) error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	for name := range s.records {
		if err := do(name); err != nil {
			return err
		}
	}
	return s.err
}

// fakeCodec writes a key record as commitment, the IV that sealed it, the time,
// the length of the signature and the signature, and the recipients, which are
// JSON.
type fakeCodec struct{}

func (fakeCodec) SealRecord(key *kekcache.Key, s *chunker.Sealer, _ string) ([]byte, error) {
	sealed, err := s.Seal(nil, nil, nil, nil)
	if err != nil {
		return nil, err
	}
	return fakeRecord(&kekcache.Sealed{
		Commitment: key.Commitment[:], Signature: key.Signature, Created: key.From, Recipients: encode(key.Recipients),
	}, sealed[:chunker.IVSize]), nil
}

func fakeRecord(s *kekcache.Sealed, iv []byte) []byte {
	record := append(bytes.Clone(s.Commitment), iv...)
	record = binary.BigEndian.AppendUint32(record, s.Created)
	record = append(append(record, byte(len(s.Signature))), s.Signature...)
	return append(record, s.Recipients...)
}

func (c fakeCodec) SplitDictionary(record []byte) (kekcache.Sealed, error) {
	return c.SplitRecord(record)
}

var errNoRecord = errors.New("not a key record")

func (fakeCodec) SplitRecord(record []byte) (s kekcache.Sealed, err error) {
	const head = chunker.CommitmentSize + chunker.IVSize + 5
	if len(record) < head {
		return s, errNoRecord
	}
	s.Commitment = record[:chunker.CommitmentSize]
	s.Created = binary.BigEndian.Uint32(record[head-5:])
	s.Signature, s.Recipients = record[head:][:record[head-1]], record[head:][record[head-1]:]
	return s, nil
}

func (fakeCodec) EncodeSignature(s *kekcache.Signature) []byte {
	b, err := binary.Append(nil, binary.BigEndian, s)
	if err != nil {
		panic(err)
	}
	return b
}

func (fakeCodec) ReadSignature(encoded []byte) (s kekcache.Signature) {
	if _, err := binary.Decode(encoded, binary.BigEndian, &s); err != nil {
		panic(err)
	}
	return s
}

func (fakeCodec) AppendSignedMessage(dst, commitment []byte, context string, from, until uint32) []byte {
	return fmt.Appendf(dst, "%x %s %d %d", commitment, context, from, until)
}

func (fakeCodec) ParseRecipients(encoded []byte) (known []keys.Wrapped, all int, err error) {
	err = json.Unmarshal(encoded, &known)
	return known, len(known), err
}

func (fakeCodec) AppendRecipients(dst []byte, recipients []keys.Wrapped) ([]byte, error) {
	b, err := json.Marshal(recipients)
	return append(dst, b...), err
}

// logged collects what is logged: level and message, one a line.
type logged struct {
	mu    sync.Mutex
	lines []string
}

func (l *logged) logger() *slog.Logger { return slog.New(l) }

func (l *logged) Enabled(context.Context, slog.Level) bool { return true }
func (l *logged) WithAttrs([]slog.Attr) slog.Handler       { return l }
func (l *logged) WithGroup(string) slog.Handler            { return l }

func (l *logged) Handle(_ context.Context, r slog.Record) error {
	line := r.Level.String() + " " + r.Message
	r.Attrs(func(a slog.Attr) bool {
		line += " " + a.Key + "=" + a.Value.String()
		return true
	})
	l.mu.Lock()
	defer l.mu.Unlock()
	l.lines = append(l.lines, line)
	return nil
}

func (l *logged) want(t *testing.T, lines ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	if !slices.Equal(l.lines, lines) {
		t.Errorf("logged:\n%s\nwant:\n%s", strings.Join(l.lines, "\n"), strings.Join(lines, "\n"))
	}
}

// sealing is SealKeys of which one Purpose is used.
type sealing struct {
	*kekcache.SealKeys
	keks   *kekcache.KEKs
	supply *kekcache.Supply
}

// sealingOptions are all that can be said of them.
type sealingOptions struct {
	Wrappers []keys.Wrapper
	Nonces   chunker.Nonces
	Store    kekcache.Store
	Limits   kekcache.Limits
	Log      *slog.Logger
	Audit    kekcache.Auditor
}

func openSealing(o sealingOptions) (*sealing, error) {
	keks, err := kekcache.NewKEKs(o.Wrappers)
	if err != nil {
		return nil, err
	}
	all, err := kekcache.NewSealKeys(kekcache.SealKeysOptions{Codec: fakeCodec{}, Limits: o.Limits, Log: o.Log, Audit: o.Audit})
	if err != nil {
		return nil, err
	}
	supply, err := all.Supply(kekcache.Purpose{KEKs: keks, Nonces: o.Nonces, Store: o.Store})
	return &sealing{all, keks, supply}, err
}

func newSealing(t testing.TB, o sealingOptions) *sealing {
	t.Helper()
	c, err := openSealing(o)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (c *sealing) Quota() *kekcache.Quota { return c.supply.NewQuota() }

func (c *sealing) Prepare(ctx context.Context) error { return c.supply.Prepare(ctx) }

func (c *sealing) StreamKey(ctx context.Context) (*kekcache.Grant, error) {
	return c.supply.StreamKey(ctx)
}

func (c *sealing) Reload(ctx context.Context, wrappers []keys.Wrapper) error {
	return c.SealKeys.Reload(ctx, map[*kekcache.KEKs][]keys.Wrapper{c.keks: wrappers})
}

// run runs c until the test or stop ends it.
func run(t testing.TB, c *sealing) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.Run(ctx)
	}()
	return func() {
		cancel()
		<-ended
	}
}

// take takes leave for one small message.
func take(t testing.TB, h *kekcache.Quota) *kekcache.Grant {
	t.Helper()
	g, err := h.Take(t.Context(), 10, 1)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

// key is take for other goroutines than the test's: it returns the key, or nil
// after an error.
func key(t testing.TB, h *kekcache.Quota) *kekcache.Key {
	g, err := h.Take(t.Context(), 10, 1)
	if err != nil {
		t.Error(err)
		return nil
	}
	return g.Key
}

func wrappers(all ...keys.Wrapper) []keys.Wrapper { return all }
