package envelope_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/codec/coding"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

// sealInBlocks seals a payload with two workers, the last block first.
func sealInBlocks(t testing.TB, s *envelope.Sealer, plain []byte) []byte {
	t.Helper()
	head, segments := sealSegments(t, s, plain)
	return append(bytes.Clone(head), segments...)
}

func sealSegments(t testing.TB, s *envelope.Sealer, plain []byte) (head, segments []byte) {
	t.Helper()
	b, err := s.BeginBlocks(t.Context(), envelope.Binding{})
	if err != nil {
		t.Fatal(err)
	}
	defer b.End()
	workers := []*envelope.SealBlocksWorker{must(b.NewWorker()), must(b.NewWorker())}
	parts := slices.Collect(slices.Chunk(plain, s.BlockSize()))
	sealed := make([][]byte, len(parts))
	for i := len(parts) - 1; i >= 0; i-- {
		if sealed[i], err = workers[i%2].Seal(nil, parts[i], int64(i), i == len(parts)-1); err != nil {
			t.Fatal(err)
		}
		if len(sealed[i]) > s.MaxSealedBlock() {
			t.Errorf("a block took %d bytes, at most %d were promised", len(sealed[i]), s.MaxSealedBlock())
		}
	}
	return b.Head(), bytes.Join(sealed, nil)
}

// openInBlocks opens an envelope with two workers, and returns all payload that
// verified before the first error.
func openInBlocks(ctx context.Context, o *envelope.Opener, in io.Reader) (plain []byte, split bool, err error) {
	r := o.NewReader(ctx, in, envelope.Binding{})
	first, ok, err := r.BeginBlocks()
	if err != nil || !ok {
		if err == nil {
			plain, err = io.ReadAll(r)
		}
		return plain, false, err
	}
	plain = bytes.Clone(first)
	openers := []*envelope.BlockOpener{r.NewBlockOpener(), r.NewBlockOpener()}
	var blocks []*envelope.SealedBlock
	var ends error
	for ends == nil {
		b := new(envelope.SealedBlock)
		if ends = r.NextBlock(b); ends == nil {
			blocks = append(blocks, b)
		}
	}
	parts, refusals := make([][]byte, len(blocks)), make([]error, len(blocks))
	for i := len(blocks) - 1; i >= 0; i-- {
		parts[i], refusals[i] = openers[i%2].Open(nil, blocks[i])
	}
	for i := range parts {
		if plain = append(plain, parts[i]...); refusals[i] != nil {
			return plain, true, refusals[i]
		}
	}
	if ends == io.EOF {
		ends = nil
	}
	return plain, true, ends
}

// readInSequence opens an envelope with a Reader alone.
func readInSequence(o *envelope.Opener, in io.Reader) ([]byte, error) {
	return io.ReadAll(o.NewReader(context.Background(), in, envelope.Binding{}))
}

func TestBlocks(t *testing.T) {
	profiles(t, func(t *testing.T, store kekcache.Store) {
		r := newRig(t, rigOptions{store: store})
		for _, chunk := range []int{4096, 64 << 10, 1 << 20} {
			t.Run(fmt.Sprint("chunks of ", chunk), func(t *testing.T) {
				s, o := r.sealer(t, chunk), r.opener(t)
				block := s.BlockSize()
				for _, n := range []int{block + 1, 2 * block, 2*block + chunk/2 + 1, 5*block + 7} {
					e := sealInBlocks(t, s, payload(n))
					if got, err := readInSequence(o, bytes.NewReader(e)); err != nil || !bytes.Equal(got, payload(n)) {
						t.Errorf("%d bytes sealed in blocks: Reader returned %d bytes, %v", n, len(got), err)
					}
					got, split, err := openInBlocks(t.Context(), o, bytes.NewReader(e))
					if err != nil || !split || !bytes.Equal(got, payload(n)) {
						t.Errorf("%d bytes: opened %d bytes, in blocks %v: %v", n, len(got), split, err)
					}
				}
			})
		}
	})
}

// TestBlocksOfOthers: what Writer and Seal made is opened in blocks too, where
// it has several chunks and is not coded.
func TestBlocksOfOthers(t *testing.T) {
	r := newRig(t, rigOptions{})
	s, o := r.sealer(t, 4096), r.opener(t)
	for _, n := range []int{0, 1, 4096, 4097, 512<<10 - 1, 512 << 10, 512<<10 + 1, 2 << 20} {
		var written bytes.Buffer
		w := s.NewWriter(t.Context(), &written, envelope.Binding{})
		if _, err := w.Write(payload(n)); err != nil || w.Close() != nil {
			t.Fatal(err)
		}
		whole := must(s.Seal(t.Context(), nil, payload(n), envelope.Binding{}))
		for name, e := range map[string][]byte{"Writer": written.Bytes(), "Seal": whole} {
			got, split, err := openInBlocks(t.Context(), o, bytes.NewReader(e))
			if err != nil || split != (n > 4096) || !bytes.Equal(got, payload(n)) {
				t.Errorf("%d bytes of %s: opened %d, in blocks %v: %v", n, name, len(got), split, err)
			}
		}
	}
}

func TestBlocksOfCodedPayloads(t *testing.T) {
	r := newRig(t, rigOptions{})
	s := must(envelope.NewSealer([]keys.Wrapper{r.kek}, envelope.SealerOptions{
		Context: route, ChunkSize: 4096, Coding: coding.Options{Level: 1},
	}))
	o := r.opener(t)
	if _, err := s.BeginBlocks(t.Context(), envelope.Binding{}); err == nil || s.CanSealBlocks() {
		t.Errorf("CanSealBlocks %v, BeginBlocks: %v", s.CanSealBlocks(), err)
	}
	e := must(s.Seal(t.Context(), nil, payload(100_000), envelope.Binding{}))
	got, split, err := openInBlocks(t.Context(), o, bytes.NewReader(e))
	if err != nil || split || !bytes.Equal(got, payload(100_000)) {
		t.Errorf("opened %d bytes, in blocks %v: %v", len(got), split, err)
	}
}

// TestBlocksRefuseTheSame: whatever happened to an envelope, blocks give the
// payload that Reader gives, and its error.
func TestBlocksRefuseTheSame(t *testing.T) {
	r := newRig(t, rigOptions{})
	s, o := r.sealer(t, 4096), r.opener(t)
	plain := payload(s.BlockSize()*3/2 + 100)
	forms := [][]byte{sealInBlocks(t, s, plain), must(s.Seal(t.Context(), nil, plain, envelope.Binding{}))}
	random := rand.New(rand.NewPCG(1, 2))
	rounds := 200
	if testing.Short() {
		rounds = 50
	}
	for round := range rounds {
		e := bytes.Clone(forms[round%2])
		at := random.IntN(len(e))
		switch round / 2 % 5 {
		case 0:
			e[at] ^= 1 << random.IntN(8)
		case 1:
			e = e[:at]
		case 2:
			e = slices.Insert(e, at, byte(round))
		case 3:
			e = slices.Delete(e, at, min(at+4096+32, len(e)))
		case 4:
			e = append(e, e[at:]...)
		}
		want, wantErr := readInSequence(o, bytes.NewReader(e))
		got, _, err := openInBlocks(t.Context(), o, bytes.NewReader(e))
		if !bytes.Equal(got, want) || fmt.Sprint(err) != fmt.Sprint(wantErr) {
			t.Errorf("round %d, at %d: %d bytes, %v; Reader %d bytes, %v", round, at, len(got), err, len(want), wantErr)
		}
		if err == nil && !bytes.Equal(e, forms[round%2]) && round%2 == 0 {
			t.Errorf("round %d: a changed envelope passed", round)
		}
	}
}

// TestBlocksOfASourceThatBreaksOff: the blocks before are good, and the error
// is the source's.
func TestBlocksOfASourceThatBreaksOff(t *testing.T) {
	r := newRig(t, rigOptions{})
	s, o := r.sealer(t, 4096), r.opener(t)
	e := sealInBlocks(t, s, payload(3*s.BlockSize()))
	broken := errors.New("unplugged")
	for _, n := range []int{len(e) / 3, len(e) / 2, len(e) - 1, len(e)} {
		cut := func() io.Reader { return io.MultiReader(bytes.NewReader(e[:n]), brokenReader{broken}) }
		want, wantErr := readInSequence(o, cut())
		got, _, err := openInBlocks(t.Context(), o, cut())
		if !errors.Is(err, broken) || !errors.Is(wantErr, broken) || !bytes.Equal(got, want) {
			t.Errorf("after %d bytes: %d bytes, %v; Reader %d bytes, %v", n, len(got), err, len(want), wantErr)
		}
	}
}

// TestBlocksUseNonceOnce looks at the nonces of a payload that two workers
// sealed: each has a lease of its own, which the first four bytes name.
func TestBlocksUseNonceOnce(t *testing.T) {
	r := newRig(t, rigOptions{})
	s := r.sealer(t, 4096)
	_, rest := sealSegments(t, s, payload(4*s.BlockSize()))
	seen, leases := map[string]bool{}, map[string]bool{}
	for {
		size, head, end, err := cms.SegmentHead(rest, 4096)
		if err != nil {
			t.Fatal(err)
		}
		if end {
			break
		}
		iv := string(rest[head : head+12])
		if seen[iv] {
			t.Fatalf("nonce %x of segment %d was used before", iv, len(seen))
		}
		seen[iv], leases[iv[:4]] = true, true
		rest = rest[head+size:]
	}
	if len(leases) != 2 {
		t.Errorf("two workers sealed under %d leases", len(leases))
	}
	if want := 4 * s.BlockSize() / 4096; len(seen) != want {
		t.Errorf("%d segments, want %d", len(seen), want)
	}
}

func TestBlocksOfWrongSize(t *testing.T) {
	s := newRig(t, rigOptions{}).sealer(t, 4096)
	b := must(s.BeginBlocks(t.Context(), envelope.Binding{}))
	defer b.End()
	w := must(b.NewWorker())
	for n, final := range map[int]bool{0: true, s.BlockSize() - 1: false, s.BlockSize() + 1: true} {
		if out, err := w.Seal([]byte("before"), make([]byte, n), 0, final); err == nil || string(out) != "before" {
			t.Errorf("%d bytes, final %v: %q, %v", n, final, out, err)
		}
	}
	full := make([]byte, s.BlockSize())
	var refusal *envelope.Error
	if _, err := w.Seal(nil, full, (1<<40)/int64(len(full)), false); !errors.As(err, &refusal) ||
		refusal.Reason != envelope.ReasonTooLarge {
		t.Errorf("a block behind 2^40 bytes: %v", err)
	}
}
