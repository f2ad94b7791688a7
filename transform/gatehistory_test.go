package transform_test

import (
	"math/rand/v2"
	"slices"
)

// original is one message of a source. It never changes.
type original struct {
	offset, term uint64
	number       int // in the history
	reader       int // the sealed partition of its key
	subject      int // which of two filters takes it
	isRejected   bool
}

// sourceLog is a partition of a topic, or a stream.
type sourceLog struct {
	source    byte
	partition uint16
	next      uint64 // offset
	term      uint64
	entries   []original
}

// sealed is a copy of an original in a sealed partition.
type sealed struct {
	at
	original int
}

// sealer reads one log, or what its filter takes of it.
type sealer struct {
	log      *sourceLog
	filter   int  // -1: takes all
	unnamed  bool // the source has no id
	index    int  // of the next entry
	previous int64
	saved    struct { // with the position that was committed
		index    int
		previous int64
	}
	redeliver []original // shared: were taken by one that died
}

// world is the logs with their sealers, and what lies in the sealed partitions.
type world struct {
	traits
	rnd       *rand.Rand
	logs      []*sourceLog
	sealers   []*sealer
	sealed    [][]sealed
	held      [][]sealed // by dead sealers, which write late
	originals int
	sources   byte
}

func newWorld(rnd *rand.Rand) *world {
	w := &world{traits: chooseTraits(rnd), rnd: rnd}
	w.sealed, w.held = make([][]sealed, w.readers), make([][]sealed, w.readers)
	for range 1 + rnd.IntN(2) { // two topics into one, or two streams
		unnamed := rnd.IntN(10) == 0 // no topic id
		partitions := 1
		if !w.rising {
			partitions = 1 + rnd.IntN(2)
		}
		if !w.byKey {
			partitions = w.readers
		}
		w.sources += 2
		for p := range partitions {
			log := &sourceLog{source: w.sources, partition: uint16(p)}
			w.logs = append(w.logs, log)
			if w.rising && rnd.IntN(3) == 0 { // two instances, each with its filter
				w.sealers = append(w.sealers, newSealer(log, 0, unnamed), newSealer(log, 1, unnamed))
			} else {
				w.sealers = append(w.sealers, newSealer(log, -1, unnamed))
			}
		}
	}
	return w
}

func newSealer(log *sourceLog, filter int, unnamed bool) *sealer {
	s := &sealer{log: log, filter: filter, unnamed: unnamed}
	s.reset(0)
	return s
}

// reset has the sealer go on at an entry.
func (s *sealer) reset(index int) {
	s.index, s.previous = index, -1
	for _, m := range s.log.entries[:index] {
		if s.takes(&m) {
			s.previous = int64(m.offset)
		}
	}
	s.save()
}

func (s *sealer) save() { s.saved.index, s.saved.previous = s.index, s.previous }

func (s *sealer) takes(m *original) bool { return s.filter < 0 || s.filter == m.subject }

// step lets one thing happen.
func (w *world) step() {
	log := w.logs[w.rnd.IntN(len(w.logs))]
	s := w.sealers[w.rnd.IntN(len(w.sealers))]
	switch p := w.rnd.IntN(100); {
	case p < 55:
		w.produce(log)
	case p < 78:
		w.seal(s)
	case p < 86:
		w.replay()
	case p < 93:
		w.crash(s)
	case p < 96:
		log.term++ // an election
	case p < 99:
		if w.rewrite {
			w.cutLog(log, w.rnd.IntN(12))
		}
	default: // the topic is deleted, and made anew
		w.sources += 2
		log.source, log.next, log.entries = w.sources, 0, nil
		if !w.rising {
			log.term = 0
		}
		w.resetSealers(log)
	}
	for p, held := range w.held {
		if len(held) > 0 && w.rnd.IntN(12) == 0 {
			w.sealed[p], w.held[p] = append(w.sealed[p], held[0]), held[1:]
		}
	}
}

// finish has everything sealed that was produced, and all zombies write.
func (w *world) finish() {
	for _, s := range w.sealers {
		for s.index < len(s.log.entries) || len(s.redeliver) > 0 {
			w.seal(s)
		}
	}
	for p, held := range w.held {
		w.sealed[p] = append(w.sealed[p], held...)
	}
}

func (w *world) produce(log *sourceLog) {
	for range 1 + w.rnd.IntN(3) {
		log.next += uint64([]int{0, 0, 0, 1, 3}[w.rnd.IntN(5)]) // a hole
		if w.rising {
			log.term += uint64(1 + w.rnd.IntN(3))
		}
		log.entries = append(log.entries, original{
			offset: log.next, term: log.term, number: w.originals,
			reader: w.rnd.IntN(w.readers), subject: w.rnd.IntN(2), isRejected: w.rnd.IntN(25) == 0,
		})
		w.originals++
		log.next++
	}
}

// cutLog loses the last entries of a log. Copies of them stay sealed. The
// entries that are written over them have a higher term.
func (w *world) cutLog(log *sourceLog, n int) {
	log.term++
	n = min(n, len(log.entries))
	if n == 0 {
		return
	}
	log.entries = slices.Clip(log.entries[:len(log.entries)-n])
	log.next = 0
	if last := len(log.entries) - 1; last >= 0 {
		log.next = log.entries[last].offset + 1
	}
	w.resetSealers(log)
}

// resetSealers has the sealers of a log go on at its end if they were behind
// it, as one does that compares its position with the log.
func (w *world) resetSealers(log *sourceLog) {
	for _, s := range w.sealers {
		if s.log == log {
			s.redeliver = nil
			s.reset(min(s.saved.index, len(log.entries)))
		}
	}
}

// seal seals some of the entries that come next.
func (w *world) seal(s *sealer) {
	for range 1 + w.rnd.IntN(6) {
		if n := len(s.redeliver); n > 0 && w.rnd.IntN(2) == 0 { // in any order
			i := w.rnd.IntN(n)
			w.write(s, &s.redeliver[i])
			s.redeliver = slices.Delete(s.redeliver, i, i+1)
			continue
		}
		if s.index == len(s.log.entries) {
			break
		}
		m := &s.log.entries[s.index]
		s.index++
		if !s.takes(m) {
			continue
		}
		w.write(s, m)
		s.previous = int64(m.offset) // also of one that was rejected
	}
	if w.rnd.IntN(2) == 0 {
		s.save()
	}
}

// write puts a sealed copy of a message where it belongs, or has a zombie hold
// it.
func (w *world) write(s *sealer, m *original) {
	if m.isRejected {
		return
	}
	a := at{partition: s.log.partition, term: m.term, offset: m.offset, distance: unknown, rising: w.rising, stranger: w.public}
	if !s.unnamed {
		a.source = s.log.source
		if s.filter == 1 { // the filter is part of the id
			a.source++
		}
	} else {
		a = at{stranger: w.public}
	}
	if d := int64(m.offset) - s.previous; s.previous >= 0 && d > 0 {
		a.distance = uint32(d)
	}
	if w.shared || s.unnamed {
		a.distance = 0
	}
	to := int(s.log.partition)
	if a.moved = w.rising || w.byKey || s.unnamed; w.byKey {
		to = m.reader
	}
	c := sealed{a, m.number}
	if w.zombies && w.rnd.IntN(20) == 0 {
		w.held[to] = append(w.held[to], c)
		return
	}
	w.sealed[to] = append(w.sealed[to], c)
}

// crash has a sealer go on from its committed position, or from before it. It
// may have forgotten the offset before. Messages of a shared consumer come
// again behind new ones.
func (w *world) crash(s *sealer) {
	if w.shared {
		from := max(0, s.index-1-w.rnd.IntN(5))
		for _, m := range s.log.entries[from:s.index] {
			if s.takes(&m) {
				s.redeliver = append(s.redeliver, m)
			}
		}
		return
	}
	s.index, s.previous = min(s.index, s.saved.index), s.saved.previous
	switch w.rnd.IntN(3) {
	case 0:
		s.previous = -1
	case 1:
		s.reset(max(0, s.index-w.rnd.IntN(6)))
	}
}

// replay has somebody who may write there put copies again: into their own
// partition, or into another one if that can be seen.
func (w *world) replay() {
	from := w.rnd.IntN(w.readers)
	n := len(w.sealed[from])
	if n == 0 {
		return
	}
	first := w.rnd.IntN(n)
	again := slices.Clone(w.sealed[from][first:min(n, first+1+w.rnd.IntN(7))])
	to := from
	if !w.byKey {
		to = w.rnd.IntN(w.readers)
	}
	w.sealed[to] = append(w.sealed[to], again...)
}
