package nats

import (
	"slices"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// findOvertaken leaves in w.todo the messages that the stream stored before one
// that comes before them, and tells whether there are any. Their
// acknowledgements were lost, or a writer that was killed had published them
// and not those before it. Where the stream keeps last values, an old value
// would now be the present one: they are published once more, under other ids.
func (w *writer) findOvertaken(msgs []pipeline.Message) bool {
	if !w.sink.KeepsLastValues() {
		return false
	}
	w.todo = w.todo[:0]
	highest := w.highest
	for i := range msgs {
		switch sequence := w.stored[i]; {
		case sequence == 0:
		case sequence < highest, len(w.todo) > 0: // all that comes behind it must be stored behind it
			w.todo = append(w.todo, i)
			w.countTry(i)
		default:
			highest = sequence
		}
	}
	if len(w.todo) > 0 {
		return true // and compared with the same message again
	}
	w.highest = highest
	return false
}

// findPurged leaves in w.todo the messages that a rollup before them has
// purged, and tells whether there are any: the rollup was published again, and
// the stream stored it behind them.
func (w *writer) findPurged(msgs []pipeline.Message) bool {
	hasRollup := func(m pipeline.Message) bool { return rollupOf(&m) != "" }
	if !w.sink.stream.Config.AllowRollup || w.sink.IDs.DeadLetters || !slices.ContainsFunc(msgs, hasRollup) {
		return false
	}
	w.todo = w.todo[:0]
	var all uint64                  // the sequence of the last rollup of the stream
	subjects := map[string]uint64{} // of a subject
	for i := range msgs {
		sequence := w.stored[i]
		if sequence == 0 {
			continue
		}
		subject := w.sink.subjectOf(&msgs[i])
		if sequence < max(all, subjects[subject]) {
			w.todo = append(w.todo, i)
			w.countTry(i)
		}
		switch rollupOf(&msgs[i]) {
		case rollupSubject:
			subjects[subject] = max(subjects[subject], sequence)
		case rollupAll:
			all = max(all, sequence)
		}
	}
	return len(w.todo) > 0
}

// countTry gives message i of a Write another id.
func (w *writer) countTry(i int) {
	if w.tries == nil {
		w.tries = map[int]uint32{}
	}
	w.tries[i]++
}
