package kafka

import (
	"context"
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Checkpoint keeps how far partitions were read, in another place than the
// group. A run without a group then goes on where the last one ended.
type Checkpoint interface {
	// LoadPosition returns the position of a partition, by place, if there is
	// one.
	LoadPosition(place string) (pipeline.Position, bool)
	// SavePositions returns when the positions are durable. Several lanes may
	// call it at the same time.
	SavePositions(positions []pipeline.Position) error
	// NotePositions returns at once. The positions are durable soon, and at the
	// latest when the next SavePositions returns. It returns an error if
	// positions that were noted before could not be saved.
	NotePositions(positions []pipeline.Position) error
}

// ErrLostTail is the error of a partition that ends before the position which a
// checkpoint has for it: its next records would pass for read.
var ErrLostTail = errors.New("the log was cut, or the topic made anew")

// loadCheckpoint replaces positions by those of the checkpoint that lie further
// on. The leader epochs of these are not known, so a log that was cut is seen
// by its end alone.
func (s *Source) loadCheckpoint(
	ctx context.Context, partitions []int32, out []pipeline.Position, known []int32,
) error {
	if s.Checkpoint == nil {
		return nil
	}
	var loaded []int // indexes
	var asked []int32
	for i := range out {
		if p, ok := s.Checkpoint.LoadPosition(out[i].Place); ok && p.Next > out[i].Next {
			out[i], known[i] = p, -1
			loaded, asked = append(loaded, i), append(asked, partitions[i])
		}
	}
	if len(loaded) == 0 {
		return nil
	}
	ends, err := s.topics.ListEnds(ctx, asked)
	if err != nil {
		return err
	}
	for n, i := range loaded {
		if out[i].Next > ends[n] {
			return fmt.Errorf("%s: the checkpoint has read up to offset %d, and the log ends before %d: %w",
				out[i].Place, out[i].Next-1, ends[n], ErrLostTail)
		}
	}
	return nil
}

// beginCheckpoint notes where partitions begin that have no position yet, so
// that a run which is killed before its first commit goes on there.
func (s *Source) beginCheckpoint(at []pipeline.Position) error {
	if s.Checkpoint == nil {
		return nil
	}
	var first []pipeline.Position
	for i := range at {
		if !s.isCheckpointed(at[i].Place) {
			first = append(first, at[i])
		}
	}
	if len(first) == 0 {
		return nil
	}
	return s.Checkpoint.SavePositions(first)
}

func (s *Source) isCheckpointed(place string) bool {
	if s.Checkpoint == nil {
		return false
	}
	_, ok := s.Checkpoint.LoadPosition(place)
	return ok
}

// saveCheckpoint notes positions in the checkpoint. They are durable before the
// group has them. Without a group nothing depends on them, and a sync for each
// batch would halve the rate: a run that is killed carries again the messages
// that it has carried since they were saved.
func (s *Source) saveCheckpoint(done *pipeline.Progress) error {
	switch {
	case s.Checkpoint == nil || len(done.Places) == 0:
		return nil
	case s.Group == "":
		return s.Checkpoint.NotePositions(done.Places)
	}
	return s.Checkpoint.SavePositions(done.Places)
}

// finishCheckpoint makes all noted positions durable: a run is complete only
// then.
func (s *Source) finishCheckpoint() error {
	if s.Checkpoint == nil {
		return nil
	}
	return s.Checkpoint.SavePositions(nil)
}
