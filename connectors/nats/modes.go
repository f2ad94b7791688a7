package nats

import (
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// PublishMode says how messages are published. In every mode a Write
// returns when the stream has stored all of its messages, in order.
type PublishMode int

const (
	// PublishAuto takes atomic batches where each message would be flushed to
	// disk by itself (SinkOptions.SyncAlways), and else single messages.
	PublishAuto PublishMode = iota
	// PublishAsync publishes message by message, and waits for many
	// acknowledgements at a time.
	PublishAsync
	// PublishBatch publishes atomic batches: one acknowledgement, and one flush
	// to disk, for up to 1,000 messages (NATS 2.12, AllowAtomicPublish).
	PublishBatch
	// PublishFast publishes batches that are not atomic (NATS 2.14,
	// AllowBatchPublish). The server drops duplicates from them and says
	// nothing, so only messages that nobody can have published before go in
	// them; all others are published as by PublishAsync.
	PublishFast
)

// maxBatch is how many messages an atomic batch may have, unless the server is
// set to less.
const maxBatch = 1000

// abilities are the ways in which the stream takes messages. They are taken
// from its configuration, and given up when the server refuses one.
type abilities struct{ atomic, fast bool }

// readAbilities returns the ways that the server and the stream allow.
func (s *Sink) readAbilities() abilities {
	cfg := &s.stream.Config
	return abilities{
		atomic: cfg.AllowAtomicPublish && cfg.PersistMode != jetstream.AsyncPersistMode && s.conn.isAtLeast(2, 12),
		fast:   cfg.AllowBatchPublish && s.conn.isAtLeast(2, 14),
	}
}

// canBatch tells whether the stream takes atomic batches.
func (s *Sink) canBatch() bool { return s.atomic.Load() }

// chooseMode settles the mode of the sink, and says so if it is not the one
// that was asked for.
func (s *Sink) chooseMode() {
	can := s.readAbilities()
	s.atomic.Store(can.atomic)
	s.fast.Store(can.fast && s.Publish == PublishFast)
	s.batches.Store(can.atomic && (s.Publish == PublishBatch || s.Publish == PublishAuto && s.SyncAlways))
	s.batchSize.Store(maxBatch)
	if s.Publish == PublishBatch && !can.atomic || s.Publish == PublishFast && !can.fast {
		s.Log.Warn("the stream takes no such batches (docs/nats.md), so messages are published one by one",
			"stream", s.Stream, "server", s.conn.nc.ConnectedServerVersion())
	}
}

// Codes of the server for batches.
const (
	errAtomicDisabled jetstream.ErrorCode = 10174
	errBatchCut       jetstream.ErrorCode = 10176 // a message is missing, or another one was refused
	errBatchTooLarge  jetstream.ErrorCode = 10199
	errBatchDuplicate jetstream.ErrorCode = 10201 // the stream has a message of the batch
	errFastDisabled   jetstream.ErrorCode = 10205
)

// noteBatchError learns from a batch that the server did not take. It tells
// whether another batch may do better; else its messages are to be published
// one by one, where the server says which one is wrong, and why.
func (s *Sink) noteBatchError(err error, size int) (again bool) {
	var api *jetstream.APIError
	if !errors.As(err, &api) {
		return isTransient(err)
	}
	switch code := api.ErrorCode; {
	case code == errAtomicDisabled:
		if s.atomic.Swap(false) {
			s.batches.Store(false)
			s.Log.Warn("the stream takes no atomic batches any more, so messages are published one by one",
				"stream", s.Stream, "error", err)
		}
	case code == errFastDisabled:
		if s.fast.Swap(false) {
			s.Log.Warn("the stream takes no fast batches any more, so messages are published one by one",
				"stream", s.Stream, "error", err)
		}
	case code == errBatchTooLarge && size > 1:
		s.batchSize.Store(int64(max(size/2, 1)))
		return true
	}
	return false
}

// checkMode refuses modes that are none.
func (o *SinkOptions) checkMode() error {
	if o.Publish < PublishAuto || o.Publish > PublishFast {
		return fmt.Errorf("nats stream %s: publish mode %d is none", o.Stream, o.Publish)
	}
	return nil
}
