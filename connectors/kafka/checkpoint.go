package kafka

import (
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
}

// loadCheckpoint replaces positions by those of the checkpoint that lie further
// on. The leader epochs of these are not known.
func (s *Source) loadCheckpoint(out []pipeline.Position, known []int32) {
	if s.Checkpoint == nil {
		return
	}
	for i := range out {
		if p, ok := s.Checkpoint.LoadPosition(out[i].Place); ok && p.Next > out[i].Next {
			out[i], known[i] = p, -1
		}
	}
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

// saveCheckpoint makes positions durable.
func (s *Source) saveCheckpoint(done *pipeline.Progress) error {
	if s.Checkpoint == nil || len(done.Places) == 0 {
		return nil
	}
	return s.Checkpoint.SavePositions(done.Places)
}
