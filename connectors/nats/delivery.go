package nats

import (
	"errors"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// delivery is one message that the server waits to hear about.
type delivery struct {
	msg      *natsgo.Msg // the last one delivered: its reply subject is the one that counts
	sequence uint64
	time     time.Time
	size     int
	done     bool // committed, but the acknowledgement could not be sent
	// givenUp is how often the server delivered it before it gave it up; 0 for
	// a message that the server has delivered here (givenup.go).
	givenUp uint64
	// refused is why it went to the dead letters; empty if it did not.
	refused pipeline.Reason

	// Of a part of a message (join.go):
	isPart   bool
	part     partNumber  // number 0 if its header is none
	before   []*delivery // the parts before this one, the last
	oversize bool        // this and other parts were too much, and their payloads are dropped
}

// The words that a consumer understands. They are published to the reply
// subject of a message.
var (
	wordAck        = []byte("+ACK")
	wordNak        = []byte("-NAK")
	wordInProgress = []byte("+WPI")
	wordTerm       = "+TERM " // and the reason
)

// ackPrefix begins the reply subject of every message that a consumer delivers.
// A status of the server has another reply subject, or none. So a message of a
// user is told from a status by its reply subject, never by its headers, which
// are the user's.
const ackPrefix = "$JS.ACK."

// doneWord is the word for a message that is committed. One that went to the
// dead letters is terminated: the server then publishes an advisory with the
// reason, and acts as on an acknowledgement.
func (d *delivery) doneWord() []byte {
	if d.refused == "" {
		return wordAck
	}
	return []byte(wordTerm + string(d.refused))
}

// isDelivery tells whether msg is a message of the stream and no status.
func isDelivery(msg *natsgo.Msg) bool { return strings.HasPrefix(msg.Reply, ackPrefix) }

// tokens is what the reply subject of a delivered message says about it.
type tokens struct {
	deliveries uint64 // how often it was delivered, this time included
	sequence   uint64 // in the stream
	number     uint64 // of this delivery, among those of the consumer
	stored     time.Time
	pending    uint64 // messages that wait behind it
}

var errReplySubject = errors.New("a reply subject that no consumer writes")

// parseReply reads the reply subject of a delivered message:
//
//	$JS.ACK.STREAM.CONSUMER.DELIVERIES.SEQUENCE.NUMBER.TIME.PENDING
//	$JS.ACK.DOMAIN.ACCOUNT.STREAM.CONSUMER.DELIVERIES.SEQUENCE.NUMBER.TIME.PENDING[.TOKEN...]
//
// (nats-architecture-and-design, ADR-15). NUMBER counts the deliveries of the
// consumer, from 1 on after a reset.
func parseReply(reply string) (tokens, error) {
	rest, ok := strings.CutPrefix(reply, ackPrefix)
	if !ok {
		return tokens{}, errReplySubject
	}
	skip := 2
	if n := strings.Count(rest, ".") + 1; n > 7 {
		skip = 4
	} else if n < 7 {
		return tokens{}, errReplySubject
	}
	for range skip {
		_, rest, _ = strings.Cut(rest, ".")
	}
	var numbers [5]uint64
	for i := range numbers {
		var token string
		token, rest, _ = strings.Cut(rest, ".")
		n, err := strconv.ParseUint(token, 10, 63)
		if err != nil {
			return tokens{}, errReplySubject
		}
		numbers[i] = n
	}
	return tokens{
		deliveries: numbers[0], sequence: numbers[1], number: numbers[2],
		stored: time.Unix(0, int64(numbers[3])), pending: numbers[4],
	}, nil
}
