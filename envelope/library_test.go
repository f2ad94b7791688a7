package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// TestOutsider is the shortest program of a stranger: it seals and opens bytes,
// and a stream that is longer than a chunk, with a key file and the smallest
// options.
func TestOutsider(t *testing.T) {
	ctx := context.Background()
	file, err := local.GenerateAES() // streamcrypt keygen local --out key.jwk
	fatal(t, err)
	kek, err := local.ParseAES(file)
	fatal(t, err)
	sealer, err := envelope.NewSealer([]keys.Wrapper{kek}, envelope.SealerOptions{Context: "photos"})
	fatal(t, err)
	opener, err := envelope.NewOpener([]keys.Unwrapper{kek}, envelope.OpenerOptions{Context: "photos"})
	fatal(t, err)
	sealed, err := sealer.Seal(ctx, nil, []byte("hello"), envelope.Binding{})
	fatal(t, err)
	plain, err := opener.Open(ctx, nil, sealed, envelope.Binding{})
	if err != nil || string(plain) != "hello" {
		t.Errorf("%q, %v", plain, err)
	}
	var stream bytes.Buffer
	w := sealer.NewWriter(ctx, &stream, envelope.Binding{})
	_, err = w.Write(make([]byte, 300<<10))
	fatal(t, errors.Join(err, w.Close()))
	if n, err := io.Copy(io.Discard, opener.NewReader(ctx, &stream, envelope.Binding{})); err != nil || n != 300<<10 {
		t.Errorf("%d bytes, %v", n, err)
	}
}

func fatal(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// TestNew: a key that is missing is an error at once, and so is an option that
// cannot be.
func TestNew(t *testing.T) {
	kek := newKEK(t)
	shared, err := envelope.NewSealKeys(kekcache.SealKeysOptions{})
	fatal(t, err)
	seal := func(o envelope.SealerOptions, keks ...keys.Wrapper) error {
		_, err := envelope.NewSealer(keks, o)
		return err
	}
	open := func(o envelope.OpenerOptions, keks ...keys.Unwrapper) error {
		_, err := envelope.NewOpener(keks, o)
		return err
	}
	rewrap := func(from []keys.Unwrapper, to []keys.Wrapper, o envelope.RewrapperOptions) error {
		_, err := envelope.NewRewrapper(from, to, o)
		return err
	}
	from, to := []keys.Unwrapper{kek}, []keys.Wrapper{kek}
	for name, err := range map[string]error{
		"seal: no key":              seal(envelope.SealerOptions{}),
		"seal: a nil key":           seal(envelope.SealerOptions{}, kek, nil),
		"seal: 17 keys":             seal(envelope.SealerOptions{}, slices.Repeat(to, 17)...),
		"seal: chunks too small":    seal(envelope.SealerOptions{ChunkSize: 4<<10 - 1}, kek),
		"seal: chunks too large":    seal(envelope.SealerOptions{ChunkSize: 1<<20 + 1}, kek),
		"seal: negative chunks":     seal(envelope.SealerOptions{ChunkSize: -1}, kek),
		"seal: limits":              seal(envelope.SealerOptions{Limits: kekcache.Limits{Age: 1}}, kek),
		"seal: limits given twice":  seal(envelope.SealerOptions{Shared: shared, Limits: kekcache.Limits{Messages: 1}}, kek),
		"seal: audit given twice":   seal(envelope.SealerOptions{Shared: shared, Audit: &opened{}}, kek),
		"seal: a store of no type":  seal(envelope.SealerOptions{Store: vectorStore{}}, kek),
		"open: no key":              open(envelope.OpenerOptions{}),
		"open: a nil key":           open(envelope.OpenerOptions{}, kek, nil),
		"open: negative number":     open(envelope.OpenerOptions{MaxKeys: -1}, kek),
		"open: negative age":        open(envelope.OpenerOptions{MaxAge: -1}, kek),
		"rewrap: from no key":       rewrap(nil, to, envelope.RewrapperOptions{}),
		"rewrap: from a nil key":    rewrap([]keys.Unwrapper{nil}, to, envelope.RewrapperOptions{}),
		"rewrap: to no key":         rewrap(from, nil, envelope.RewrapperOptions{}),
		"rewrap: to a nil key":      rewrap(from, []keys.Wrapper{nil}, envelope.RewrapperOptions{}),
		"rewrap: negative bytes":    rewrap(from, to, envelope.RewrapperOptions{MaxBytes: -1}),
		"reload: no key to open":    must(envelope.NewOpener(from, envelope.OpenerOptions{})).Reload(nil),
		"reload: a nil key to open": must(envelope.NewOpener(from, envelope.OpenerOptions{})).Reload([]keys.Unwrapper{nil}),
		"reload: no key to seal":    must(envelope.NewSealer(to, envelope.SealerOptions{})).Reload(t.Context(), nil),
	} {
		if err == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func must[V any](v V, err error) V {
	if err != nil {
		panic(err)
	}
	return v
}

// TestNoBinding: the zero Binding is as good as any, for every door, and for
// workers a nil one is the same.
func TestNoBinding(t *testing.T) {
	r := newRig(t, rigOptions{})
	e, err := r.sealer(t, 0).NewWorker().Seal(t.Context(), nil, []byte("text"), nil, nil)
	fatal(t, err)
	for name, open := range map[string]func() ([]byte, error){
		"Open": func() ([]byte, error) { return r.opener(t).Open(t.Context(), nil, e, envelope.Binding{}) },
		"worker": func() ([]byte, error) {
			out, _, err := r.opener(t).NewWorker().Open(t.Context(), nil, e, nil)
			return out, err
		},
		"Reader": func() ([]byte, error) {
			return io.ReadAll(r.opener(t).NewReader(t.Context(), bytes.NewReader(e), envelope.Binding{}))
		},
	} {
		if out, err := open(); err != nil || string(out) != "text" {
			t.Errorf("%s: %q, %v", name, out, err)
		}
	}
}

// TestStreamsKeepTheirBinding: a Writer and a Reader do not look at memory that
// the caller may use again.
func TestStreamsKeepTheirBinding(t *testing.T) {
	r := newRig(t, rigOptions{})
	fresh := func() envelope.Binding {
		return envelope.Binding{Key: []byte("k"), Headers: []envelope.Header{{Name: "h", Value: []byte{1}}}}
	}
	spoil := func(b envelope.Binding) { b.Key[0], b.Headers[0].Name, b.Headers[0].Value[0] = 0, "x", 0 }
	for _, n := range []int{10, 10_000} {
		b := fresh()
		var out bytes.Buffer
		w := r.sealer(t, 4096).NewWriter(t.Context(), &out, b)
		spoil(b)
		_, err := w.Write(payload(n))
		fatal(t, errors.Join(err, w.Close()))
		b = fresh()
		reader := r.opener(t).NewReader(t.Context(), &out, b)
		spoil(b)
		if got, err := io.ReadAll(reader); err != nil || !bytes.Equal(got, payload(n)) {
			t.Errorf("%d bytes of %d, %v", len(got), n, err)
		}
	}
}

// TestConcurrentUse: one Sealer, Opener and Rewrapper for many goroutines. No
// nonce comes twice, and no limit is overrun.
func TestConcurrentUse(t *testing.T) {
	profiles(t, func(t *testing.T, store kekcache.Store) {
		r, to := newRig(t, rigOptions{store: store, limits: kekcache.Limits{Messages: 100}}), newKEK(t)
		s, o := r.sealer(t, 4096), r.opener(t)
		rewrapper, after := newRewrapper(t, store, []keys.Unwrapper{r.kek}, to), openerWith(t, store, route, to)
		var mu sync.Mutex
		nonces, under := map[string]bool{}, map[string]int{}
		var wg sync.WaitGroup
		for g := range 8 {
			wg.Go(func() {
				for i := range 60 {
					plain, b := payload(g*100+i), envelope.Binding{Key: []byte{byte(g), byte(i)}}
					e, err := s.Seal(t.Context(), nil, plain, b)
					if err != nil {
						t.Error(err)
						return
					}
					key, nonce := keyAndNonce(t, e)
					mu.Lock()
					if nonces[key+nonce] {
						t.Error("a nonce came twice")
					}
					nonces[key+nonce] = true
					under[key]++
					mu.Unlock()
					now, err := rewrapper.Rewrap(t.Context(), nil, e)
					if err := errors.Join(err, opensTo(t, o, e, b, plain), opensTo(t, after, now, b, plain)); err != nil {
						t.Error(err)
						return
					}
				}
			})
		}
		wg.Wait()
		for _, n := range under {
			if n > 100 {
				t.Errorf("%d messages under one data key", n)
			}
		}
		if len(nonces) != 8*60 || len(under) < 5 {
			t.Errorf("%d messages under %d data keys", len(nonces), len(under))
		}
	})
}

// TestSharedKeys: Sealers with one set of data keys each have their own, as
// long as they are open, and Close of one does not end the others'.
func TestSharedKeys(t *testing.T) {
	audit := &opened{}
	shared, err := envelope.NewSealKeys(kekcache.SealKeysOptions{MaxPurposes: 2, Audit: audit})
	fatal(t, err)
	kek := newKEK(t)
	sealer := func(context string) *envelope.Sealer {
		s, err := envelope.NewSealer([]keys.Wrapper{kek}, envelope.SealerOptions{Context: context, Shared: shared})
		fatal(t, err)
		return s
	}
	seal := func(s *envelope.Sealer, context string) (key string) {
		t.Helper()
		e, err := s.Seal(t.Context(), nil, []byte("text"), envelope.Binding{})
		fatal(t, err)
		fatal(t, opensTo(t, openerWith(t, nil, context, kek), e, envelope.Binding{}, []byte("text")))
		key, _ = keyAndNonce(t, e)
		return key
	}
	a, b, c := sealer("a"), sealer("b"), sealer("c") // more than are kept unused
	keyA, keyB, keyC := seal(a, "a"), seal(b, "b"), seal(c, "c")
	if keyA == keyB || keyB == keyC || keyA == keyC || seal(a, "a") != keyA {
		t.Error("not one data key each")
	}
	fatal(t, a.Close())
	if audit.n != 2 {
		t.Errorf("%d windows are open: two are in use", audit.n)
	}
	if seal(b, "b") != keyB || seal(c, "c") != keyC {
		t.Error("closing one ended another's data key")
	}
	if err := b.Reload(t.Context(), []keys.Wrapper{newKEK(t)}); err != nil {
		t.Error(err)
	}
	if seal(c, "c") != keyC {
		t.Error("reloading one ended another's data key")
	}
	fatal(t, errors.Join(b.Close(), c.Close(), shared.Close()))
	if audit.n != 0 {
		t.Errorf("%d windows are open", audit.n)
	}
	if _, err := c.Seal(t.Context(), nil, nil, envelope.Binding{}); !errors.Is(err, kekcache.ErrClosed) {
		t.Errorf("sealed after Close: %v", err)
	}
}

// TestDependencies: a program that imports this package gets what its
// documentation says, and nothing else.
func TestDependencies(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{if not .Standard}}{{.ImportPath}}{{end}}", ".").Output()
	fatal(t, err)
	const ours = "github.com/streamcrypt/streamcrypt/"
	allowed := []string{
		"github.com/cenkalti/backoff/v5", "github.com/fxamacker/cbor/v2",
		"github.com/klauspost/compress", "github.com/klauspost/compress/fse", "github.com/klauspost/compress/huff0",
		"github.com/klauspost/compress/internal/cpuinfo", "github.com/klauspost/compress/internal/le",
		"github.com/klauspost/compress/internal/regmask", "github.com/klauspost/compress/internal/snapref", "github.com/klauspost/compress/zstd",
		"github.com/klauspost/compress/zstd/internal/xxhash",
		ours + "chunker", ours + "codec/cms", ours + "codec/coding", ours + "envelope", ours + "internal/retry", ours + "internal/secret",
		ours + "kekcache", ours + "keys", "github.com/x448/float16",
	}
	if got := strings.Fields(string(out)); !slices.Equal(slices.Sorted(slices.Values(got)), allowed) {
		t.Errorf("it imports %q", got)
	}
}

// TestLibraryPage compiles and runs the program of docs/library.md.
func TestLibraryPage(t *testing.T) {
	page, err := os.ReadFile("../docs/library.md")
	fatal(t, err)
	_, program, ok := strings.Cut(string(page), "```go\n")
	program, _, end := strings.Cut(program, "```\n")
	if !ok || !end {
		t.Fatal("no program")
	}
	if lines := strings.Count(program[strings.Index(program, "func main"):], "\n"); lines > 25 {
		t.Errorf("%d lines", lines)
	}
	dir := t.TempDir()
	key, source := filepath.Join(dir, "key.jwk"), filepath.Join(dir, "main.go")
	file, err := local.GenerateAES()
	fatal(t, err)
	fatal(t, errors.Join(os.WriteFile(key, file, 0o600), os.WriteFile(source, []byte(program), 0o600)))
	out, err := exec.Command("go", "run", source, key).CombinedOutput()
	if err != nil || string(out) != "hello\n307200\n" {
		t.Errorf("%v\n%s", err, out)
	}
}

// TestClaimedPosition: an envelope says where its message was stored to
// everyone, also when it has been changed.
func TestClaimedPosition(t *testing.T) {
	profiles(t, func(t *testing.T, store kekcache.Store) {
		want := envelope.Position{
			Source: [5]byte{1, 2, 3}, Partition: 7, Term: envelope.MaxTerm, Offset: envelope.MaxOffset, Distance: 9,
			Rising: true, SamePartition: true,
		}
		for _, n := range []int{0, 10, 10_000} {
			e, err := newRig(t, rigOptions{store: store}).sealer(t, 4096).NewWorker().Seal(t.Context(), nil, payload(n), nil, &want)
			fatal(t, err)
			e[len(e)-1] ^= 1
			got, ok := envelope.ClaimedPosition(e)
			if got.Created == 0 {
				t.Errorf("%d bytes: no time", n)
			}
			if got.Created = 0; !ok || got != want {
				t.Errorf("%d bytes: %+v, %t", n, got, ok)
			}
		}
		for _, b := range [][]byte{nil, {0xd0}, {0xd8, 0x60}, []byte("plaintext")} {
			if p, ok := envelope.ClaimedPosition(b); ok || p != (envelope.Position{}) {
				t.Errorf("%x: %+v", b, p)
			}
		}
	})
}
