// Package pipeline carries batches of messages from a Source through a
// Transform to a Sink.
//
// Its one rule: a batch belongs to one worker from the moment it is taken until
// the moment it is written. Commits follow in the same order and hold a
// position, not memory. The number of workers therefore bounds memory,
// parallelism and messages in flight, and no queue stands between stages.
//
//	          ┌ worker ┐
//	lane ──► read ─► transform ─► gate ─► write ─► commit
//	          └ worker ┘
//
// From the gate on, the batches of a lane follow each other in read order.
//
// A message that cannot pass stops its place, not its lane: the place is parked
// at that message, and the other places of the lane go on. An Assignment
// remembers which places are parked; exit.go decides when a run ends for it.
//
// The package knows neither crypto nor brokers: the meaning of a message is the
// Transform's business, and the ends of the route are the connectors'. It
// imports the standard library only.
//
//	run.go, exit.go          one run, and when parked places end it
//	assignment.go, hold.go   the places that a source holds, parked or not
//	parking.go, trial.go     how they are parked, and tried again
//	serving.go, turn.go      one serving of a lane: reader, tickets, turns
//	worker.go                a batch: transform
//	part.go, refusal.go      its turn: gate, dead letters, write, refusals
//	prepare.go               what the sink does with a batch before its turn
//	brake.go, progress.go    its turn: rejects in a row, position, counts
//	breaking.go, work.go     gates that have had enough; how long batches take
//	steps.go                 when each batch took its steps, for traces
package pipeline

import (
	"context"
	"math"
	"time"
)

// Message is one record on its way through the pipeline. A nil Key or Value is
// null, which is not the same as an empty one. The slices are lent by the batch
// that the message came in, and are valid until that batch is released.
type Message struct {
	Key, Value []byte
	Headers    []Header
	Time       time.Time
	// Subject is the name under which the message was or will be published
	// inside its place, where the broker has such names (a NATS subject); nil
	// where it has none.
	Subject []byte
	Origin  Origin
	// Mark is for the Transform to tell the Gate the position inside the
	// envelope.
	Mark [32]byte
	// Fault is set by a Source for a message that it could not read. With a
	// *Reject it is rejected, and may stand for several, see Reject.Through;
	// with any other error its place is parked. No Transform, Gate or Sink sees
	// such a message, and it counts as one.
	Fault error
}

// Header is one name and value of a message. Names repeat and their order
// counts; a nil Value is null.
type Header struct {
	Name  string
	Value []byte
}

// Origin is where a message is stored, never who consumes it. It is the
// message's name for ever.
type Origin struct {
	Place  string // a partition ("orders/3"), a stream ("ORDERS"), a file
	Offset int64  // counted from 0 or 1 as the place counts
	// Previous is the offset of the message before this one in the same place,
	// in read order; -1 if it is not known. The pipeline fills it in.
	Previous int64
	// Term tells apart messages that were stored at one offset after another,
	// where a place can be cut and written again; 0 where it cannot. The Source
	// fills it in: a partition's leader epoch, the time at which a stream
	// stored the message. It is UnknownTerm if the source does not say.
	Term uint64
}

// UnknownTerm is the Term of a message whose place can be cut, and does not say
// when it stored the message. No position has room for it.
const UnknownTerm = math.MaxUint64

// Position is how far a place has been read. Next and Last count as
// Origin.Offset does: a message is read from a Next that is its offset.
type Position struct {
	Place string
	Next  int64  // where the next read begins
	Last  int64  // the offset of the message before Next; -1 if there was none
	State []byte // the Gate's, as AppendState wrote it; nil without a Gate
}

// Progress is the part of a lane that has become durable since the last one, in
// read order. Places and their State are lent until the call that they were
// passed to returns.
type Progress struct {
	// Messages counts the messages that were read, the skipped and the rejected
	// included. Messages of a parked place do not count: a lane with a Commit
	// that goes by this count can have one place only.
	Messages int
	// Places has no position of a place that stands still.
	Places []Position
	// SetAside are the messages of the batch that went to the dead letters, in
	// read order. It is lent as Places is.
	SetAside []SetAside
}

// SetAside is a message that went to the dead letters.
type SetAside struct {
	Index  int // in the batch
	Reason Reason
}

// Batch is the result of one read: as many messages as were there, in order for
// each place.
type Batch struct {
	Messages []Message
	// Starts are the places that begin, or begin again, with this batch: a
	// place that joins a lane which is being served, or a parked one that is
	// tried again. The batch has no message of such a place from before. In
	// ticket order the Gate is replaced by one with the State given here.
	Starts []Position
	// Ends says once per place of the batch where the next read begins. A batch
	// without messages may still move it. The Source fills in Place and Next,
	// the pipeline the rest.
	Ends []Position
	// Size is the memory that the batch pins, in bytes, structs included.
	Size int
	// Release gives the memory back. The pipeline calls it exactly once, from
	// any goroutine, and touches nothing of the batch afterwards. It may be
	// nil.
	Release func()
}

// Source serves lanes, as http.Server serves connections.
type Source interface {
	// Serve calls serve once per lane, each in a goroutine of its own, and
	// returns after all have returned. It cancels a lane's context when the
	// lane is taken away, and waits for serve before it lets the lane go.
	//
	// serve returns nil at the lane's end, ErrLost if the lane is to be served
	// again while its places are held, or another error, which has parked every
	// place of the lane. Assignment.Hold acts on all three. The context that
	// Serve was given has a *ParkedError for its cause when the run ends
	// because of parked places: a member of a group can then keep its
	// membership.
	Serve(ctx context.Context, serve func(context.Context, Lane) error) error
	// HoldsAll reports whether every place of the source is held by this run
	// now. A source that cannot know it says no.
	HoldsAll() bool
}

// Lane is read, written and committed in one order.
type Lane interface {
	// Assignment is the set of places that the Source holds as this lane. It is
	// the same for all servings of the lane while its places are held, and it
	// says which places are parked. The lane reads no message of a parked
	// place: see Assignment.Stop.
	Assignment() *Assignment
	// Start says where each place begins, as Commit stored it. It may be empty.
	Start() []Position
	// Read blocks for at least one message and returns all that are there, up
	// to about limit bytes; a single message may be larger. It returns io.EOF
	// when each place is at its end, or parked for good.
	Read(ctx context.Context, limit int) (*Batch, error)
	// Commit notes progress. It is durable within 100 ms, and before the lane
	// is let go. It is not called for a batch of which nothing counts.
	Commit(ctx context.Context, done *Progress) error
}

// Sink makes messages durable. Dead letters go to a Sink too: they are written
// with a nil done, before the good messages of the same step, and the position
// follows with an empty Write once those are written. A sink of dead letters
// therefore never moves the position of a transaction that it shares.
type Sink interface {
	Open(ctx context.Context, lane Lane) (Writer, error)
}

// Writer is a lane's way into a Sink. It is used by one goroutine at a time.
type Writer interface {
	// Write returns when the messages are durable, or in the lane's open
	// transaction. A nil done says that more of the same step follows; a
	// transaction never closes between a write and its position. Messages are
	// written in order and no slice of them is kept. msgs may be empty.
	//
	// An error that is a *Refused is about single messages. Then done has not
	// been noted, and every message has been written that the error neither
	// names as refused nor as left. The pipeline makes dead letters of the
	// refused messages or parks their places, and calls Write again: with those
	// that were left, and with a position that stops before the parked ones and
	// may be empty. Or it ends the lane.
	Write(ctx context.Context, msgs []Message, done *Progress) error
	// Close keeps the messages that came with their position and drops the
	// rest.
	Close(ctx context.Context) error
}

// Transform turns one message into one message. Each worker has its own, so it
// needs no lock.
type Transform interface {
	// Reset says that everything that was returned so far has been written:
	// memory may be reused.
	Reset()
	// Bound is the most bytes that Append adds to dst for m, or for a null
	// value keeps in memory of its own until Reset.
	Bound(m *Message) int
	// Append appends the new value to dst and changes the rest of m in place.
	// The pipeline makes the appended bytes m.Value; only if m.Value is nil
	// when Append returns, the message stays null. It may return Skip or a
	// *Reject, and stays within Bound.
	Append(ctx context.Context, dst []byte, m *Message) ([]byte, error)
}

// Gate decides about messages in their order. There is one per place, and it
// admits the messages of its place one after the other, in ticket order, just
// before they are written.
type Gate interface {
	// Admit returns nil, Skip or a *Reject. A message that it does not admit
	// changes no state.
	Admit(m *Message) error
	// AppendState appends the state that the next owner of the place needs.
	AppendState(dst []byte) []byte
}

// RejectGate is a Gate that counts refusals.
type RejectGate interface {
	Gate
	// NoteReject is told of each message of the place that the Transform has
	// rejected and that goes to the dead letters, in ticket order. After an
	// error the place is parked behind that message, and the state of the Gate
	// is kept there. A place that is parked for an error with a method
	// Resumable() bool that returns true goes on with Options.Resume.
	NoteReject(reason Reason) error
}
