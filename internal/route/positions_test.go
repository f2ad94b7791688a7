package route

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// minPositionRows is how many rows the product of TestPositions must have.
const minPositionRows = 250

// positionRow is one combination of ends, a refusal and settings.
type positionRow struct {
	do                  direction
	from, to            string // kinds of end
	refusal             refusalKind
	checkpoint, letters bool
}

func (r positionRow) String() string {
	name := fmt.Sprintf("%s %s to %s, %s", r.do, r.from, r.to, r.refusal.name)
	if r.checkpoint {
		name += ", checkpoint"
	}
	if r.letters {
		name += ", letters"
	}
	return name
}

// remembers tells whether a run goes on where the last one ended.
func (r positionRow) remembers() bool { return r.checkpoint || !isFile(r.from) }

// atOnce tells whether the output is there as a whole or not at all.
func (r positionRow) atOnce() bool { return isFile(r.from) && isFile(r.to) && !r.checkpoint }

func isFile(kind string) bool { return kind != "kafka" && kind != "nats" }

// TestPositions checks that no refusal moves a position past a message that is
// lost by it: each combination is run, run again, mended, run again and run
// once more. Without dead letters the output holds the messages before the
// refused one until that is mended, and then all of them; with dead letters it
// holds all others, and there is one letter for the refused one. Where the run
// remembers its position nothing is ever there twice.
func TestPositions(t *testing.T) {
	rig := newPositionRig(t)
	rows := listPositionRows()
	if len(rows) < minPositionRows {
		t.Fatalf("only %d rows", len(rows))
	}
	var number atomic.Int64
	next := make(chan positionRow)
	var workers sync.WaitGroup
	for range 16 { // they wait for brokers most of the time
		workers.Go(func() {
			for row := range next {
				t.Run(row.String(), func(t *testing.T) {
					p := &positionCase{positionRow: row, rig: rig, name: fmt.Sprintf("r%03d", number.Add(1))}
					p.check(t)
				})
			}
		})
	}
	for _, row := range rows {
		next <- row
	}
	close(next)
	workers.Wait()
}

func listPositionRows() (rows []positionRow) {
	for _, do := range []direction{encrypt, decrypt} {
		for _, from := range sourceKinds[do] {
			for _, to := range sinkKinds[do] {
				for _, refusal := range refusalKinds {
					if !refusal.isPossible(do, from, to) {
						continue
					}
					for n := range 4 {
						row := positionRow{do: do, from: from, to: to, refusal: refusal, checkpoint: n&1 == 1, letters: n&2 == 2}
						if row.checkpoint && !isFile(from) && !isFile(to) {
							continue // neither end is a file
						}
						rows = append(rows, row)
					}
				}
			}
		}
	}
	return rows
}

var (
	sourceKinds = map[direction][]string{
		encrypt: {"ndjson", "lines", "kafka", "nats"}, decrypt: {"ndjson", "seq", "kafka", "nats"},
	}
	sinkKinds = map[direction][]string{
		encrypt: {"ndjson", "seq", "kafka", "nats"}, decrypt: {"ndjson", "lines", "kafka", "nats"},
	}
)

// otherFile is a part of the error of a file that is not as it was read.
const otherFile = "has changed before the point"

// badIndex is the index of the refused message among positionCount.
const badIndex, positionCount = 3, 6

// positionCase is a row that is checked.
type positionCase struct {
	positionRow
	rig    *positionRig
	name   string // of files, topics and streams
	good   []pipeline.Message
	config Config
	runs   int
	want   []string // in the output
	dead   int      // letters
}

func (p *positionCase) check(t *testing.T) {
	p.rig.putSource(t, p, true)
	p.prepareSink(t)
	p.config = p.newConfig()
	all := wordsOf(0, positionCount)
	before, others := all[:badIndex], slices.Delete(slices.Clone(all), badIndex, badIndex+1)

	for range 2 {
		switch {
		case !p.letters:
			p.run(t, p.refusal.reason)
			p.expect(t, before, false)
		case p.refusal.spoilsEnd && p.from == "seq":
			p.run(t, "end of the archive cannot be checked")
			p.dead = p.countLetters()
			p.expect(t, others, false)
		default:
			p.run(t, "")
			p.dead = p.countLetters()
			p.expect(t, others, true)
		}
	}

	mended := p.mend(t)
	switch {
	case p.letters && p.remembers() && p.refusal.spoilsEnd && p.from == "seq" && p.refusal.settle != nil:
		p.run(t, "end of the archive cannot be checked") // the message is set aside, and the archive not whole
		p.expect(t, nil, false)
		return
	case p.letters && p.remembers() && p.refusal.settle == nil && isFile(p.from):
		p.run(t, otherFile) // the line was set aside, and is changed behind our back
		p.expect(t, nil, !p.refusal.spoilsEnd || p.from != "seq")
		return
	case p.letters && p.remembers():
		p.run(t, "")
		p.expect(t, nil, true)
	case mended:
		p.run(t, "")
		p.expect(t, all, true)
	default: // the message stays as it is in its broker
		p.config.DeadLetter = "file:" + p.path("dead.ndjson")
		p.run(t, "")
		p.dead++
		p.expect(t, others, true)
	}
	if p.remembers() {
		p.run(t, "")
		p.expect(t, nil, true)
	}
}

// wordsOf returns the messages from one index to before another as
// TestPositions sees them.
func wordsOf(from, to int) (words []string) {
	for i := from; i < to; i++ {
		words = append(words, fmt.Sprintf("value %d", i))
	}
	return words
}

// countLetters returns how many letters there should be after so many runs.
func (p *positionCase) countLetters() int {
	if p.remembers() {
		return 1
	}
	return p.runs
}

func (p *positionCase) path(name string) string { return p.rig.dir + "/" + p.name + "." + name }

// mend makes the message pass, by a setting or in the source. It returns false
// if neither is possible.
func (p *positionCase) mend(t *testing.T) bool {
	t.Helper()
	switch {
	case p.refusal.settle != nil:
		p.refusal.settle(p)
	case isFile(p.from):
		p.rig.putSource(t, p, false)
	default:
		return false
	}
	return true
}

// run runs the route once more. want is a part of its error, or "".
func (p *positionCase) run(t *testing.T, want string) {
	t.Helper()
	p.runs++
	p.config.Overwrite = p.atOnce() && p.runs > 1
	_, err := run(t, map[direction]direct{encrypt: Encrypt, decrypt: Decrypt}[p.do], p.config, Env{})
	switch {
	case want == "" && err != nil:
		t.Fatalf("run %d: %v", p.runs, err)
	case want == "":
		return
	case err == nil || !strings.Contains(err.Error(), want):
		t.Fatalf("run %d: got %v, want %s", p.runs, err, want)
	}
	_, parked := errors.AsType[*pipeline.ParkedError](err)
	if !parked && want != otherFile {
		t.Fatalf("run %d: nothing is parked: %v", p.runs, err)
	}
	if want == p.refusal.reason && !strings.Contains(err.Error(), p.origin()) {
		t.Fatalf("run %d: %v does not name %s", p.runs, err, p.origin())
	}
}

// expect compares output and letters after a run that was to write more.
func (p *positionCase) expect(t *testing.T, more []string, complete bool) {
	t.Helper()
	switch {
	case p.atOnce() && !complete:
		p.want = nil
	case p.atOnce() && more != nil:
		p.want = more
	case !p.remembers():
		p.want = append(p.want, more...)
	case more != nil: // all that there should be by now
		p.want = more
	}
	if p.atOnce() || p.checkpoint && isFile(p.to) {
		_, err := os.Stat(p.path("out." + p.to))
		if complete != (err == nil) && (p.runs == 1 || !p.atOnce()) {
			t.Fatalf("run %d: complete %v, and the output: %v", p.runs, complete, err)
		}
	}
	if p.atOnce() && !complete && p.runs > 1 {
		return // an earlier run may have been complete
	}
	got, want := p.readSink(t), p.want
	if p.from == "nats" {
		got, want = p.sortUnordered(t, got)
	}
	if !slices.Equal(got, want) {
		t.Fatalf("run %d: the output holds %q, want %q", p.runs, got, want)
	}
	p.expectLetters(t)
}

// sortUnordered returns output and wish of a durable consumer, whose server
// gives later messages before one that comes again: they may be there already.
func (p *positionCase) sortUnordered(t *testing.T, got []string) (sorted, want []string) {
	t.Helper()
	want = slices.Clone(p.want)
	for _, word := range wordsOf(badIndex+1, positionCount) {
		if slices.Contains(got, word) && !slices.Contains(want, word) {
			want = append(want, word)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	return got, want
}

func (p *positionCase) expectLetters(t *testing.T) {
	t.Helper()
	text, err := os.ReadFile(p.path("dead.ndjson"))
	if err != nil && (p.dead > 0 || !os.IsNotExist(err)) {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	if len(text) == 0 {
		lines = nil
	}
	if len(lines) != p.dead {
		t.Fatalf("run %d: %d letters, want %d: %.500s", p.runs, len(lines), p.dead, text)
	}
	for _, line := range lines {
		if !strings.Contains(line, p.origin()+`"`) || !strings.Contains(line, `"`+p.refusal.reason+`"`) {
			t.Fatalf("a letter does not name %s and %s: %.500s", p.origin(), p.refusal.reason, line)
		}
	}
}
