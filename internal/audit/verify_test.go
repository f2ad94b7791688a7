package audit

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"testing"
)

// TestFindsLine changes a log of ten lines, and wants the fault found in its
// line.
func TestFindsLine(t *testing.T) {
	b := written(t, 10)
	lines := splitLines(b)
	lines[9] += "\n"
	head := end(t, b).hash
	edit := func(change func(l []string) []string) []byte {
		return []byte(strings.Join(change(slices.Clone(lines)), ""))
	}
	replace := func(at int, old, new string) func([]string) []string {
		return func(l []string) []string {
			l[at] = strings.Replace(l[at], old, new, 1)
			return l
		}
	}
	for _, c := range []struct {
		name string
		b    []byte
		line int64
		err  error
	}{
		{"the first is missing", edit(func(l []string) []string { return l[1:] }), 0, nil}, // begins with 2: of another file
		{"one is missing", edit(func(l []string) []string { return slices.Delete(l, 4, 5) }), 5, ErrMissing},
		{"several are missing", edit(func(l []string) []string { return slices.Delete(l, 2, 8) }), 3, ErrMissing},
		{"one is there twice", edit(func(l []string) []string { return slices.Insert(l, 4, l[3]) }), 5, ErrMissing},
		{"two are swapped", edit(func(l []string) []string { l[4], l[5] = l[5], l[4]; return l }), 5, ErrMissing},
		{"a kid is changed", edit(replace(4, "04040404", "04040405")), 5, ErrLine},
		{"a kid of the first is changed", edit(replace(0, "00000000", "00000001")), 1, ErrLine},
		{"a time is changed", edit(replace(6, `"time":"2`, `"time":"3`)), 7, ErrLine},
		{"a hash is changed", edit(replace(6, `"prev":"`+lines[6][strings.Index(lines[6], `"prev":"`)+8:][:2], `"prev":"zz`)), 7, ErrLine},
		{"another hash", edit(func(l []string) []string {
			at := strings.Index(l[6], `"prev":"`) + 8
			l[6] = l[6][:at] + genesis.String() + l[6][at+64:]
			return l
		}), 7, ErrLine},
		{"a number is changed", edit(replace(6, `"seq":7`, `"seq":70`)), 7, ErrMissing},
		{"another encoding", edit(replace(6, `"seq":7`, `"seq":7 `)), 7, ErrLine},
		{"a field twice", edit(replace(6, `"op"`, `"op":"state","op"`)), 7, ErrLine},
		{"the first has another hash", edit(replace(0, genesis.String()[:8], "00000000")), 1, ErrLine},
		{"the first has another number", edit(replace(0, `"seq":1`, `"seq":2`)), 1, ErrLine},
		{"not JSON", edit(replace(2, "{", "")), 3, ErrLine},
		{"the last is not whole", b[:len(b)-1], 10, ErrTorn},
		{"the end is cut", edit(func(l []string) []string { return l[:8] }), 0, nil}, // only a head shows it
		{"empty", nil, 0, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := verify(nil, c.b)
			var at *LineError
			switch {
			case c.err == nil && err != nil:
				t.Errorf("%v", err)
			case c.err != nil && (!errors.As(err, &at) || at.Line != c.line || !errors.Is(err, c.err)):
				t.Errorf("got %v, want line %d: %v", err, c.line, c.err)
			}
			if _, err := verify(&head, c.b); err == nil && c.name != "the first is missing" {
				t.Error("not found with a head")
			}
		})
	}
}

// TestLastLineChanged cannot tell which of two lines was changed, unless there
// is a head.
func TestLastLineChanged(t *testing.T) {
	b := written(t, 3)
	head := end(t, b).hash
	changed := bytes.Replace(b, []byte("01010101"), []byte("01010102"), 1)
	for want, line := range map[*Hash]int64{nil: 3, &head: 2} {
		_, err := verify(want, changed)
		var at *LineError
		if !errors.As(err, &at) || at.Line != line {
			t.Errorf("got %v, want line %d", err, line)
		}
	}
	last := bytes.Replace(b, []byte("02020202"), []byte("02020203"), 1)
	if _, err := verify(nil, last); err != nil {
		t.Errorf("nothing follows the last line, and yet: %v", err)
	}
	if _, err := verify(&head, last); !errors.Is(err, ErrCut) {
		t.Errorf("got %v", err)
	}
}

// TestHead takes a head from any time since the file was begun.
func TestHead(t *testing.T) {
	b := written(t, 5)
	lines := splitLines(b)
	old := end(t, []byte(lines[0]+lines[1]))
	if _, err := verify(&old.hash, b); err != nil {
		t.Error(err)
	}
	later := []byte(strings.Join(lines[2:], "") + "\n")
	s, err := verify(&old.hash, later)
	if err != nil || s.First != 3 || s.Before != old.hash {
		t.Errorf("%+v, %v", s, err)
	}
	for _, b := range [][]byte{nil, b} { // before the first line there is a head too
		if _, err := verify(&genesis, b); err != nil {
			t.Error(err)
		}
	}
	if _, err := verify(&Hash{1}, b); !errors.Is(err, ErrCut) {
		t.Errorf("got %v", err)
	}
	if h, err := ParseHash(old.hash.String()); err != nil || h != old.hash {
		t.Errorf("%s, %v", h, err)
	}
	for _, text := range []string{"", "00", strings.Repeat("x", 64), old.hash.String() + "00"} {
		if _, err := ParseHash(text); err == nil {
			t.Errorf("%q is a hash", text)
		}
	}
}

// TestFiles reads a chain that goes through several files.
func TestFiles(t *testing.T) {
	lines := splitLines(written(t, 6))
	lines[5] += "\n"
	join := func(l ...string) []byte { return []byte(strings.Join(l, "")) }
	first, second := join(lines[:3]...), join(lines[3:]...)
	if s, err := verify(nil, first, second); err != nil || s.Lines != 6 || s.First != 1 || s.Last != 6 {
		t.Errorf("%+v, %v", s, err)
	}
	for name, c := range map[string]struct {
		files [][]byte
		want  string
	}{
		"wrong order":               {[][]byte{second, first}, "b:1: "},
		"one is missing":            {[][]byte{first, join(lines[4:]...)}, "b:1: "},
		"the end of one is missing": {[][]byte{join(lines[:2]...), second}, "b:1: "},
		"its last line is changed":  {[][]byte{bytes.Replace(first, []byte("0202"), []byte("0203"), 1), second}, "a:3: "},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := verify(nil, c.files...); err == nil || !strings.HasPrefix(err.Error(), c.want) {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

// TestEveryBit flips each bit of a log: with the head nothing of it passes.
func TestEveryBit(t *testing.T) {
	b := written(t, 3)
	head := end(t, b).hash
	for i := range b {
		for bit := range 8 {
			b[i] ^= 1 << bit
			if _, err := verify(&head, b); err == nil {
				t.Fatalf("byte %d, bit %d: not found", i, bit)
			}
			b[i] ^= 1 << bit
		}
	}
}

// FuzzVerify holds that what passes is chained: its last line, and with it the
// file, is found by its hash.
func FuzzVerify(f *testing.F) {
	f.Add(written(f, 2))
	f.Add([]byte(`{"seq":1,"time":"2026-01-02T03:04:05Z","op":"state","state":"normal","prev":"` + genesis.String() + `"}` + "\n"))
	f.Add([]byte("null\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s, err := verify(nil, b)
		if err != nil || s.Lines == 0 {
			return
		}
		if last := end(t, b); last.hash != s.Head || last.seq != s.Last {
			t.Errorf("verified %+v, and a writer would go on behind %+v", s, last)
		}
		if int64(bytes.Count(b, []byte("\n"))) != s.Lines {
			t.Errorf("%d lines", s.Lines)
		}
	})
}
