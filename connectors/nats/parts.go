package nats

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// A sealed message that is larger than the stream takes is published in parts
// (docs/envelope.md, NATS): one atomic batch, so that no reader ever sees a
// part of it without the others. join.go puts the parts together.
const (
	minParts = 2
	maxParts = 1000
	// partHeaderBytes is more than the header of a part takes.
	partHeaderBytes = len(partHeader) + headerExtra + len("1000/1000/") + partIDSize
	partIDSize      = 22
	partIDBytes     = 16
)

// partNumber is the header of a part.
type partNumber struct {
	part, parts int // part counts from 1
	id          string
}

func (p partNumber) String() string {
	return strconv.Itoa(p.part) + "/" + strconv.Itoa(p.parts) + "/" + p.id
}

var errPartHeader = errors.New("not the header of a part")

// parsePart reads the header of a part.
func parsePart(text string) (partNumber, error) {
	part, rest, _ := strings.Cut(text, "/")
	parts, id, _ := strings.Cut(rest, "/")
	p := partNumber{id: id}
	p.part, _ = strconv.Atoi(part)
	p.parts, _ = strconv.Atoi(parts)
	raw, err := base64.RawURLEncoding.Strict().DecodeString(id)
	if err != nil || len(id) != partIDSize || len(raw) != partIDBytes || p.part < 1 || p.part > p.parts ||
		p.parts < minParts || p.parts > maxParts || p.String() != text {
		return partNumber{}, errPartHeader
	}
	return p, nil
}

// canPart tells whether large messages may be published in parts. A stream that
// keeps last values would keep the last part, and nobody would join messages
// that were decrypted.
func (s *Sink) canPart() bool {
	return !s.Plain && !s.IDs.DeadLetters && !s.KeepsLastValues() && s.canBatch()
}

// partRoom is how many bytes of its value one part of m takes.
func (s *Sink) partRoom(m *pipeline.Message) int {
	return s.Limit() - headerBytes(m) - partHeaderBytes - batchHeaderBytes
}

// needsParts tells whether m is published in parts.
func (s *Sink) needsParts(m *pipeline.Message) bool {
	return messageBytes(m) > s.Limit() && s.canPart()
}

// checkSize refuses a message that the stream does not take, even in parts.
func (s *Sink) checkSize(m *pipeline.Message, valueSize int) error {
	size, limit := headerBytes(m)+valueSize, s.Limit()
	if s.KeepsLastValues() && !s.IDs.DeadLetters {
		limit -= s.fenceBytes()
	}
	if size <= limit {
		return nil
	}
	if !s.canPart() {
		return rejectHeader(pipeline.ReasonTooLarge, "too-large: %d bytes with headers; stream %s takes %d",
			size, s.Stream, limit)
	}
	most := min(maxParts, int(s.batchSize.Load()))
	if room := s.partRoom(m); room <= 0 || valueSize > most*room {
		return rejectHeader(pipeline.ReasonTooLarge, "too-large: %d bytes with headers; stream %s takes %d in each "+
			"of %d parts", size, s.Stream, limit, most)
	}
	return nil
}

// publishParts publishes message index of a Write in parts, as publishNext
// does.
func (w *writer) publishParts(ctx context.Context, m *pipeline.Message, index int) (int, error) {
	room := w.sink.partRoom(m)
	count := (len(m.Value) + room - 1) / room
	var raw [partIDBytes]byte
	_, _ = rand.Read(raw[:]) // it never fails
	id := base64.RawURLEncoding.EncodeToString(raw[:])
	size := len(m.Value) + count*(headerBytes(m)+partHeaderBytes+batchHeaderBytes)
	whole := encodeHeaders(m)
	w.sink.applyEffects(whole, m)
	last, err := w.commitBatch(ctx, count, size, func(n int) *natsgo.Msg {
		headers := partHeaders(whole, n)
		headers[jetstream.MsgIDHeader] = []string{w.partID(m, index, n+1, count)}
		headers[partHeader] = []string{partNumber{n + 1, count, id}.String()}
		payload := m.Value[n*room : min((n+1)*room, len(m.Value))]
		return &natsgo.Msg{Subject: w.sink.subjectOf(m), Header: headers, Data: payload}
	})
	if err == nil {
		w.stored[index] = last
		return 1, nil
	}
	if ctx.Err() != nil {
		return 0, context.Cause(ctx)
	}
	return w.notePartsCause(ctx, m, index, count, err)
}

// partHeaders returns the headers of a part, numbered from 0, without its
// names; whole are those of the message. Headers that are no instructions to
// the server stand on the first part only. Those that are stand on all; but a
// rollup would purge the parts before it.
func partHeaders(whole natsgo.Header, n int) natsgo.Header {
	if n == 0 {
		return whole
	}
	headers := natsgo.Header{}
	if ttl, ok := whole[ttlHeader]; ok {
		headers[ttlHeader] = ttl
	}
	return headers
}

// partID returns the id of a part, numbered from 1. Parts have numbers of their
// own in each try.
func (w *writer) partID(m *pipeline.Message, index, part, count int) string {
	number := uint32(part) + w.tries[index]*uint32(count)
	if !w.ids.isPlaced(&m.Origin) {
		return w.ids.randomID(index, number)
	}
	return w.ids.makePartID(m.Origin, w.sink.subjectOf(m), number)
}

// notePartsCause decides about a message in parts that were not committed
// because of err.
func (w *writer) notePartsCause(
	ctx context.Context, m *pipeline.Message, index, count int, err error,
) (int, error) {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		if errors.Is(err, errBatchAnswer) {
			w.cause = err
			return 0, nil
		}
		return 0, w.noteCause(err)
	}
	again := w.sink.noteBatchError(err, count)
	reject := w.sink.rejectOf(err)
	switch {
	case api.ErrorCode == errBatchDuplicate:
		return w.findParts(ctx, m, index, count)
	case again, api.ErrorCode == errAtomicDisabled:
		// There is no other way for so large a message.
		reject = &pipeline.Reject{
			Reason: pipeline.ReasonTooLarge,
			Err:    fmt.Errorf("too-large: stream %s takes no batch of %d parts: %w", w.sink.Stream, count, err),
		}
	case reject == nil && (api.ErrorCode == errBatchCut || api.ErrorCode == errDuplicateUnderWay):
		w.cause = err
		return 0, nil
	case reject == nil:
		return 0, w.noteCause(err)
	}
	w.refusals.Refuse(index, m.Origin.Place, reject)
	return 1, nil
}

// errDuplicateUnderWay is the server's code for an id that is in a message
// which is not stored yet.
const errDuplicateUnderWay jetstream.ErrorCode = 10158

// findParts finds out whether the stream holds the parts of a message which it
// calls duplicates. If not, the message is left for a try with other ids.
func (w *writer) findParts(ctx context.Context, m *pipeline.Message, index, count int) (int, error) {
	id := w.partID(m, index, 1, count)
	begin, err := w.probeID(ctx, m, id)
	if err != nil || w.cause != nil {
		return 0, err
	}
	ours := begin > 0
	for n := 0; ours && n < count; n += count - 1 { // the first and the last one
		ours, err = w.sink.holdsID(ctx, begin+uint64(n), w.partID(m, index, n+1, count))
		if err != nil {
			return 0, w.noteCause(err)
		}
	}
	if !ours {
		w.countTry(index)
		w.sink.noteDuplicates(0, 1)
		return 0, nil
	}
	w.stored[index] = begin + uint64(count) - 1
	w.sink.noteDuplicates(1, 0)
	return 1, nil
}

// probeID asks the stream under which sequence it has stored an id; 0 if it
// knows of none. The question is a message that no stream stores: its rollup is
// none. A server looks for the id first.
func (w *writer) probeID(ctx context.Context, m *pipeline.Message, id string) (uint64, error) {
	q, err := w.sendQuestion(&natsgo.Msg{Subject: w.sink.subjectOf(m), Header: natsgo.Header{
		jetstream.MsgIDHeader: {id}, rollupHeader: {"no rollup"},
	}})
	if err != nil {
		return 0, w.noteCause(err)
	}
	is, err := w.answers.awaitAnswer(ctx, q)
	w.answers.forgetAll()
	var api *jetstream.APIError
	switch {
	case err != nil:
		return 0, err
	case errors.As(is.err, &api) && api.ErrorCode == errRollup:
		return 0, nil
	case is.err != nil:
		return 0, w.noteCause(is.err)
	case !is.ack.duplicate || is.ack.sequence == 0:
		return 0, w.noteCause(errBatchUnderWay)
	}
	return is.ack.sequence, nil
}

// errRollup is the server's code for a rollup that it does not take.
const errRollup jetstream.ErrorCode = 10111

// holdsID tells whether the message at a sequence has an id.
func (s *Sink) holdsID(ctx context.Context, sequence uint64, id string) (bool, error) {
	return s.checkStored(ctx, sequence, func(msg *natsgo.Msg) bool {
		return first(msg.Header, jetstream.MsgIDHeader) == id
	})
}
