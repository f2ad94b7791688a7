package nats

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
)

// pullSession asks the consumer for messages until it is ended.
//
// It asks for no more than there is room for, and takes everything that comes
// at once. So no message waits in the client library, where nobody could tell
// the server that it is being worked on, and a session need not be ended under
// back-pressure. That matters for the order: a message that the server sends to
// a session which has just ended is lost, and comes again after AckWait, behind
// later ones.
type pullSession struct {
	lane   *lane
	sub    *natsgo.Subscription
	inbox  string // of the requests, with its final dot
	asked  int    // requests so far
	epoch  uint64 // of the connection that it began on
	bytes  int    // asked for and not delivered
	count  int    // messages, likewise
	heard  time.Time
	ending bool  // asks for nothing more
	over   error // why it must be started again; nil while it goes on
}

const (
	// silenceLimit is how many heartbeats in a row may be missing before we
	// look for ourselves.
	silenceLimit = 2
	sparePause   = time.Second
	lookAgain    = time.Second
	// smallMessage is the size that the number of messages in a request is made
	// for: the structs of smaller ones would take more memory than the
	// messages.
	smallMessage = 512
)

// beginSession starts a session. l.mu is held, which keeps the first message
// from overtaking it.
func (l *lane) beginSession() error {
	nc := l.source.conn.nc
	in := &pullSession{
		lane: l, inbox: nc.NewInbox() + ".", epoch: l.source.conn.connectionCount(), heard: time.Now(),
	}
	sub, err := nc.Subscribe(in.inbox+"*", in.receive)
	if err != nil {
		return err
	}
	// What arrives is bounded by what was asked for.
	if err := sub.SetPendingLimits(-1, -1); err != nil {
		_ = sub.Unsubscribe()
		return err
	}
	in.sub = sub
	l.session = in
	in.askForMore()
	return nil
}

// endSession ends the lane's session: what is on its way to it comes again, to
// this lane or another one. l.mu is held.
func (l *lane) endSession() {
	if l.session == nil || l.session.ending {
		return
	}
	l.session.ending = true
	_ = l.session.sub.Drain() // without a connection there is nothing to end
}

// awaitEnd waits until nothing more arrives.
func (in *pullSession) awaitEnd(ctx context.Context) {
	for in.sub.IsValid() && ctx.Err() == nil {
		select {
		case <-time.After(time.Millisecond):
		case <-ctx.Done():
		}
	}
}

// askForMore asks for a window of messages if there is room for it and less
// than half a window is on its way. l.mu is held.
func (in *pullSession) askForMore() {
	l := in.lane
	window := l.source.window
	if in.ending || in.over != nil || l.err != nil || l.closed || l.halted || l.unreadBytes() >= l.source.ReadAhead {
		return
	}
	count := max(window/smallMessage, 1)
	if in.bytes > window/2 && in.count > count/2 {
		return
	}
	in.asked++
	request, err := json.Marshal(map[string]any{
		"batch": count, "max_bytes": window,
		"expires": pullExpiry.Nanoseconds(), "idle_heartbeat": heartbeat.Nanoseconds(),
	})
	if err == nil {
		subject := l.source.conn.apiSubject("CONSUMER.MSG.NEXT." + l.source.Stream + "." + l.source.config.Name)
		err = l.source.conn.nc.PublishRequest(subject, in.inbox+strconv.Itoa(in.asked), request)
	}
	if err != nil {
		in.end(err)
		return
	}
	in.bytes += window
	in.count += count
}

// end says that the session must be started again. l.mu is held.
func (in *pullSession) end(err error) {
	in.over = err
	signalOnce(in.lane.attend)
}

// receive is called by the client library for every message, one after the
// other.
func (in *pullSession) receive(msg *natsgo.Msg) {
	l := in.lane
	l.mu.Lock()
	defer l.mu.Unlock()
	in.heard = time.Now()
	if !isDelivery(msg) {
		in.noteStatus(msg)
		in.askForMore()
		return
	}
	in.bytes = max(0, in.bytes-msg.Size())
	in.count = max(0, in.count-1)
	is, err := parseReply(msg.Reply)
	if err != nil {
		l.failReads(fmt.Errorf("nats stream %s: %w", l.source.Stream, err))
		return
	}
	l.holdDelivery(msg, is)
	in.askForMore()
}

// Statuses of the server (nats-architecture-and-design, ADR-13).
const (
	statusHeartbeat    = "100"
	statusNoMessages   = "404"
	statusTimeout      = "408"
	statusConflict     = "409"
	statusNoResponders = "503"

	pendingMessages = "Nats-Pending-Messages"
	pendingBytes    = "Nats-Pending-Bytes"
)

// noteStatus acts on a word of the server. l.mu is held.
func (in *pullSession) noteStatus(msg *natsgo.Msg) {
	status, text := msg.Header.Get(statusHeader), msg.Header.Get("Description")
	if status == statusHeartbeat {
		return
	}
	// A request has ended. What it did not bring is free to be asked for again.
	n, _ := strconv.Atoi(msg.Header.Get(pendingMessages))
	in.count = max(0, in.count-max(n, 0))
	n, _ = strconv.Atoi(msg.Header.Get(pendingBytes))
	in.bytes = max(0, in.bytes-max(n, 0))
	switch {
	case status == statusNoMessages, status == statusTimeout:
	case status == statusConflict && (strings.EqualFold(text, "Message Size Exceeds MaxBytes") ||
		strings.EqualFold(text, "Batch Completed")):
	case status == statusConflict, status == statusNoResponders:
		in.end(fmt.Errorf("%s %s", status, text))
	default:
		in.end(fmt.Errorf("a status of the server that is not known: %.3q", status))
	}
}

// silentFor tells whether heartbeats are missing. l.mu is held.
func (in *pullSession) isSilent(now time.Time) bool {
	return now.Sub(in.heard) > silenceLimit*heartbeat+heartbeat/2
}

// sendWord tells the server about a message.
func (l *lane) sendWord(msg *natsgo.Msg, word []byte) error {
	return l.source.conn.nc.Publish(msg.Reply, word)
}
