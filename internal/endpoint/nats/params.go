package nats

import (
	"errors"
	"fmt"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/bounds"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

func (n *stream) readParams(p *address.Params) error {
	var err error
	if n.as.Reads() {
		err = n.readSource(p)
	} else {
		err = n.readSink(p)
	}
	n.readConnection(p)
	return err
}

func (n *stream) readSource(p *address.Params) error {
	n.consumer = p.ReadText(address.Param{
		Name:   "consumer",
		Text:   "the durable consumer that remembers how far the stream was read; not for verify and keys check",
		Values: "NAME", Default: "(none; then until= is needed)",
	})
	n.filters = p.ReadList(address.Param{
		Name: "subject", Text: "the subjects to read, with wildcards", Values: "SUBJECT,...", Default: "(all)",
	})
	n.start = bounds.ReadStart(p, bounds.Spec{
		Text:    "where a consumer begins that is made",
		Serves:  []bounds.Form{bounds.Earliest, bounds.Latest, bounds.Offset, bounds.Places, bounds.Time},
		Default: "earliest",
		Least:   1,
	})
	n.until = bounds.ReadUntil(p, bounds.Spec{
		Text: "where the run ends: behind the last message that is there at its start, " +
			"or before a sequence or a time",
		Serves:  []bounds.Form{bounds.Latest, bounds.Offset, bounds.Places, bounds.Time},
		Default: "(it goes on until it is told to end; verify and keys check: latest)",
		Least:   1,
	})
	n.ackWait = p.ReadDuration(address.Param{
		Name: "ack-wait",
		Text: "how long after a crash the server waits before it gives messages to another process; of a " +
			"consumer that is made",
		Default: connector.DefaultAckWait.String(),
	})
	n.dropTTL = p.ReadWord(address.Param{
		Name:  "ttl",
		Text:  "the time to live of single messages: what is left of it goes with them (keep), or nothing (drop)",
		Words: []string{"keep", "drop"}, Default: "keep",
	}) == "drop"
	n.shared = p.ReadBool(address.Param{
		Name: "shared",
		Text: "let several processes read through the consumer at the same time, in no order; not for a sink that " +
			"keeps last values",
	})
	n.lease = p.ReadText(address.Param{
		Name:   "lease",
		Text:   "the KV bucket in which one process after the other owns the consumer; made if there is none",
		Values: "BUCKET", Default: connector.DefaultLeaseBucket,
	})
	return errors.Join(n.readOtherSubjects(p), n.readService(p))
}

// readOtherSubjects reads under which subjects messages were sealed that are
// read under others.
func (n *stream) readOtherSubjects(p *address.Params) error {
	was := p.ReadText(address.Param{
		Name: "subject-was",
		Text: "the subject under which all messages were sealed that a mirror, a republish or a transform gives " +
			"another one, or with .> at its end a prefix for the subjects that they have now",
		Values: "SUBJECT", Default: "(the one that they have)",
	})
	strip := p.ReadText(address.Param{
		Name:   "strip",
		Text:   "a prefix to take off the subjects before subject-was= is applied",
		Values: "SUBJECT", Default: "(none)",
	})
	var err error
	if n.was, err = connector.ParseSubjectMap(was, strip); err != nil {
		return fmt.Errorf("parameter subject-was: %w", err)
	}
	return nil
}

func (n *stream) readSink(p *address.Params) error {
	n.readSubjectTexts(p)
	n.create = p.ReadBool(address.Param{Name: "create", Text: "make the stream if there is none, on file storage"})
	n.takes = p.ReadList(address.Param{
		Name:    "stream-subjects",
		Text:    "the subjects of a stream that is made",
		Values:  "SUBJECT,...",
		Default: "(those of subject=)",
	})
	n.idSecret = p.ReadText(address.Param{
		Name:   "id-secret",
		Text:   "a file of 32 bytes or more from which message ids are made; all processes of a route have the same",
		Values: address.File, Default: "(kept in the bucket of lease=)",
	})
	n.readPublishing(p)
	n.lease = p.ReadText(address.Param{
		Name: "lease", Text: "the KV bucket that keeps the secret of the message ids, where the source is no stream",
		Values: "BUCKET", Default: connector.DefaultLeaseBucket,
	})
	if err := n.readSubjects(); err != nil {
		return err
	}
	if n.as == endpoint.DeadLetters && !connector.ValidSubject(n.to) {
		return hint.New("dead letters have no subject of their own", "name one: subject=dead.orders")
	}
	return nil
}

// readSubjectTexts reads the parameters of the mapping of a sink's subjects.
func (n *stream) readSubjectTexts(p *address.Params) {
	n.to = p.ReadText(address.Param{
		Name:   "subject",
		Text:   "the subject of all messages, or with .> at its end a prefix for the subjects that they have",
		Values: "SUBJECT", Default: "(each message keeps its own; dead letters need one)",
	})
	n.strip = p.ReadText(address.Param{
		Name:    "strip",
		Text:    "a prefix to take off the subjects before subject= is applied",
		Values:  "SUBJECT",
		Default: "(none)",
	})
}
