package pipeline

import (
	"errors"
	"fmt"
	"strconv"
)

var (
	// Skip is returned by a Transform or a Gate for a message that is dropped
	// on purpose.
	Skip = errors.New("skip")
	// ErrLost says that a lane does not count any more: it has another owner,
	// or its work was taken back. The lane ends and the run goes on. If its
	// places are still ours, the Source serves them again from the last commit.
	ErrLost = errors.New("lane lost")
)

// Reject is the error of a message that can never pass.
type Reject struct {
	Reason Reason
	// Err is the cause. It carries no payload, key material or header value,
	// and it may be nil.
	Err error
	// Through is the offset of the last message that the Reject is about, where
	// a Source cannot tell messages apart: they begin at the offset of the
	// message that carries the Reject. A Through at or below that offset means
	// one message.
	Through int64
}

func (r *Reject) Error() string {
	if r.Err == nil {
		return string(r.Reason)
	}
	return r.Err.Error()
}

func (r *Reject) Unwrap() error { return r.Err }

// MessageError says which message an error is about.
type MessageError struct {
	Origin Origin
	Err    error
}

// Error names the message first: "orders/3@8812: tampered: chunk 4", or with a
// Reject about several messages "orders/3@8812-8840: malformed".
func (e *MessageError) Error() string {
	through := int64(0)
	if reject, ok := errors.AsType[*Reject](e.Err); ok {
		through = reject.Through
	}
	return string(appendOrigin(nil, e.Origin, through)) + ": " + e.Err.Error()
}

func (e *MessageError) Unwrap() error { return e.Err }

// appendOrigin appends "orders/3@8812", or "orders/3@8812-8840" if through lies
// behind the origin.
func appendOrigin(dst []byte, o Origin, through int64) []byte {
	dst = append(append(dst, o.Place...), '@')
	dst = strconv.AppendInt(dst, o.Offset, 10)
	if through > o.Offset {
		dst = strconv.AppendInt(append(dst, '-'), through, 10)
	}
	return dst
}

// Refused is the error of a Write of which a part was refused for the messages
// themselves. See Writer.
type Refused struct {
	// Messages are the refused messages, at least one, in ascending order.
	Messages []RefusedMessage
	// Left are the indexes of other messages that were not written, in
	// ascending order. Each of them stands behind a refused message of its own
	// place.
	Left []int
	// Undoable says that messages behind a refused one of their place may have
	// been written, and that they are taken back if the lane ends now.
	Undoable bool
}

// RefusedMessage is one message that a destination does not take.
type RefusedMessage struct {
	Index int // in the messages of Write
	// Err is a *Reject if the message is at fault, and it goes to the dead
	// letters. With any other error its place is parked.
	Err error
}

func (r *Refused) Error() string {
	if len(r.Messages) == 0 {
		return "no message was refused"
	}
	return fmt.Sprintf("%d messages were refused, the first because: %v", len(r.Messages), r.Messages[0].Err)
}

// of returns the error for which message i was refused, nil if it was not.
func (r *Refused) of(i int) error {
	if r == nil {
		return nil
	}
	for _, m := range r.Messages {
		if m.Index == i {
			return m.Err
		}
	}
	return nil
}

// Unwrap returns the cause of the first refusal.
func (r *Refused) Unwrap() error {
	if len(r.Messages) == 0 {
		return nil
	}
	return r.Messages[0].Err
}

// Passing marks an error with a cause that lies around the run and may pass:
// missing rights, a missing or short destination, a denied key. A place that is
// parked for it is tried again. The text of the error stays as it is.
func Passing(err error) error {
	if err == nil {
		return nil
	}
	return &passingError{err}
}

// MayPass tells whether the cause of err may pass: whether err was marked by
// Passing, or has an error in its chain with a method Passing() bool that
// returns true. The cause of a Reject never passes, since the message stays as
// it is.
func MayPass(err error) bool {
	if _, ok := errors.AsType[*Reject](err); ok {
		return false
	}
	var marked interface{ Passing() bool }
	return errors.As(err, &marked) && marked.Passing()
}

type passingError struct{ err error }

func (e *passingError) Error() string { return e.err.Error() }
func (e *passingError) Unwrap() error { return e.err }
func (e *passingError) Passing() bool { return true }

// BrakedError says that a place was parked because one of its messages after
// the other was refused. A single message is poison; a row of them means a
// wrong key or a wrong destination.
type BrakedError struct {
	Count int   // messages in a row
	Err   error // the last refusal
}

func (e *BrakedError) Error() string {
	return fmt.Sprintf("%d messages in a row were refused, this one because: %v", e.Count, e.Err)
}

func (e *BrakedError) Unwrap() error { return e.Err }
