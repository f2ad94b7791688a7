package route

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"os"
	"slices"
	"strings"
	"testing"
)

// richLines returns lines of ndjson with the numbers from first on.
func richLines(first, n int) (lines []byte) {
	for i := range n {
		lines = fmt.Appendf(lines, "{\"key\":\"k%d\",\"value\":\"%d\",\"headers\":[[\"h\",\"%d\"]],\"time\":\"2026-01-02T03:04:05Z\"}\n",
			(first+i)%3, first+i, first+i)
	}
	return lines
}

// frameOf returns the record of an archive with its length and checksum.
func frameOf(kind byte, body []byte) []byte {
	record := append([]byte{kind}, body...)
	frame := binary.BigEndian.AppendUint32(nil, uint32(len(record)))
	frame = binary.BigEndian.AppendUint32(frame, crc32.Checksum(record, crc32.MakeTable(crc32.Castagnoli)))
	return append(frame, record...)
}

// reframe returns a frame of an archive with its body changed and its checksum
// right, as a stranger would make it.
func reframe(t *testing.T, frame []byte, old, with string) []byte {
	t.Helper()
	body := bytes.Replace(frame[9:], []byte(old), []byte(with), 1)
	if len(old) != len(with) || bytes.Equal(body, frame[9:]) {
		t.Fatalf("%q is not in the frame, or has another length", old)
	}
	return frameOf(frame[8], body)
}

// TestAttackArchive: an archive in which records were dropped, swapped, changed
// or put in is not whole, nor is one that was cut back, swapped or spliced with
// another. Those that only a receipt can tell it tells.
func TestAttackArchive(t *testing.T) {
	testDir(t)
	writeFile(t, "in.ndjson", richLines(0, 10))
	writeFile(t, "more.ndjson", richLines(10, 4))
	writeFile(t, "none.ndjson", nil)
	s := mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:a.scx"})
	whole := seqFrames(t, readFile(t, "a.scx"))
	writeFile(t, "receipt", []byte(s.Receipt+"\n"))
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:other.scx"})
	mustRun(t, Encrypt, Config{From: "file:none.ndjson", To: "file:empty.scx"})
	s = mustRun(t, Encrypt, Config{From: "file:more.ndjson", To: "file:a.scx?append=true"})
	writeFile(t, "receipt2", []byte(s.Receipt+"\n"))
	appended := seqFrames(t, readFile(t, "a.scx"))
	other, empty := seqFrames(t, readFile(t, "other.scx")), seqFrames(t, readFile(t, "empty.scx"))
	magic, r, end := whole[0], whole[1:11], whole[11]
	for name, attack := range map[string]struct {
		frames  [][]byte
		want    string // in the error; "" if there is none
		receipt string // in the error with a receipt; "" if there is none
	}{
		"as it is":              {slices.Concat(r, whole[11:]), "", ""},
		"dropped":               {slices.Concat(r[:3], r[4:], whole[11:]), "tampered", "tampered"},
		"swapped":               {slices.Concat([][]byte{r[1], r[0]}, r[2:], whole[11:]), "tampered", "tampered"},
		"twice":                 {slices.Concat(r[:4], r[3:], whole[11:]), "tampered", "tampered"},
		"the last one first":    {slices.Concat(r[9:], r[:9], whole[11:]), "tampered", "tampered"},
		"key":                   {slices.Concat([][]byte{reframe(t, r[0], "\x42k0", "\x42zz")}, r[1:], whole[11:]), "tampered", "tampered"},
		"header value":          {slices.Concat([][]byte{reframe(t, r[0], "\x41h\x410", "\x41h\x41E")}, r[1:], whole[11:]), "tampered", "tampered"},
		"header name":           {slices.Concat([][]byte{reframe(t, r[0], "\x41h\x410", "\x41x\x410")}, r[1:], whole[11:]), "tampered", "tampered"},
		"time":                  {slices.Concat([][]byte{reframe(t, r[0], "\x1b\x00\x00\x01", "\x1b\x00\x00\x02")}, r[1:], whole[11:]), "tampered", "tampered"},
		"end cut off":           {r, "truncated", "truncated"},
		"end in the middle":     {slices.Concat(r[:5], [][]byte{end}, r[5:]), "tampered", "tampered"},
		"cut back":              {slices.Concat(appended[1:12]), "", "truncated"},
		"first half removed":    {appended[12:], "tampered", "tampered"},
		"spliced":               {slices.Concat(whole[1:], other[1:]), "tampered", "tampered"},
		"spliced, one end less": {slices.Concat(r, other[1:]), "tampered", "tampered"},
		"another archive":       {other[1:], "", "tampered"},
		"an empty archive":      {empty[1:], "", "tampered"},
		"nothing but the magic": {nil, "truncated", "truncated"},
		"junk behind":           {append(slices.Clone(whole[1:]), []byte("xyz")), "truncated", "truncated"},
	} {
		t.Run(name, func(t *testing.T) {
			writeFile(t, "t.scx", slices.Concat(magic, bytes.Join(attack.frames, nil)))
			receipt := "receipt"
			if name == "cut back" {
				receipt = "receipt2"
			}
			for _, c := range []struct{ receipt, want string }{{"", attack.want}, {receipt, attack.receipt}} {
				_, err := run(t, Decrypt, Config{From: "file:t.scx", To: "file:out.ndjson", Overwrite: true, Receipt: c.receipt}, Env{})
				if c.want == "" {
					must(t, err)
					must(t, os.Remove("out.ndjson"))
				} else if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("receipt %q: %v, want %q", c.receipt, err, c.want)
				}
				noFile(t, "out.ndjson")
			}
		})
	}
}

// TestAttackSwapped: a run that goes on from a checkpoint is refused if the
// archive that it read, or wrote, has been swapped or cut since. Neither is a
// message passed over then, nor one of another archive lost.
func TestAttackSwapped(t *testing.T) {
	testDir(t)
	must(t, os.Mkdir("store", 0o700))
	writeFile(t, "in.ndjson", richLines(0, 10))
	writeFile(t, "longer.ndjson", richLines(100, 30))
	for profile := range profiles {
		t.Run("read "+profile, func(t *testing.T) {
			c := func(c Config) Config { return config(profile, c) }
			mustRun(t, Encrypt, c(Config{From: "file:in.ndjson", To: "file:first.scx", Overwrite: true}))
			first := readFile(t, "first.scx")
			mustRun(t, Encrypt, c(Config{From: "file:in.ndjson", To: "file:first.scx?append=true"}))
			second := readFile(t, "first.scx")
			mustRun(t, Encrypt, c(Config{From: "file:longer.ndjson", To: "file:longer.scx", Overwrite: true}))
			for name, then := range map[string][]byte{"swapped": readFile(t, "longer.scx"), "cut back": first} {
				writeFile(t, "a.scx", second)
				read := c(Config{From: "file:a.scx", To: "file:" + name + profile, Checkpoint: name + profile + ".ck"})
				read.To += "?format=ndjson"
				mustRun(t, Decrypt, read)
				out := readFile(t, name+profile)
				mustRun(t, Decrypt, read) // nothing has come
				writeFile(t, "a.scx", then)
				fails(t, Decrypt, read, "not the file that was read")
				same(t, readFile(t, name+profile), out)
			}
		})
	}
	for _, format := range []string{"seq", "ndjson"} {
		t.Run("written "+format, func(t *testing.T) {
			writeFile(t, "grows.ndjson", richLines(0, 10))
			written := Config{From: "file:grows.ndjson", To: "file:w." + format + "?format=" + format, Checkpoint: format + ".ck"}
			mustRun(t, Encrypt, written)
			mustRun(t, Encrypt, Config{From: "file:longer.ndjson", To: "file:l." + format + "?format=" + format})
			genuine, longer := readFile(t, "w."+format), readFile(t, "l."+format)
			writeFile(t, "grows.ndjson", richLines(0, 20))
			for name, then := range map[string][]byte{
				"swapped": longer, "swapped for one as long": longer[:len(genuine)], "longer": slices.Concat(genuine, longer),
				"shorter": genuine[:len(genuine)-1], "empty": nil,
			} {
				writeFile(t, "w."+format, then)
				if _, err := run(t, Encrypt, written, Env{}); err == nil || !strings.Contains(err.Error(), "not the file that was written") &&
					!strings.Contains(err.Error(), "shorter than its checkpoint says") {
					t.Errorf("%s: %v", name, err)
				}
				same(t, readFile(t, "w."+format), then)
			}
			writeFile(t, "w."+format, genuine)
			mustRun(t, Encrypt, written)
			s := mustRun(t, Verify, Config{From: "file:w." + format + "?format=" + format})
			if s.Messages != 20 || s.Duplicates+s.Gaps+s.Reordered > 0 {
				t.Errorf("%+v", s)
			}
		})
	}
}
