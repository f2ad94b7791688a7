package nats

import (
	"fmt"
	"slices"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/bounds"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// isBounded tells whether a run over the source ends by itself.
func (n *stream) isBounded() bool { return n.until.Form != bounds.Unset }

// readsNew tells whether a source begins with messages that are stored later.
func (n *stream) readsNew() bool { return n.start.Form == bounds.Latest }

// startOf returns where the stream of an end of one stream begins.
func (n *stream) startOf() connector.Start {
	b := &n.start
	at, _ := sequenceOf(b, n.stream)
	return connector.Start{New: b.Form == bounds.Latest, Sequence: at, Time: b.Time}
}

// untilOf returns where the stream of an end of one stream ends. A stream that
// a list of places does not name ends behind its last message.
func (n *stream) untilOf() connector.Until {
	at, given := sequenceOf(&n.until, n.stream)
	if given && at == 0 {
		at = 1 // nothing comes before it
	}
	return connector.Until{Sequence: at, Time: n.until.Time}
}

// sequenceOf returns the sequence that a bound has for a stream, if it has one.
func sequenceOf(b *bounds.Bound, stream string) (sequence uint64, given bool) {
	switch b.Form {
	case bounds.Offset:
		return uint64(b.Offset), true
	case bounds.Places:
		at, given := b.ByPlace()[stream]
		return uint64(at), given
	default: // a time, or one end of the stream
		return 0, false
	}
}

// checkBounds refuses bounds that do not fit the streams of a source.
func (n *stream) checkBounds() error {
	for _, bound := range []struct {
		name string
		*bounds.Bound
	}{{"start", &n.start}, {"until", &n.until}} {
		if bound.Form == bounds.Offset && n.isSeveral() {
			return hint.New(bound.name+"= with a sequence is about one stream, and the source is several",
				"name the stream: "+bound.name+"="+n.streams[0]+"@SEQUENCE,...; or say a time")
		}
		for _, p := range bound.Places {
			if !slices.Contains(n.streams, p.Place) {
				return fmt.Errorf("%s=: %q is no stream of the source", bound.name, p.Place)
			}
		}
	}
	return nil
}
