package pipeline

import "context"

// Preparer is a Writer that does a part of its work for messages before their
// turn, such as formatting and compressing them. The workers of a lane do that
// side by side, while others write.
type Preparer interface {
	Writer
	// Prepare does that part for the messages of one Write. Several goroutines
	// call it, also while the Writer is used. It returns nil if these messages
	// have to be written without it; it decides about no message. Some of them
	// may never be written. The slices of msgs are valid until Release.
	Prepare(msgs []Message) Prepared
}

// Prepared are messages that a Preparer has prepared.
type Prepared interface {
	// Write is Writer.Write of exactly these messages. It is called at most
	// once.
	Write(ctx context.Context, done *Progress) error
	// Release gives the memory back. The pipeline calls it exactly once, from
	// any goroutine, with or without a Write before it.
	Release()
}

// prepared is the part in hand, as the sink has prepared it.
type prepared struct {
	write Prepared // nil if it is not prepared
	count int      // of its messages
}

// preparePart has the sink prepare the part before its turn.
func (w *worker) preparePart() {
	p, ok := w.serving.sink.(Preparer)
	if !ok || w.mine || len(w.msgs) == 0 {
		return
	}
	if write := p.Prepare(w.msgs); write != nil {
		w.ready = prepared{write: write, count: len(w.msgs)}
	}
}

// writeMessages writes the messages that passed the gate. From a prepared part
// messages are only ever taken, so as many of them are the same ones.
func (w *worker) writeMessages(position *Progress) error {
	if w.ready.write != nil && w.ready.count == len(w.again.msgs) {
		return w.ready.write.Write(w.serving.grace, position)
	}
	return w.serving.sink.Write(w.serving.grace, w.again.msgs, position)
}

// releasePrepared frees the memory of a prepared part.
func (w *worker) releasePrepared() {
	if w.ready.write != nil {
		w.ready.write.Release()
	}
	w.ready = prepared{}
}
