package endpoint

import (
	"context"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// Positioned is an end with readers that keep their positions there, under a
// name: the consumer groups of topics, the durable consumers of a stream.
type Positioned interface {
	// OpenPositions opens topics of the end, for a look that changes nothing:
	// those with the given names, or with none those that the URL names.
	OpenPositions(ctx context.Context, s *Session, topics []string) (*Positions, error)
}

// Positions are the places of an end that is open, and the positions of its
// readers.
type Positions struct {
	Places []PositionedPlace
	// Own is the name of the readers that the URL names; "" without one.
	Own string
	// ReadReaders asks for the positions of readers, as of now.
	ReadReaders func(ctx context.Context, name string) (*Readers, error)
	// MoveReaders sets the positions of readers, by place, and returns when
	// they have been read back. Readers that are at work are refused, and so
	// are positions that would replace others unless replace is true. A nil
	// MoveReaders says that positions cannot be set.
	MoveReaders func(ctx context.Context, name string, next map[string]int64, replace bool) error
	// ListEnds asks for the ends of the places as of now, by place: the offset
	// behind the last message.
	ListEnds func(ctx context.Context) (map[string]int64, error)
}

// PositionedPlace is one place.
type PositionedPlace struct {
	Peeker
	Topic string
	// Number is that of the partition; 0 for a place that is none.
	Number int32
	// Base is the offset of the first message that such a place ever has.
	Base int64
	// Identity is the source that envelopes of its messages name; nil if
	// they can name none.
	Identity Identity
	// Compacted says that messages are deleted out of the middle of the place.
	Compacted bool
}

// Scanner is a Peeker that shows many messages with few requests.
type Scanner interface {
	// Scan shows the messages from an offset to the end, in order. It ends
	// early when see returns false or an error. A message is valid until see
	// returns.
	Scan(ctx context.Context, offset int64, see func(m *pipeline.Message) (bool, error)) error
}

// Readers are the readers with one name.
type Readers struct {
	// Next is the offset of the message that comes next, by place. Places
	// without a position are missing.
	Next map[string]int64
	// Members is how many processes read now, as far as that is known.
	Members int
}
