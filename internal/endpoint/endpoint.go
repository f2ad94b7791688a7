// Package endpoint describes the ends of a route: the topic, the stream or the
// file that it reads, writes, or sends dead letters to.
//
//	endpoint.go     Endpoint and its abilities; Traits, which answer every
//	                question that a route asks about the kind of an end
//	scheme.go       Scheme, a row for each kind of URL, and the Table of rows
//	session.go      Session, with which the ends of one route are opened
//	open.go         Source, Sink, RawSource, RawSink: ends that are open
//	credentials.go  parameters by which clients prove who they are
//	identity.go     names that stay when URLs change
//	check.go        looks at ends, which change nothing
//	await.go        waiting for a service that is away
//
// There is one room (a package below this one) per scheme. It owns everything
// about its URLs: parameters with their texts, rules, advice about its
// connector's errors, and opening. A new kind of end is a new room and a row in
// endpoint/all; no other code names a scheme, as a test sees.
//
// An ability that not every kind of end has is an interface of its own, such as
// Raw and Sampler.
//
// The package must not know any scheme, connector or key.
package endpoint

import "context"

// Role says which end of a route a URL names.
type Role int

// The roles.
const (
	// From is a source.
	From Role = iota
	// Look is a source that is read up to the messages that are there now,
	// and left as if it had not been read.
	Look
	// To is a sink.
	To
	// DeadLetters is a sink for dead letters.
	DeadLetters
)

// String returns the role as errors name it.
func (r Role) String() string { return [...]string{"from", "from", "to", "dead letters"}[r] }

// Reads tells whether the role is that of a source.
func (r Role) Reads() bool { return r == From || r == Look }

// Endpoint is one end of a route, as its URL says. Nothing of it is open. It
// is also a Records or a Raw.
type Endpoint interface {
	Traits() Traits
}

// Records is an end that holds messages.
type Records interface {
	Endpoint
	// OpenSource opens an end with the role From or Look.
	OpenSource(ctx context.Context, s *Session) (*Source, error)
	// OpenSink opens an end with the role To or DeadLetters, for the messages
	// or the dead letters of in.
	OpenSink(ctx context.Context, s *Session, in *Source) (*Sink, error)
}

// Raw is an end that is one payload and holds no messages. It is streamed.
type Raw interface {
	Endpoint
	OpenRawSource(ctx context.Context, s *Session) (RawSource, error)
	OpenRawSink(ctx context.Context, s *Session) (RawSink, error)
}

// Sampler is an end in which single messages can be looked at, in any order.
// Its role is Look.
type Sampler interface {
	// OpenPeekers returns one Peeker per place.
	OpenPeekers(ctx context.Context, s *Session) ([]Peeker, error)
}

// Viewer is an end that can name itself as a source with the role Look.
type Viewer interface {
	// LookURL returns the URL of topics of the end, or with none of those that
	// it names, with the parameters that such a source has too.
	LookURL(topics []string) string
}

// StateKeeper is a source that keeps the memory of the replay check by itself,
// and can keep it elsewhere.
type StateKeeper interface {
	// KeepState reads the URL of another place, before the source is opened.
	// It opens nothing. path is the local file that the place is, "" if it is
	// none.
	KeepState(url string) (path string, err error)
}

// IsRaw tells whether e is one payload.
func IsRaw(e Endpoint) bool {
	_, raw := e.(Raw)
	return raw
}

// Traits answer every question about the kind of an end. They are known before
// it is open.
type Traits struct {
	// Name is the URL without its parameters, for logs and errors.
	Name string
	// Identity is equal for two ends that are the same thing. A checkpoint
	// keeps it.
	Identity string
	// Path is the local file that the end is; "" if it is none, or Pipe.
	Path string
	// Context is the name that envelopes stored here are bound to unless
	// another one is configured. It may be empty.
	Context string
	// NamesTopics says that every message comes from a topic with a name, or is
	// written to one.
	NamesTopics bool
	// TopicOf returns the topic of a place, for a source with NamesTopics.
	// Several goroutines may call it.
	TopicOf func(place string) string
	// SeveralTopics says that a source may be more than one topic: its messages
	// are bound to a context by topic.
	SeveralTopics bool
	// MapTopic returns the topic that messages of another one are written to,
	// for a sink that depends on it; nil for one that does not.
	MapTopic func(topic string) (string, error)
	// Rebase returns, for a sink with MapTopic, the template that makes of the
	// name of a topic which is written the name that another template makes of
	// the topic which is read. It is false if there is no such template. A nil
	// Rebase says that there never is one.
	Rebase func(template string) (rebased string, ok bool)
	// Files are the local files that the URL names and that opening reads,
	// such as credentials.
	Files []NamedFile

	// Archive says that the end holds envelopes only, and after them a sealed
	// record of how many.
	Archive bool
	// Plain says that the end holds plaintext only: envelopes cannot be stored
	// there.
	Plain bool
	// Append says that a sink goes on behind the messages that it holds.
	Append bool
	// OneLane says that a sink takes one lane at a time.
	OneLane bool
	// Pipe says that the end is standard input or output, which cannot be
	// begun again.
	Pipe bool
	// Checkpoint says that a checkpoint can keep how far the end was read or
	// written. Other ends remember that by themselves.
	Checkpoint bool
	// NeedsCheckpoint is why a source cannot be read without a checkpoint; nil
	// if it can. The error has a hint.
	NeedsCheckpoint error
	// Log says that a broker keeps the messages in the order in which they
	// were written, so that a message that comes late was there before.
	Log bool
	// Endless says that a source goes on until it is told to end.
	Endless bool
	// KeepsPartitions says that a sink keeps the partition of each message.
	KeepsPartitions bool
	// Repartitions says that a sink chooses partitions anew.
	Repartitions bool
	// StartsSealed says that a source begins behind its last message in the
	// destination, where it has no position.
	StartsSealed bool
	// ShowsHeld says that a sink shows its messages: see Sink.OpenPeekers.
	ShowsHeld bool
	// TextHeaders says that header values are text.
	TextHeaders bool
	// NoHeaderOrder says that headers have no order.
	NoHeaderOrder bool
	// Effects says that a source gives headers with an effect at their
	// destination names of ours, and lets no user give them.
	Effects bool
	// Times says what becomes of the time of a message.
	Times Times
	// Mapping is the rule by which a sink changes subjects, as text; "" if it
	// changes none.
	Mapping string
	// OtherSubjects says that a source has envelopes under other subjects than
	// those that they are bound to, and its URL says which.
	OtherSubjects bool
	// Subjects says whether messages are published under subjects.
	Subjects Subjects

	// MaxReadAhead is the most that may be read ahead, in bytes; 0: no limit.
	MaxReadAhead int64
	// RecordsHint says how the URL of a raw end would name records instead.
	RecordsHint string
	// NoRewrap is why envelopes cannot be copied to a sink as they are; nil if
	// they can. The error has a hint.
	NoRewrap error
}

// NamedFile is a local file that a parameter names.
type NamedFile struct {
	Param  string
	Path   string
	Secret bool // nobody but its owner should be able to read it
}

// Subjects says whether messages are published under subjects, to which
// envelopes are bound.
type Subjects int

const (
	// KeptSubjects says that a message keeps its subject, if it has one.
	KeptSubjects Subjects = iota
	// NoSubjects says that no message has one.
	NoSubjects
	// OwnSubjects says that every message has one.
	OwnSubjects
)

// Times says what becomes of the time of a message in an end that holds
// envelopes.
type Times int

const (
	// ServerTimes says that messages have a time, which a server may set.
	ServerTimes Times = iota
	// KeptTimes says that messages keep their time.
	KeptTimes
	// NoTimes says that messages keep no time.
	NoTimes
)
