package pipeline

import "time"

// StepObserver is told of the steps of single batches, for traces. Several
// goroutines call it at once, and it must not block.
type StepObserver interface {
	// ObserveSteps is called when a worker is done with a batch, committed or
	// not. The Steps and everything in them are lent.
	ObserveSteps(*Steps)
}

// Steps says when a batch took its steps. The gaps between them are waits: for
// a worker and its memory before the transform, and for the batches in front
// before the write.
type Steps struct {
	// Messages are those of the batch, as they were read.
	Messages []Message
	// Read includes the wait for messages to come.
	Read Step
	// Transform includes the writes of all parts but the last one.
	Transform Step
	// Write is that of the last part, with the Gate and the dead letters.
	Write  Step
	Commit Step
	// Parts is in how many parts the batch was written.
	Parts int
	// Err is why the lane ended with this batch, or before it; nil if it goes
	// on.
	Err error
}

// Step is when a step began and ended. It is zero if the batch did not come to
// it.
type Step struct{ Began, Ended time.Time }

// readClock returns the time, if there is a StepObserver.
func (e *engine) readClock() (now time.Time) {
	if e.Steps == nil {
		return now
	}
	return time.Now()
}

// beginSteps begins to follow the batch in hand.
func (w *worker) beginSteps() {
	w.taken = Steps{Read: w.read}
	w.taken.Transform.Began = w.readClock()
}

// endSteps tells the StepObserver of the batch in hand, which the worker still
// holds.
func (w *worker) endSteps() {
	if w.Steps == nil {
		return
	}
	w.taken.Messages, w.taken.Err = w.batch.Messages, w.over
	w.Steps.ObserveSteps(&w.taken)
	w.taken = Steps{}
}
