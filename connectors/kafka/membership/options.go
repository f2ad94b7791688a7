package membership

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// Options describe a member. Group, Topics, Coordinator, Layout and Holder are
// required.
type Options struct {
	Group string
	// Instance makes the membership static; empty means dynamic.
	Instance string
	// Topics are the names to read, without repetition.
	Topics []string
	// Match returns the names to read now, if they may change. It is called
	// before each round, and by the leader at each Watch. After an error the
	// last names hold. Nil means that they are Topics for ever.
	Match func(ctx context.Context) ([]string, error)
	// Session is how long a member may be silent before the group gives it up;
	// default 10 s. Brokers accept 6 s to 30 min unless configured otherwise.
	Session time.Duration
	// Rebalance is how long a group waits for members that have to join again,
	// and so the most that a member may take to give up partitions; default 30
	// s.
	Rebalance time.Duration
	// Watch is how often the leader looks for partitions that were added;
	// default 5 s.
	Watch time.Duration
	// Consumer has the broker deal the partitions (KIP-848). Session is the
	// broker's then, and Rebalance is sent along.
	Consumer bool

	// Process is a name for this process, at most 255 bytes, which no other one
	// ever has had. Members tell it to the leader.
	Process string
	// NoteMembers is told by the leader, after each round, which processes are
	// members: every other one has lost its partitions. It is called by one
	// goroutine, and not after a round with a member that has no Process. Its
	// context ends when another round begins, in which others may become
	// members, and with the lease; it is called again if the next lease begins
	// before another round. Nil means that nobody wants to know.
	NoteMembers func(ctx context.Context, processes []string)

	Coordinator Coordinator
	Layout      Layout
	Holder      Holder
	// Log is told about rounds; nil means slog.Default.
	Log *slog.Logger
}

// Coordinator is the way to the group's coordinator.
type Coordinator interface {
	// Ask sends a request to the broker that coordinates the group, in one of
	// the versions from least to most, and returns its answer. It ends with
	// ctx, and after limit at the latest. A coordinator that does not answer is
	// looked for again with the next request.
	Ask(ctx context.Context, req kmsg.Request, least, most int16, limit time.Duration) (kmsg.Response, error)
	// NoteMoved says that the last answer named another coordinator, or that
	// there is none.
	NoteMoved()
	// NoteDoubt says that the broker which answered may be the coordinator no
	// more without knowing it: another one is asked who it is.
	NoteDoubt()
	// MayPass tells whether the request of an error may succeed later.
	MayPass(err error) bool
}

// Layout knows the topics.
type Layout interface {
	// CountPartitions returns how many partitions each topic has now. Topics
	// that do not exist are left out.
	CountPartitions(ctx context.Context, topics []string) (map[string]int32, error)
	// FindFresh returns the topics for which the group has no offset at all.
	FindFresh(ctx context.Context, counts map[string]int32) ([]string, error)
	// TopicName returns the name of a topic's id; "" if it is not known. Only
	// the protocol in which brokers deal names topics by their ids.
	TopicName(ctx context.Context, id [16]byte) (string, error)
	// TopicID is the reverse.
	TopicID(ctx context.Context, name string) ([16]byte, error)
}

// Holder has the partitions of a member. Release may run while Take and Drop
// are called for other partitions, and Drop while Release runs for the same
// ones.
type Holder interface {
	// Take takes up partitions and returns at once.
	Take(partitions []Assigned)
	// Release gives up partitions: it stops reading them, waits until
	// everything that was read of them is committed, and returns. When ctx ends
	// the work under way does not count any more. Afterwards nothing of these
	// partitions may be written or committed.
	Release(ctx context.Context, partitions []Partition)
	// Drop gives up partitions that other members may have already. Nothing of
	// them may be written or committed any more. It returns at once.
	Drop(partitions []Partition)
}

// Partition names a partition.
type Partition struct {
	Topic  string
	Number int32
}

func (p Partition) String() string { return fmt.Sprintf("%s/%d", p.Topic, p.Number) }

// Assigned is a partition that was given to a member.
type Assigned struct {
	Partition
	// Fresh says that the group had no offset for any partition of the topic
	// when this one was dealt first.
	Fresh bool
}

const (
	defaultSession   = 10 * time.Second
	defaultRebalance = 30 * time.Second
	defaultWatch     = 5 * time.Second

	leastSession = time.Second
	mostTimeout  = time.Hour
)

// CheckTimes returns the error of a session or a rebalance timeout; 0 is the
// default.
func CheckTimes(session, rebalance time.Duration) error {
	switch {
	case session != 0 && (session < leastSession || session > mostTimeout):
		return fmt.Errorf("session %v is not between %v and %v", session, leastSession, mostTimeout)
	case rebalance != 0 && (rebalance < leastSession || rebalance > mostTimeout):
		return fmt.Errorf("rebalance %v is not between %v and %v", rebalance, leastSession, mostTimeout)
	}
	return nil
}

// CheckInstance applies the brokers' rule for the name of an instance.
func CheckInstance(name string) error {
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	}
	if name == "." || name == ".." || len(name) > 249 || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("%q is not the name of an instance: up to 249 letters, digits, dots, - and _", name)
	}
	return nil
}

func (o Options) withDefaults() (Options, error) {
	switch {
	case o.Group == "":
		return o, errors.New("no group")
	case len(o.Topics) == 0:
		return o, errors.New("no topic")
	case o.Coordinator == nil || o.Layout == nil || o.Holder == nil:
		return o, errors.New("a member without its surroundings")
	}
	if err := errors.Join(CheckTimes(o.Session, o.Rebalance), CheckInstance(o.Instance)); err != nil {
		return o, err
	}
	if o.Session == 0 {
		o.Session = defaultSession
	}
	if o.Rebalance == 0 {
		o.Rebalance = defaultRebalance
	}
	if o.Watch == 0 {
		o.Watch = defaultWatch
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o, nil
}
