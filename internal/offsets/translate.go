// Package offsets translates the positions of readers: from a log of plaintext
// to the log that holds its envelopes, and on to a decrypted copy.
//
//	translate.go  the logs, the rows of the answer, and the order of the work
//	search.go     the first envelope at or behind a position, by bisection
//	scan.go       the same without an index, also for logs that mix partitions
//	reached.go    whether the envelopes reach as far as the readers
//	count.go      the same message in a decrypted copy, by counting
//
// Envelopes claim the position of their message without a key. Nobody has
// verified these claims: they are as good as the rights to write the log.
//
// The package must not know where logs are stored, nor any name of readers.
package offsets

import (
	"context"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Log is one place: a partition or a stream, as of when it was opened.
type Log interface {
	Place() string
	// Bounds are the first offset, and the offset behind the last one.
	Bounds() (first, end int64)
	// Peek returns the first message at or behind an offset, or io.EOF.
	Peek(ctx context.Context, offset int64) (pipeline.Message, error)
}

// scanner is a Log that shows many messages with few requests.
type scanner interface {
	Scan(ctx context.Context, offset int64, see func(m *pipeline.Message) (bool, error)) error
}

// Plain is a log of plaintext.
type Plain struct {
	Log
	// Source and Number are how the envelopes of its messages name it.
	Source [5]byte
	Number uint16
	// Next is the offset that the readers read next, below zero if they have no
	// position.
	Next int64
	// SealedTo is the position of the encryptor: all before it is sealed or set
	// aside. Below zero: unknown.
	SealedTo  int64
	Compacted bool
}

// Sealed is a log of envelopes.
type Sealed struct {
	Log
	Number int32 // of its partition
	// Base is the offset of the first message that such a log ever has.
	Base int64
	// Copy is the decrypted copy of the log; nil for none.
	Copy Log
	// Compacted says that messages are deleted out of the middle of the log or
	// of its copy.
	Compacted bool
}

// Options say how to translate.
type Options struct {
	// Claim returns the position that the envelope of a message claims; false
	// for a message without an envelope.
	Claim func(m *pipeline.Message) (envelope.Position, bool)
	// Scan reads the envelopes one after the other from the first one on, and
	// does not rely on rising positions.
	Scan bool
	// SkipMissing accepts a position whose message is in the plaintext and not
	// among the envelopes.
	SkipMissing bool
}

// State is how the translation of one place went.
type State string

// The states.
const (
	// Found: the offset is that of an envelope, the first at or behind the
	// position.
	Found State = "found"
	// AtEnd: the envelopes end where the readers stand.
	AtEnd State = "at-end"
	// NoPosition: the readers have none, and begin as they are configured.
	NoPosition State = "no-position"
	// NotYet: the encryptor has not come as far as the readers.
	NotYet State = "not-yet"
	// Missing: messages that the readers have yet to read are in the plaintext,
	// and no envelope of theirs is in its place.
	Missing State = "missing"
	// BeyondEnd: the position, or a claim, lies behind the end of the
	// plaintext.
	BeyondEnd State = "beyond-end"
	// NoPlace: the envelopes of the place are nowhere.
	NoPlace State = "no-place"
	// NotCounted: the decrypted copy does not tell where the message is.
	NotCounted State = "not-counted"
)

// IsUsable tells whether readers can be set by a row with this state.
func (s State) IsUsable() bool { return s == Found || s == AtEnd }

// Row is the translation of one place of the envelopes.
type Row struct {
	// From is the place of the plaintext, "" if the envelopes of several are
	// mixed; Position is that of the readers, below zero if there is none.
	From     string `json:"from,omitempty"`
	Position int64  `json:"position"`
	First    int64  `json:"first"`
	End      int64  `json:"end"`
	// Via is the place of the envelopes, and Offset that of the first one to
	// read; below zero if it is not known.
	Via    string `json:"via,omitempty"`
	Offset int64  `json:"offset"`
	// To and ToOffset are the same in the decrypted copy.
	To       string `json:"to,omitempty"`
	ToOffset int64  `json:"to_offset"`
	// Claimed is the position that the envelope at Offset claims; below zero
	// without one. Time is that of its message.
	Claimed int64      `json:"claimed"`
	Time    *time.Time `json:"time,omitempty"`
	// Again is how many envelopes behind Offset the readers have read before,
	// as far as all were looked at.
	Again int64  `json:"again"`
	State State  `json:"state"`
	Note  string `json:"note,omitempty"`
	// Scanned says that all envelopes up to Offset were looked at.
	Scanned bool `json:"scanned"`
}

// IsReady tells whether readers may be set by these rows. Places without a
// position are left out.
func IsReady(rows []Row) bool {
	usable := false
	for i := range rows {
		switch {
		case rows[i].State.IsUsable():
			usable = true
		case rows[i].State != NoPosition:
			return false
		}
	}
	return usable
}

// Translate returns a row for each log of envelopes of one topic, and one for
// each log of plaintext that has no envelopes.
func Translate(ctx context.Context, plain []Plain, sealed []Sealed, o Options) ([]Row, error) {
	pairs, err := pairLogs(ctx, plain, sealed, o)
	if err != nil {
		return nil, err
	}
	var rows []Row
	if pairs == nil {
		rows, err = translateMixed(ctx, plain, sealed, o)
	} else {
		rows, err = translatePairs(ctx, plain, sealed, pairs, o)
	}
	if err != nil {
		return nil, err
	}
	return rows, countCopies(ctx, rows, sealed, o)
}

// pairLogs returns for each log of envelopes the index of the plaintext that
// it holds, -1 for none. It returns nil if a log holds envelopes of several.
func pairLogs(ctx context.Context, plain []Plain, sealed []Sealed, o Options) ([]int, error) {
	if len(plain) == 1 && len(sealed) == 1 {
		return []int{0}, nil
	}
	pairs := make([]int, len(sealed))
	for i := range sealed {
		pairs[i] = -1
		for n := range plain {
			if int32(plain[n].Number) == sealed[i].Number {
				pairs[i] = n
			}
		}
		same, err := keepsPartition(ctx, &sealed[i], o)
		if err != nil {
			return nil, err
		}
		if !same {
			return nil, nil
		}
	}
	return pairs, nil
}

// keepsPartition tells whether the first and the last envelopes of a log say
// that it keeps partitions. An empty log does.
func keepsPartition(ctx context.Context, q *Sealed, o Options) (bool, error) {
	first, end := q.Bounds()
	for _, at := range []int64{first, first + (end-first)/2} {
		for range mostForeign {
			m, ok, err := peekAt(ctx, q.Log, at)
			if err != nil {
				return false, err
			}
			if !ok {
				break
			}
			if claimed, ok := o.Claim(&m); ok {
				if !claimed.SamePartition {
					return false, nil
				}
				break
			}
			at = m.Origin.Offset + 1
		}
	}
	return true, nil
}

// mostForeign is how many messages in a row may be no envelopes before a look
// gives up.
const mostForeign = 100

// translatePairs translates logs that each hold one log of plaintext.
func translatePairs(ctx context.Context, plain []Plain, sealed []Sealed, pairs []int, o Options) ([]Row, error) {
	var rows []Row
	done := make([]bool, len(plain))
	for i := range sealed {
		if pairs[i] < 0 {
			continue // the readers of the plaintext have nothing there
		}
		done[pairs[i]] = true
		row, err := translatePair(ctx, &plain[pairs[i]], &sealed[i], o)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", sealed[i].Place(), err)
		}
		rows = append(rows, row)
	}
	for n := range plain {
		if done[n] {
			continue
		}
		row := newRow(&plain[n])
		if row.State = NoPlace; plain[n].Next < 0 {
			row.State = NoPosition
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// newRow returns a row that says nothing yet.
func newRow(p *Plain) Row {
	first, end := p.Bounds()
	return Row{
		From: p.Place(), Position: max(p.Next, -1), First: first, End: end, Offset: -1, ToOffset: -1, Claimed: -1,
	}
}

// translatePair translates the position in one log of plaintext.
func translatePair(ctx context.Context, p *Plain, q *Sealed, o Options) (Row, error) {
	row := newRow(p)
	row.Via = q.Place()
	switch {
	case p.Next < 0:
		row.State, row.Note = NoPosition, "the readers begin as they are configured"
		return row, nil
	case p.Next > row.End:
		row.State = BeyondEnd
		row.Note = "the position lies behind the end: a transaction is open there, or the log was cut or made anew"
		return row, nil
	}
	found, err := findEnvelope(ctx, p, q, o)
	if err != nil {
		return row, err
	}
	row.Scanned = found.scanned
	if found.offset < 0 {
		return judgeEnd(ctx, row, p, q, found.last)
	}
	row.Offset, row.Claimed, row.State = found.offset, found.claimed, Found
	if at := found.time; !at.IsZero() {
		row.Time = &at
	}
	return judgeFound(ctx, row, p, o)
}
