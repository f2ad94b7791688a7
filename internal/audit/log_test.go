package audit

import (
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
)

// TestLines holds the format: fields, their order, the chain.
func TestLines(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := mustOpen(t, path)
	before := time.Now()
	for _, e := range []kekcache.Event{
		opened(1),
		{Op: kekcache.OpState, State: kekcache.Degraded, Why: "a \"service\"\nis <away>\xff"},
		{Op: kekcache.OpUnwrapRefused},
	} {
		must(t, l.Record(e))
	}
	lines := splitLines(content(t, path))
	stamp := func(i int) string {
		var got struct{ Time time.Time }
		must(t, json.Unmarshal([]byte(lines[i]), &got))
		if got.Time.Before(before.Add(-time.Second)) || got.Time.Location() != time.UTC {
			t.Errorf("time %v", got.Time)
		}
		return got.Time.Format(time.RFC3339Nano)
	}
	hash := func(s string) string { return fmt.Sprintf("%x", sha256.Sum256([]byte(s))) }
	want := []string{
		`{"seq":1,"time":"` + stamp(0) + `","op":"window-opened","keks":["local:3f9a0c54d2e87b16","x25519:0011223344556677"],` +
			`"kid":"01010101010101010101010101010101","prev":"` + hash("streamcrypt audit 1\n") + `"}` + "\n",
		`{"seq":2,"time":"` + stamp(1) + `","op":"state","state":"degraded","why":"a \"service\"\nis <away>` + "\uFFFD" + `","prev":"` + hash(lines[0]) + `"}` + "\n",
		`{"seq":3,"time":"` + stamp(2) + `","op":"unwrap-refused","prev":"` + hash(lines[1]) + `"}`,
	}
	for i := range want {
		if lines[i] != want[i] {
			t.Errorf("line %d:\n%swant\n%s", i+1, lines[i], want[i])
		}
	}
	s := whole(t, path, 3)
	if seq, head := l.Head(); seq != 3 || head != s.Head || head.String() != hash(lines[2]+"\n") {
		t.Errorf("head %d %s, verified %s", seq, head, s.Head)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", info.Mode(), err)
	}
}

// TestEventHoldsNames fails when an Event gets a field that this package has
// not been looked at for.
func TestEventHoldsNames(t *testing.T) {
	var fields []string
	for f := range reflect.TypeFor[kekcache.Event]().Fields() {
		fields = append(fields, f.Name+" "+f.Type.String())
	}
	want := []string{"Op kekcache.Op", "KEKs []string", "KID []uint8", "State kekcache.State", "Why string", "Requests []string"}
	if !reflect.DeepEqual(fields, want) {
		t.Errorf("an Event has %q", fields)
	}
	path := filepath.Join(t.TempDir(), "log")
	l := mustOpen(t, path)
	key := strings.Repeat("k", 32)
	if err := l.Record(kekcache.Event{Op: kekcache.OpUnwrapped, KID: []byte(key)}); err == nil || strings.Contains(err.Error(), key) {
		t.Errorf("a kid of 32 bytes: %v", err)
	}
	whole(t, path, 0)
}

func TestLongReason(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	l := mustOpen(t, path)
	must(t, l.Record(kekcache.Event{Op: kekcache.OpState, Why: "x" + strings.Repeat("é", 5000)}))
	var got line
	must(t, json.Unmarshal(content(t, path), &got))
	if got.Why != "x"+strings.Repeat("é", 511) {
		t.Errorf("%d bytes of a reason", len(got.Why))
	}
	long := kekcache.Event{Op: kekcache.OpWindowOpened}
	for range 40 {
		long.KEKs = append(long.KEKs, strings.Repeat("a", 2048))
	}
	if err := l.Record(long); err == nil {
		t.Error("a line of 80 KiB was written")
	}
	must(t, l.Record(opened(1)))
	whole(t, path, 2)
}

// TestGoesOn continues a file in another process, and after a crash in the
// middle of a line.
func TestGoesOn(t *testing.T) {
	for _, c := range []struct {
		name  string
		torn  string
		lines int64
	}{
		{"whole", "", 5},
		{"half a line", `{"seq":4,"ti`, 6},
		{"zeros", strings.Repeat("\x00", 4096), 6},
		{"all but the line feed", "last", 6},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := written(t, 3)
			if c.torn == "last" {
				fourth, err := newLine(end(t, b), &kekcache.Event{Op: kekcache.OpUnwrapRefused}, &Who{}, time.Now())
				must(t, err)
				text, err := fourth.encodeLine()
				must(t, err)
				c.torn = strings.TrimSuffix(string(text), "\n")
			}
			path := filepath.Join(t.TempDir(), "log")
			must(t, os.WriteFile(path, append(b, c.torn...), 0o600))
			l := mustOpen(t, path)
			must(t, l.Record(opened(1)))
			must(t, l.Record(opened(2)))
			s := whole(t, path, c.lines)
			if s.Cuts != c.lines-5 {
				t.Errorf("%d cuts", s.Cuts)
			}
			if c.torn != "" && !strings.Contains(string(content(t, path)), fmt.Sprintf(`"op":"line-cut","why":"%d bytes"`, len(c.torn))) {
				t.Errorf("the cut is not told:\n%s", content(t, path))
			}
		})
	}
}

func end(t *testing.T, b []byte) link {
	t.Helper()
	last, err := findLast(b, true)
	must(t, err)
	return last
}

// TestRefusesChanged opens files that no log would leave.
func TestRefusesChanged(t *testing.T) {
	lines := splitLines(written(t, 4))
	swap := func(old, new string) func(string) string {
		return func(s string) string { return strings.Replace(s, old, new, 1) }
	}
	for name, b := range map[string]string{
		"another file":       "secret of another program\n",
		"the last changed":   lines[0] + lines[1] + swap("0202", "0203")(lines[2]) + lines[3] + "\n",
		"two swapped":        lines[0] + lines[1] + lines[3] + "\n" + lines[2],
		"one missing":        lines[0] + lines[1] + lines[3] + "\n",
		"another encoding":   lines[0] + swap(`"seq":2`, `"seq": 2`)(lines[1]),
		"an unknown field":   swap(`"op"`, `"place":"h","op"`)(lines[0]),
		"a field elsewhere":  swap(`"op"`, `"host":"h","op"`)(lines[0]),
		"no beginning":       swap(genesis.String()[:8], "00000000")(lines[0]),
		"no feed for long":   lines[0] + strings.Repeat("x", maxLine+1),
		"a line that is too": lines[0] + strings.Repeat("x", 4*maxLine) + "\n",
		"an empty line":      lines[0] + "\n",
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			must(t, os.WriteFile(path, []byte(b), 0o600))
			l, err := Open(path, Who{})
			if !errors.Is(err, ErrChanged) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%v", err)
			}
			if err == nil {
				_ = l.Close()
			}
			if string(content(t, path)) != b {
				t.Error("it was written to")
			}
		})
	}
}

// TestNoticesChange changes a file while it is open. Whoever moves it away can
// go on.
func TestNoticesChange(t *testing.T) {
	for name, change := range map[string]func(b []byte) []byte{
		"cut":      func(b []byte) []byte { return []byte(strings.Join(splitLines(b)[:2], "")) },
		"emptied":  func([]byte) []byte { return nil },
		"replaced": func([]byte) []byte { return written(t, 3) },
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "log")
			l := mustOpen(t, path)
			for i := range byte(3) {
				must(t, l.Record(opened(i)))
			}
			_, head := l.Head()
			must(t, os.WriteFile(path, change(content(t, path)), 0o600))
			if err := l.Record(opened(9)); !errors.Is(err, ErrChanged) {
				t.Fatalf("%v", err)
			}
			must(t, os.Rename(path, path+".old"))
			must(t, l.Record(opened(9)))
			if s := whole(t, path, 1); s.First != 4 || s.Before != head {
				t.Errorf("goes on at %d behind %s, want %s", s.First, s.Before, head)
			}
		})
	}
}

// TestRotation moves the file away while two writers have it open, and both go
// on in one new file.
func TestRotation(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	a, b := mustOpen(t, path), mustOpen(t, path)
	must(t, a.Record(opened(1)))
	must(t, os.Rename(path, path+".1"))
	must(t, b.Record(opened(2))) // it has not seen the line of a
	must(t, a.Record(opened(3)))
	must(t, b.Record(opened(4)))
	s, err := verify(nil, content(t, path+".1"), content(t, path))
	if err != nil || s.Lines != 4 {
		t.Fatalf("%d lines, %v:\n%s", s.Lines, err, content(t, path))
	}

	// A third one is started between the rotation and the next line, and begins
	// a chain that the others join.
	must(t, os.Rename(path, path+".2"))
	c := mustOpen(t, path)
	must(t, c.Record(opened(5)))
	must(t, a.Record(opened(6)))
	must(t, b.Record(opened(7)))
	whole(t, path, 3)
	must(t, os.Remove(path))
	must(t, a.Record(opened(8)))
	must(t, c.Record(opened(9)))
	if s := whole(t, path, 2); s.First != 4 {
		t.Errorf("goes on at %d", s.First)
	}
}

// TestManyWriters has goroutines with one Log each write to one file, and child
// processes too.
func TestManyWriters(t *testing.T) {
	const child = "TEST_STREAMCRYPT_AUDIT_CHILD" // the log that this process is to write to
	const writers, each = 4, 25
	if path := os.Getenv(child); path != "" {
		writeLines(t, path, each)
		return
	}
	path := filepath.Join(t.TempDir(), "log")
	var all sync.WaitGroup
	for w := range writers {
		all.Go(func() {
			if w%2 == 1 {
				cmd := exec.Command(os.Args[0], "-test.run=^TestManyWriters$")
				cmd.Env = append(os.Environ(), child+"="+path)
				if out, err := cmd.CombinedOutput(); err != nil {
					t.Errorf("%v: %s", err, out)
				}
				return
			}
			writeLines(t, path, each)
		})
	}
	all.Wait()
	whole(t, path, writers*each)
}

// writeLines writes to the log as one of several writers, each with a Log of
// its own.
func writeLines(t *testing.T, path string, lines byte) {
	t.Helper()
	l, err := Open(path, Who{})
	if err != nil {
		t.Error(err)
		return
	}
	defer l.Close()
	for i := range lines {
		if err := l.Record(opened(i)); err != nil {
			t.Error(err)
		}
	}
}

func TestNotAFile(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	must(t, syscall.Mkfifo(pipe, 0o600))
	for _, path := range []string{pipe, dir, "/dev/full", filepath.Join(dir, "none", "log")} {
		if l, err := Open(path, Who{}); err == nil {
			_ = l.Close()
			t.Errorf("%s was opened", path)
		}
	}
}

// TestWho: every line says who, and which calls of key services it is about.
func TestWho(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	who := Who{
		Route: "encrypt-orders", Context: "orders", Store: "file:keys\xff", Host: "h1", User: "joe", PID: 7, Version: "v1.2.3",
	}
	l, err := Open(path, who)
	must(t, err)
	e := opened(1)
	e.Requests = []string{"1111-2222", "3333"}
	must(t, l.Record(e))
	must(t, l.Record(kekcache.Event{Op: OpKeyGenerated}))
	must(t, l.Close())
	must(t, os.WriteFile(path, append(content(t, path), "torn"...), 0o600))
	l, err = Open(path, who) // which writes that a line was cut
	must(t, err)
	must(t, l.Close())
	const said = `"store":"file:keys` + "\uFFFD" + `","route":"encrypt-orders","context":"orders","host":"h1","user":"joe","pid":7,"version":"v1.2.3","prev":"`
	lines := splitLines(content(t, path))
	if len(lines) != 3 || !strings.Contains(lines[0], `"requests":["1111-2222","3333"],`+said) {
		t.Errorf("%q", lines)
	}
	for _, line := range lines {
		if !strings.Contains(line, said) {
			t.Errorf("it does not say who: %s", line)
		}
	}
	whole(t, path, 3)
}

// TestDescribeProcess: no part is missing.
func TestDescribeProcess(t *testing.T) {
	host, err := os.Hostname()
	must(t, err)
	if w := DescribeProcess(); w.Host != host || w.User == "" || w.PID != os.Getpid() {
		t.Errorf("%+v", w)
	}
}
