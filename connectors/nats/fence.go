package nats

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// A fence keeps a process that is not the owner of its lane any more from
// putting an old value over a newer one, in a stream that keeps last values.
// The lease alone does not: the clock of a paused virtual machine may stand
// still, so its process goes on publishing until its next renewal is refused.
//
// The stream itself compares. A writer knows the sequence of the last message
// under the subjects of its lane, and the server takes the next one only if
// that is still so (Nats-Expected-Last-Subject-Sequence). A message of another
// owner in between makes it refuse. Then the writer reads the sequence again,
// and has its lease renewed before it uses it: a process that has lost the
// lease ends its lane there.
//
// Messages that are compared cannot be published one behind the other without
// waiting. So a fenced writer publishes in atomic batches, of which the first
// message is compared, and single messages one at a time where there are none.
type fence struct {
	owner  confirmer
	filter string // covers all subjects that this lane writes
	last   uint64 // the sequence of the last message under them; 0 for none
	known  bool   // last is known
	misses int    // how often in a row the stream refused
	down   bool   // others write under these subjects, so it is not used
}

// confirmer is a lane that knows its owner for sure.
type confirmer interface {
	// ConfirmOwner returns nil if this process was the owner at a time after
	// the call began. Its error matches pipeline.ErrLost if it is not, or is
	// that of ctx.
	ConfirmOwner(ctx context.Context) error
	// SubjectFilters are the subjects that the lane reads; none for all.
	SubjectFilters() []string
}

// maxFenceMisses is how often in a row a stream may refuse an owner with a
// good lease. After that, others write under the same subjects.
const maxFenceMisses = 5

// errFence is the cause of another try: the stream has another last message
// than the writer knew.
var errFence = errors.New("somebody else has written under the same subjects")

// Codes of the server for a message that was expected to follow another one.
const (
	errLastSequence      jetstream.ErrorCode = 10071
	errLastSequenceOther jetstream.ErrorCode = 10164 // another such message is under way
)

// newFence returns the fence for a lane, or nil if it needs none.
func (s *Sink) newFence(lane pipeline.Lane) *fence {
	owner, ok := lane.(confirmer)
	if !ok || !s.KeepsLastValues() || s.IDs.DeadLetters {
		return nil
	}
	filter := s.Subjects.Pattern()
	filters := owner.SubjectFilters()
	switch {
	case s.Subjects.fixed != "":
	case len(filters) == 1:
		// Instances that have a part of the subjects each do not meet.
		mapped, ok := s.Subjects.mapPattern(filters[0])
		if !ok {
			return nil // no message can be published
		}
		filter = mapped
	case len(filters) > 1:
		s.Log.Warn("a consumer with several filters writes to a stream that keeps last values: "+
			"nothing fences a process whose clock stood still (one filter for each consumer would)", "stream", s.Stream)
		return nil
	}
	if len(filter) > maxFilterBytes {
		s.Log.Warn("the subjects are too long to fence a process whose clock stood still", "stream", s.Stream)
		return nil
	}
	return &fence{owner: owner, filter: filter}
}

// fenceBytes is more than the headers of a comparison take.
func (s *Sink) fenceBytes() int {
	const digits = 20
	return len(jetstream.ExpectedLastSubjSeqHeader) + len(jetstream.ExpectedLastSubjSeqSubjHeader) +
		2*headerExtra + digits + maxFilterBytes
}

// maxFilterBytes is the length of the longest filter that is compared.
const maxFilterBytes = 256

// isFenced tells whether messages must be compared.
func (w *writer) isFenced() bool { return w.fence != nil && !w.fence.down }

// raiseFence finds out the last message unless it is known. Its error is final;
// a cause that may pass is in w.cause.
func (w *writer) raiseFence(ctx context.Context) error {
	f := w.fence
	if !w.isFenced() || f.known {
		return nil
	}
	if f.misses > maxFenceMisses {
		f.down = true
		w.sink.Log.Warn("others write under the subjects of this route, so nothing fences a process whose clock "+
			"stood still",
			"stream", w.sink.Stream, "subjects", f.filter)
		return nil
	}
	asking, cancel := context.WithTimeout(ctx, endTimeout)
	defer cancel()
	_, last, err := w.sink.conn.requestMessage(asking, w.sink.Stream, map[string]any{"last_by_subj": f.filter})
	switch {
	case err == nil, errors.Is(err, jetstream.ErrMsgNotFound):
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case w.sink.conn.isGetDenied(w.sink.Stream, err):
		f.down = true
		w.sink.Log.Warn("no right to look at stored messages, so nothing fences a process whose clock stood still",
			"stream", w.sink.Stream, "permission", w.sink.conn.apiSubject("STREAM.MSG.GET."+w.sink.Stream))
		return nil
	case errors.Is(err, context.DeadlineExceeded):
		return w.noteCause(natsgo.ErrTimeout)
	default:
		return w.noteCause(err)
	}
	// In this order: if the lease is good now, the message that was read came
	// before anything that another owner writes.
	if err := f.owner.ConfirmOwner(ctx); err != nil {
		return err
	}
	f.last, f.known = last, true
	return nil
}

// addTo adds the comparison to a message. A nil fence adds none.
func (f *fence) addTo(headers natsgo.Header) {
	if f == nil || f.down || !f.known {
		return
	}
	headers[jetstream.ExpectedLastSubjSeqHeader] = []string{strconv.FormatUint(f.last, 10)}
	headers[jetstream.ExpectedLastSubjSeqSubjHeader] = []string{f.filter}
}

// pass notes the sequence of a message that was stored.
func (f *fence) pass(sequence uint64) {
	if f != nil {
		f.last, f.misses = sequence, 0
	}
}

// explain returns err, or errFence if a comparison has failed.
func (f *fence) explain(err error) error {
	var api *jetstream.APIError
	if f == nil || !errors.As(err, &api) ||
		api.ErrorCode != errLastSequence && api.ErrorCode != errLastSequenceOther {
		return err
	}
	f.known = false
	f.misses++
	return fmt.Errorf("%w: %w", errFence, err)
}
