package pipeline

import "time"

// workClock measures how long a batch takes. The zero workClock measures
// nothing.
type workClock struct{ began, transformed time.Time }

// beginWork is called when the worker begins with the batch in hand.
func (w *worker) beginWork() (c workClock) {
	w.flushing = 0
	if w.Work == nil {
		return c
	}
	w.Work.BeginWork()
	c.began = time.Now()
	return c
}

// endTransform notes that the whole batch has been transformed.
func (c *workClock) endTransform() {
	if !c.began.IsZero() {
		c.transformed = time.Now()
	}
}

// endWork tells how the batch in hand was carried. It is called before the
// memory of the batch is given back.
func (w *worker) endWork(c workClock) {
	if w.Work == nil {
		return
	}
	var bytes int64
	for i := range w.places.counts {
		bytes += w.places.counts[i].BytesIn
	}
	w.Work.EndWork(Work{
		Messages: len(w.batch.Messages), Bytes: bytes,
		Transform: c.transformed.Sub(c.began) - w.flushing,
		Settle:    time.Since(c.transformed) + w.flushing,
	})
}

// countFlush measures the writing of a part, which interrupts the transform,
// until end is called.
func (w *worker) countFlush() (end func()) {
	if w.Work == nil {
		return func() {}
	}
	began := time.Now()
	return func() { w.flushing += time.Since(began) }
}
