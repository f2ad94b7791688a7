package nats

import (
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Checkpoint keeps how far streams were read, in another place than the server
// or the lease. A message is acknowledged when its position is durable there,
// which comes after the message is durable in the sink. So a run that is killed
// anywhere goes on behind its last position: messages that the server delivers
// once more are known and left out.
//
// With a Checkpoint a stream that keeps its messages needs no durable consumer:
// each run makes one for itself that begins at the position.
type Checkpoint interface {
	// LoadPosition returns the position of a stream, if there is one.
	LoadPosition(stream string) (pipeline.Position, bool)
	// SavePositions returns when the positions are durable. Lanes of several
	// streams may call it at the same time. An error that may pass is marked
	// with pipeline.Passing.
	SavePositions(positions []pipeline.Position) error
}

// clockSkew is more than the clocks of two machines differ by.
const clockSkew = 24 * time.Hour

// loadCheckpoint opens the checkpoint, if one is configured, and reads where
// the run begins. last is the stream's last sequence.
func (s *Source) loadCheckpoint(last uint64) (err error) {
	if s.OpenCheckpoint == nil {
		return nil
	}
	if s.checkpoint, err = s.OpenCheckpoint(s); err != nil {
		return err
	}
	p, known := s.checkpoint.LoadPosition(s.Stream)
	if !known {
		return nil
	}
	next := nextAfter(p)
	if next > last+1 {
		return fmt.Errorf("nats stream %s: the checkpoint has read it up to sequence %d, and it ends at %d: "+
			"it has lost its tail since", s.Stream, next-1, last)
	}
	s.resume = startPosition{
		known: true, next: next, last: p.Last, state: p.State,
		stored: time.Now().Add(clockSkew), // all messages before next were read, whenever they were stored
	}
	return nil
}

// nextAfter returns the sequence behind the last message of a position, which
// may lie among the parts of the message that comes next.
func nextAfter(p pipeline.Position) uint64 {
	if p.Last >= 0 {
		return uint64(p.Last) + 1
	}
	return uint64(p.Next)
}

// useCheckpoint has the next lane begin where the checkpoint says, unless a
// later position is known.
func (s *Source) useCheckpoint() {
	if s.resume.known && (!s.start.known || s.start.next < s.resume.next) {
		s.resume.consumer, s.resume.note = s.start.consumer, s.start.note
		s.start = s.resume
	}
}

// saveCheckpoint makes a position durable before its messages are
// acknowledged.
func (s *Source) saveCheckpoint(done *pipeline.Progress) error {
	if s.checkpoint == nil || len(done.Places) == 0 {
		return nil
	}
	return s.checkpoint.SavePositions(done.Places)
}
