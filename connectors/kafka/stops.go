package kafka

import (
	"math"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// noteChanges looks at the stops of the partitions if they may have changed.
func (in *fetcher) noteChanges() {
	select {
	case <-in.held.Changed():
		in.lookAtStops()
	default:
	}
}

// lookAtStops finds out which partitions are parked, and which of them is to be
// tried next.
func (in *fetcher) lookAtStops() {
	for _, p := range in.parts {
		p.stop = in.held.Stop(p.place)
		p.parked = p.stop < math.MaxInt64
		if !p.parked && p == in.trying {
			in.trying, p.trial = nil, false
		}
	}
	if in.trying != nil {
		return
	}
	for _, p := range in.parts {
		if !p.parked || p.next < p.stop {
			continue
		}
		if from, due := in.held.Due(p.place); due {
			in.dropQueued(p)
			p.trial, p.from, in.trying = true, from, p
			if from.Next >= 0 {
				p.next = from.Next
			}
			return
		}
	}
}

// dropQueued drops the part of the answer that p has not read.
func (in *fetcher) dropQueued(p *partition) {
	for i, queued := range in.queue {
		if queued == p {
			p.reader.Close()
			in.queue = append(in.queue[:i], in.queue[i+1:]...)
			break
		}
	}
	if in.current != nil && len(in.queue) == 0 {
		in.dropAnswer()
	}
}

// beginTrial says that the batch in the making has the message with which a
// partition is tried, and returns where that partition begins again.
func (in *fetcher) beginTrial() pipeline.Position {
	p := in.trying
	in.trying, p.trial = nil, false
	in.held.Try(p.place)
	return p.from
}

// noteEmpty says that the partition that is to be tried has no message to be
// tried with.
func (in *fetcher) noteEmpty() {
	in.held.NoteEmpty(in.trying.place)
	in.trying.trial, in.trying.parked = false, false
	in.trying = nil
}
