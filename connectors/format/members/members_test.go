package members

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/zstd"

	"github.com/streamcrypt/streamcrypt/connectors/format"
)

var kinds = []Kind{Gzip, Zstd}

// pack makes one member of each part.
func pack(t testing.TB, kind Kind, parts ...string) []byte {
	t.Helper()
	var out bytes.Buffer
	w := NewWriter(kind, &out)
	for _, part := range parts {
		if _, err := io.WriteString(w, part); err != nil {
			t.Fatal(err)
		}
		if err := w.EndMember(); err != nil {
			t.Fatal(err)
		}
	}
	return out.Bytes()
}

func unpack(kind Kind, b []byte) ([]byte, int64, error) {
	r := NewReader(kind, iotest.HalfReader(bytes.NewReader(b)))
	defer r.Close()
	got, err := io.ReadAll(r)
	return got, r.Whole(), err
}

func TestOfPath(t *testing.T) {
	for path, want := range map[string]struct {
		kind  Kind
		inner string
	}{
		"a.ndjson.gz": {Gzip, "a.ndjson"}, "x/a.scx.ZST": {Zstd, "x/a.scx"}, "a.gz/b": {None, "a.gz/b"},
		"a": {None, "a"}, "a.zst": {Zstd, "a"},
	} {
		if kind, inner := OfPath(path); kind != want.kind || inner != want.inner {
			t.Errorf("%s: %q, %q", path, kind, inner)
		}
	}
}

// Cut anywhere, a file gives the content of its beginning, tells where the last
// whole member ends, and is whole only there.
func TestCutAnywhere(t *testing.T) {
	parts := []string{"first line\n", strings.Repeat("another line, long enough to be compressed\n", 50), "x"}
	for _, kind := range kinds {
		all := strings.Join(parts, "")
		packed := pack(t, kind, parts...)
		ends := map[int]bool{}
		for i := range parts {
			ends[len(pack(t, kind, parts[:i+1]...))] = true
		}
		last := 0
		for n := range len(packed) + 1 {
			if ends[n] {
				last = n
			}
			got, whole, err := unpack(kind, packed[:n])
			switch {
			case !strings.HasPrefix(all, string(got)):
				t.Fatalf("%s cut at %d: content %q", kind, n, got)
			case whole != int64(last):
				t.Fatalf("%s cut at %d: whole to %d, want %d", kind, n, whole, last)
			case ends[n] != (err == nil):
				t.Fatalf("%s cut at %d: %v", kind, n, err)
			case err != nil && !errors.Is(err, format.ErrTruncated):
				t.Fatalf("%s cut at %d: %v", kind, n, err)
			}
		}
		if last != len(packed) {
			t.Fatalf("%s: the last member ends at %d of %d", kind, last, len(packed))
		}
	}
}

// A changed byte never goes unseen: all members carry a checksum.
func TestDamage(t *testing.T) {
	text := strings.Repeat("some text, ", 40)
	for _, kind := range kinds {
		packed := pack(t, kind, text, text)
		for i := range packed {
			for _, bit := range []byte{1, 0x80} {
				damaged := bytes.Clone(packed)
				damaged[i] ^= bit
				got, _, err := unpack(kind, damaged)
				if err == nil && string(got) != text+text {
					t.Fatalf("%s, byte %d: other content, and no error", kind, i)
				}
			}
		}
		if _, _, err := unpack(kind, append(bytes.Clone(packed), "garbage behind it"...)); !errors.Is(err, format.ErrMalformed) {
			t.Errorf("%s: garbage behind the last member: %v", kind, err)
		}
	}
}

func TestLimits(t *testing.T) {
	var wide bytes.Buffer
	w, err := zstd.NewWriter(&wide, zstd.WithWindowSize(16<<20), zstd.WithEncoderConcurrency(1))
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := w.Write(make([]byte, 1<<20)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if _, _, err := unpack(Zstd, wide.Bytes()); !errors.Is(err, ErrWindow) {
		t.Errorf("a wide window: %v", err)
	}
	skippable := append([]byte{0x50, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 1, 2, 3}, pack(t, Zstd, "text")...)
	if got, whole, err := unpack(Zstd, skippable); err != nil || string(got) != "text" || whole != int64(len(skippable)) {
		t.Errorf("a skippable frame: %q, %d, %v", got, whole, err)
	}
}

// An error of the input is not taken for one of the content.
func TestInputError(t *testing.T) {
	errAway := errors.New("away")
	for _, kind := range kinds {
		packed := pack(t, kind, strings.Repeat("text", 1000))
		in := io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), iotest.ErrReader(errAway))
		if _, err := io.ReadAll(NewReader(kind, in)); err != errAway {
			t.Errorf("%s: %v", kind, err)
		}
	}
}

// Other programs make and read the same files.
func TestOtherPrograms(t *testing.T) {
	parts := []string{"one\n", "", strings.Repeat("two\n", 1000)}
	var std bytes.Buffer
	for _, part := range parts {
		w := gzip.NewWriter(&std)
		if _, err := io.WriteString(w, part); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
	}
	all := strings.Join(parts, "")
	if got, _, err := unpack(Gzip, std.Bytes()); err != nil || string(got) != all {
		t.Errorf("compress/gzip: %v", err)
	}
	r, err := gzip.NewReader(bytes.NewReader(pack(t, Gzip, parts...)))
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != all {
		t.Errorf("read by compress/gzip: %v", err)
	}
	for _, kind := range kinds {
		if _, err := exec.LookPath(string(kind)); err != nil {
			t.Logf("%s is not installed", kind)
			continue
		}
		read := exec.CommandContext(t.Context(), string(kind), "-dc")
		read.Stdin = bytes.NewReader(pack(t, kind, parts...))
		if got, err := read.Output(); err != nil || string(got) != all {
			t.Errorf("read by %s: %v", kind, err)
		}
		write := exec.CommandContext(t.Context(), string(kind), "-c")
		write.Stdin = strings.NewReader(all)
		made, err := write.Output()
		if err != nil {
			t.Fatal(err)
		}
		if got, _, err := unpack(kind, append(made, made...)); err != nil || string(got) != all+all {
			t.Errorf("made by %s: %v", kind, err)
		}
	}
}

// After a failed write the Writer begins a member anew.
func TestDropMember(t *testing.T) {
	for _, kind := range kinds {
		var out bytes.Buffer
		w := NewWriter(kind, &out)
		fmt.Fprint(w, "lost")
		w.DropMember()
		out.Reset()
		fmt.Fprint(w, "kept")
		if err := w.EndMember(); err != nil {
			t.Fatal(err)
		}
		if got, _, err := unpack(kind, out.Bytes()); err != nil || string(got) != "kept" {
			t.Errorf("%s: %q, %v", kind, got, err)
		}
		out.Reset()
		if err := w.WriteEmpty(); err != nil {
			t.Fatal(err)
		}
		if got, whole, err := unpack(kind, out.Bytes()); err != nil || len(got) > 0 || whole == 0 {
			t.Errorf("%s, empty: %q, %v", kind, got, err)
		}
	}
}

func TestContainsMember(t *testing.T) {
	for _, kind := range kinds {
		member := pack(t, kind, "text")
		for name, c := range map[string]struct {
			b    []byte
			want bool
		}{
			"nothing":        {nil, false},
			"itself":         {member, false},
			"behind zeros":   {append(make([]byte, 9), member...), true},
			"behind another": {append(bytes.Clone(member), member...), true},
			"cut off":        {append(make([]byte, 9), member[:len(member)-1]...), false},
		} {
			if got := kind.ContainsMember(c.b); got != c.want {
				t.Errorf("%s, %s: %v", kind, name, got)
			}
		}
	}
}

func FuzzReader(f *testing.F) {
	for _, kind := range kinds {
		f.Add(kind == Gzip, pack(f, kind, "one", "two"))
	}
	f.Fuzz(func(t *testing.T, isGzip bool, b []byte) {
		kind := Zstd
		if isGzip {
			kind = Gzip
		}
		r := NewReader(kind, bytes.NewReader(b))
		defer r.Close()
		n, err := io.CopyN(io.Discard, r, 64<<20)
		if err != io.EOF && err != nil && !errors.Is(err, format.ErrTruncated) && !errors.Is(err, format.ErrMalformed) &&
			!errors.Is(err, format.ErrTooLarge) {
			t.Fatalf("after %d bytes: %v", n, err)
		}
		if r.Whole() > int64(len(b)) {
			t.Fatalf("whole to %d of %d", r.Whole(), len(b))
		}
	})
}
