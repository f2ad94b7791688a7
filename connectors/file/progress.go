package file

import (
	"context"
	"fmt"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// addMark remembers the point behind the batch that was just read. There are as
// many marks as batches in flight.
func (l *lane) addMark() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.read = l.index
	if l.in.isLive() || l.within {
		return // the decoder is further: advanceTo reads on from the last mark
	}
	if l.fixed = !l.dec.CanResume(); !l.fixed {
		l.marks = append(l.marks, newMark(l.index, l.win.Offset, l.dec, l.known))
	} else if l.source.opts.Checkpoint != nil {
		l.seen = append(l.seen, seenMark{l.index, l.win.Offset, l.known.digest()})
	}
}

func (l *lane) noteEnd() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended, l.total = true, l.index
}

// Commit notes the position in the checkpoint, if there is one.
func (l *lane) Commit(ctx context.Context, done *pipeline.Progress) error {
	from, err := l.advanceTo(ctx, done)
	if err != nil {
		return err
	}
	ck := l.source.opts.Checkpoint
	if ck == nil {
		return nil
	}
	return ck.noteChange(func(r *content) {
		r.setPlaces(done.Places)
		r.editMarks(l.source.opts.Place).moveInput(&from)
	})
}

// advanceTo takes over progress and returns the point to resume at after it:
// the one right before the next message.
func (l *lane) advanceTo(ctx context.Context, done *pipeline.Progress) (inputMark, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, p := range done.Places {
		if p.Place == l.place {
			l.done = p
		}
	}
	for len(l.marks) > 1 && l.marks[1].Record <= l.done.Next {
		l.marks[1].Seen, l.marks[1].SeenDigest = l.marks[0].Seen, l.marks[0].SeenDigest
		l.marks = append(l.marks[:0], l.marks[1:]...)
	}
	if len(l.marks) == 0 {
		return inputMark{}, nil
	}
	if l.marks[0].Record < l.done.Next && !l.fixed {
		mark, err := l.findMark(ctx, l.marks[0], l.done.Next)
		if err != nil {
			return mark, fmt.Errorf("source %s: %w", l.place, err)
		}
		l.marks[0] = mark
	}
	l.seen = l.marks[0].noteSeen(l.seen, l.done.Next)
	return l.marks[0], nil
}

// committedStart returns the point where the lane begins if it is served again.
func (l *lane) committedStart() startPoint {
	l.mu.Lock()
	defer l.mu.Unlock()
	return startPoint{at: l.done, from: l.marks[0]}
}

// forgetCommits undoes all commits, since the output that they belong to is
// gone.
func (l *lane) forgetCommits() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done, l.marks = l.first.at, []inputMark{l.first.from}
}

// isComplete tells whether the file has been read to its end, or the one that
// was asked for, and all of that was committed.
func (l *lane) isComplete() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.ended && l.done.Next == l.read
}
