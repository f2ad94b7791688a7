// Package kafka is the room of topics: kafka://HOST:PORT/TOPIC.
//
//	url.go          the URL's parameters and rules
//	connect.go      the parameters of a connection
//	credentials.go  the files that they name, read for each connection
//	token.go        tokens of a file or a service
//	aws.go          tokens of Amazon MSK
//	open.go         sources, sinks and samples
//	starts.go       where a source begins, and its checkpoint
//
// It must not know the meaning of a message, nor any other kind of end.
package kafka

import (
	"crypto/x509"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	connector "github.com/streamcrypt/streamcrypt/connectors/kafka"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/membership"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/credfile"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/bounds"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// Scheme is the row of this room.
func Scheme() endpoint.Scheme {
	return endpoint.Scheme{
		Name: "kafka",
		Form: "kafka://HOST:PORT/TOPIC",
		Text: "a topic of a Kafka cluster; several brokers stand between commas",
		Notes: "A source may be several topics: orders,refunds, or ~ and a regular expression (RE2) that matches the " +
			"whole names of topics, such as ~orders\\.[a-z]+, in which %3F stands for a question mark. " +
			"Topics that appear while it runs are read too. " +
			"The destination is then a template: {topic}.sealed, or {topic-.sealed} to take the end off again. " +
			"With group= a source is a member of a consumer group; more members are more speed. " +
			"With until= it is a run that ends by itself: it joins no group, and with group= it keeps its " +
			"offsets in the group's name. " +
			"A source needs one of the two.",
		Plain:  "kafka://localhost:9092/orders",
		Sealed: "kafka://localhost:9092/sealed",
		Copy:   "kafka://localhost:9092/moved",
		Params: func(as endpoint.Role) []address.Param {
			return address.ListParams(func(p *address.Params) { _ = (&topic{as: as}).readParams(p) })
		},
		Parse:     parse,
		Advice:    advice,
		TakenOver: []error{connector.ErrTakenOver, membership.ErrInstanceTaken},
	}
}

// advice is about the connector's errors.
var advice = []hint.Advice{
	hint.AboutError(cluster.ErrNoTopic, "is the name right? a topic that is written is made with create=true"),
	hint.AboutError(cluster.ErrGroupActive,
		"end the group's members first, or name another group: a run with an end keeps offsets by itself"),
	hint.AboutType[*membership.ForeignGroupError]("name another group= for this route: " +
		"members of two programs do not share partitions"),
	hint.AboutError(membership.ErrInstanceTaken,
		"give each process an --instance of its own; this one ends, since the other one has its partitions now"),
	hint.AboutError(connector.ErrTakenOver,
		"one run with an end at a time for a group and a topic; leave it to the other one"),
	hint.AboutError(connector.ErrNoMatch,
		"is the pattern right? it must match whole names, and internal topics (__*) and "+
			"those that the route writes are never read"),
	hint.AboutError(connector.ErrOneForSeveral, "write --to kafka://HOST:PORT/{topic}.sealed"),
	hint.AboutType[*cluster.RightError]("docs/kafka.md lists the rights that a route needs"),
	hint.AboutError(cluster.ErrNoTransactions, "say delivery=at-least-once, or mend the cluster: "+
		"transaction.state.log.replication.factor and transaction.state.log.min.isr"),
	hint.AboutType[*connector.OpenTransactionError]("docs/operate.md says how to find the transaction and end it; " +
		"with group= the next run goes on there"),
	hint.AboutType[*connector.DeletedError]("everything else was carried; " +
		"retention.ms and retention.bytes of the source say how long records stay"),
	hint.AboutError(connector.ErrFewPartitions, "add partitions to the destination, or say partition=key on --to"),
	hint.AboutError(connector.ErrSmallRecords,
		"raise max.message.bytes of the destination, or say oversize=reject; "+
			"create=true makes a topic that has it right"),
	hint.AboutError(connector.ErrDeletesEarly, "change the destination's settings, or say expired=accept on --to; "+
		"create=true makes a topic that keeps records as long as the source"),
	hint.AboutError(connector.ErrNotExactlyOnce,
		"say delivery=at-least-once, or leave delivery= out for the best there is"),
	hint.AboutError(dial.ErrCredentials, "is the user, the password, the token or the sasl= mechanism wrong?"),
	hint.AboutError(dial.ErrMechanism, "name one that the broker has: sasl="),
	hint.AboutError(dial.ErrNoSASL, "leave out sasl= and the user, or name the port that authenticates users"),
	hint.AboutError(dial.ErrNeedsTLS,
		"say tls=true, and ca=FILE if the system does not know who signs the certificate"),
	hint.AboutError(dial.ErrNoTLS, "leave out tls=, ca= and cert=, or name the port that speaks TLS"),
	hint.AboutType[x509.HostnameError]("name the broker as its certificate does, or say server-name=NAME"),
	hint.AboutType[x509.UnknownAuthorityError]("say ca=FILE, the roots that sign the brokers' certificates, in PEM"),
	hint.AboutError(dial.ErrCertificate, "does the broker want a certificate (cert=FILE&key=FILE), "+
		"or has one of the two "+
		"certificates expired?"),
	hint.AboutError(dial.ErrHandshake,
		"does the broker want a certificate (cert=FILE&key=FILE), or another version of TLS?"),
	hint.AboutError(credfile.ErrLockedKey, "name the file with its password: key-password-file=FILE"),
	hint.AboutError(dial.ErrHungUp, "is the password wrong, do the brokers want tls=true or sasl=, or is there no TLS "+
		"on this port?"),
	hint.AboutError(cluster.ErrReplaced,
		"run it again if the new topic is to be read or written; its records are others"),
	hint.AboutType[*wire.VersionError]("Kafka 2.5 is the oldest that will do; for one that is too new there may " +
		"be a newer streamcrypt"),
}

// topic is an end.
type topic struct {
	as   endpoint.Role
	name string // of the URL
	url  *address.Address
	conn connection

	topic  string               // one, a list, a pattern or a template
	reads  connector.TopicNames // of a source
	writes connector.NameMap    // of a sink

	// Of a source:
	group       string
	start       connector.Start
	chosen      bool // start was given
	until       connector.Until
	partitions  []int32
	session     time.Duration // of a member; 0 where the URL has none
	rebalance   time.Duration
	brokerDeals bool
	rack        string
	codecMemory int // of a lane, in bytes; 0 is the default

	// Of a sink:
	create      bool
	expired     bool
	oversize    bool
	partition   connector.Partitioning
	delivery    connector.Delivery
	compression batch.Compression
}

func parse(a *address.Address, as endpoint.Role) (endpoint.Endpoint, error) {
	switch {
	case len(a.Hosts) == 0 || a.Path == "":
		return nil, hint.New("no topic", "write kafka://HOST:PORT/TOPIC")
	case slices.Contains(a.Hosts, ""):
		return nil, hint.New("no host", "write kafka://HOST:PORT/TOPIC; several brokers stand between commas")
	}
	t := &topic{as: as, name: a.String(), url: a, topic: a.Path}
	t.conn.setBrokers(a.Hosts)
	p := a.Params()
	err := t.readParams(p)
	if wrong := p.Check(); wrong != nil {
		return nil, wrong // before an error about a value that is misread for want of another
	}
	if err != nil {
		return nil, err
	}
	if err := t.readNames(); err != nil {
		return nil, err
	}
	return t, t.checkRules()
}

// readNames reads which topics the path names.
func (t *topic) readNames() (err error) {
	if t.as.Reads() {
		if t.reads, err = connector.ParseTopicNames(t.topic); err != nil && strings.HasPrefix(t.topic, "~") {
			return &hint.Error{Err: err, Hint: "the syntax is that of RE2; a question mark is written %3F in a URL"}
		}
		return err
	}
	t.writes, err = connector.ParseNameMap(t.topic)
	return err
}

func (t *topic) readParams(p *address.Params) error {
	if t.as.Reads() {
		t.readSource(p)
	} else {
		t.readSink(p)
	}
	return t.conn.readParams(p)
}

func (t *topic) readSource(p *address.Params) {
	t.group = p.ReadText(address.Param{
		Name: "group", Text: "the consumer group to be a member of; not for verify and keys check", Values: "NAME",
		Default: "(none; then until= is needed)",
	})
	start := bounds.ReadStart(p, bounds.Spec{
		Text: "where to begin with partitions for which the group has no offset, and without a group with all",
		Serves: []bounds.Form{
			bounds.Earliest, bounds.Latest, bounds.Sealed, bounds.Offset, bounds.Places, bounds.Time,
		},
		Default: "(earliest, and an error if the destination holds messages of the topic)",
	})
	t.start, t.chosen = toStart(start), start.Form != bounds.Unset
	t.until = toUntil(bounds.ReadUntil(p, bounds.Spec{
		Text:    "where the run ends",
		Serves:  []bounds.Form{bounds.Latest, bounds.Offset, bounds.Places, bounds.Time},
		Default: "(it goes on until it is told to end; verify and keys check: latest)",
		Least:   1,
	}))
	t.partitions = readPartitions(p)
	t.readMembership(p)
	t.rack = p.ReadText(address.Param{
		Name:    "rack",
		Text:    "the rack that this process stands in: brokers let it read from a replica there",
		Values:  "NAME",
		Default: "(none: it reads from leaders)",
	})
	t.codecMemory = readCodecMemory(p)
}

// maxCodecMemory is more than any batch can need, in MiB.
const maxCodecMemory = 1024

// readCodecMemory reads a number of MiB and returns bytes.
func readCodecMemory(p *address.Params) int {
	const name, least = "codec-memory", (batch.MinCodecMemory + 1<<20 - 1) >> 20
	text := p.ReadText(address.Param{
		Name:   name,
		Text:   "the memory for inflating compressed batches, for each lane; a batch that needs more is too-large",
		Values: "NMiB",
		Default: "(" + strconv.Itoa(batch.DefaultCodecMemory>>20) +
			"MiB, or more for a topic with a large max.message.bytes)",
	})
	if text == "" {
		return 0
	}
	digits, ok := strings.CutSuffix(text, "MiB")
	n, err := strconv.Atoi(digits)
	if !ok || err != nil || n < least || n > maxCodecMemory {
		p.Fail(name, &hint.Error{
			Err:  fmt.Errorf("%q is not a number of MiB from %d to %d", text, least, maxCodecMemory),
			Hint: "write codec-memory=32MiB",
		})
	}
	return n << 20
}

// readMembership reads the parameters of a member of a group.
func (t *topic) readMembership(p *address.Params) {
	t.session = p.ReadDuration(address.Param{
		Name: "session", Text: "how long a member of the group may be silent before others get its partitions",
		Default: "(10s)",
	})
	t.rebalance = p.ReadDuration(address.Param{
		Name: "rebalance", Text: "how long the group waits for members that have to join again when it changes",
		Default: "(30s)",
	})
	t.brokerDeals = p.ReadWord(address.Param{
		Name: "membership",
		Text: "the protocol of the group: classic, in which a member deals the partitions, or consumer, in which the " +
			"broker does (KIP-848) and has a session of its own",
		Words:   []string{"classic", "consumer"},
		Default: "classic",
	}) == "consumer"
}

// toStart takes a time before 1970 for the earliest record: brokers give
// negative timestamps another meaning.
func toStart(b bounds.Bound) connector.Start {
	return connector.Start{
		New: b.Form == bounds.Latest, Sealed: b.Form == bounds.Sealed, Offset: b.Offset,
		Places: b.ByPlace(), Time: since1970(b),
	}
}

func toUntil(b bounds.Bound) connector.Until {
	return connector.Until{
		End: b.Form == bounds.Latest, Offset: b.Offset, Places: b.ByPlace(), Time: since1970(b),
	}
}

// since1970 returns the time of a bound, or the zero Time if it has none. An
// earlier time than 1970 becomes 1970, where all records come after.
func since1970(b bounds.Bound) time.Time {
	if first := time.Unix(0, 0); b.Form == bounds.Time && b.Time.Before(first) {
		return first
	}
	return b.Time
}

func readPartitions(p *address.Params) []int32 {
	const name = "partitions"
	var partitions []int32
	for _, text := range p.ReadList(address.Param{
		Name: name, Text: "the partitions that a run with an end reads", Values: "N,...", Default: "(all)",
	}) {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			p.Fail(name, &hint.Error{Err: fmt.Errorf("%q is not a number", text), Hint: "write partitions=0,3"})
		}
		partitions = append(partitions, int32(n))
	}
	return partitions
}

// compressions are in the order in which help lists them.
var compressions = []string{"none", "gzip", "snappy", "lz4", "zstd"}

var codecs = map[string]batch.Compression{
	"none": batch.None, "gzip": batch.Gzip, "snappy": batch.Snappy, "lz4": batch.LZ4, "zstd": batch.Zstd,
}

func (t *topic) readSink(p *address.Params) {
	t.create = p.ReadBool(address.Param{
		Name: "create",
		Text: "make the topic if there is none, as strong as the source: its partitions, replicas and retention, " +
			"and room for its records",
	})
	t.expired = p.ReadWord(address.Param{
		Name: "expired",
		Text: "what to do if the topic would delete records that it is given: they are older than its retention, " +
			"or it is compacted and the source is not",
		Words: []string{"refuse", "accept"}, Default: "refuse",
	}) == "accept"
	t.oversize = p.ReadWord(address.Param{
		Name: "oversize",
		Text: "what to do if the topic does not take the largest records of the source: refuse to start, or reject " +
			"these records",
		Words: []string{"refuse", "reject"}, Default: "refuse",
	}) == "reject"
	t.compression = codecs[p.ReadWord(address.Param{
		Name:    "compression",
		Text:    "how record batches are compressed; ciphertext does not shrink",
		Words:   compressions,
		Default: "none",
	})]
	if t.as == endpoint.DeadLetters {
		return // they go to the partitions that their messages come from, and are delivered as those are
	}
	if p.ReadWord(address.Param{
		Name:  "partition",
		Text:  "the partition that a record goes to: the one with its number, or the one that its key hashes to",
		Words: []string{"same", "key"}, Default: "same",
	}) == "key" {
		t.partition = connector.ByKey
	}
	switch p.ReadWord(address.Param{
		Name: "delivery", Text: "how often a record arrives",
		Words:   []string{"exactly-once", "at-least-once"},
		Default: "(exactly-once within a cluster, at-least-once elsewhere)",
	}) {
	case "exactly-once":
		t.delivery = connector.ExactlyOnce
	case "at-least-once":
		t.delivery = connector.AtLeastOnce
	}
}

// checkRules refuses everything that can be refused without a connection.
func (t *topic) checkRules() error {
	if !t.as.Reads() {
		return t.sinkOptions(nil, nil).Check()
	}
	if err := t.checkRun(); err != nil {
		return err
	}
	if t.as == endpoint.Look && !t.until.Bounded() {
		t.until.End = true
	}
	return t.sourceOptions(nil).Check()
}

// checkRun refuses wishes that a group, an end or a look cannot fulfil.
func (t *topic) checkRun() error {
	switch bounded := t.until.Bounded(); {
	case t.as == endpoint.Look && t.group != "":
		return hint.New("a group would remember that this was read, and its members not be given it again",
			"leave out group=")
	case t.as == endpoint.Look && t.start.Sealed:
		return errors.New("start=sealed: nothing is written here, so there is no destination to look at")
	case t.as == endpoint.Look && t.start.New, bounded && t.start.New:
		return errors.New("start=latest: a run with an end reads the records that are there already")
	case (bounded || t.as == endpoint.Look) && (t.session != 0 || t.rebalance != 0 || t.brokerDeals):
		return hint.New("session=, rebalance= or membership=, and a run with an end is no member of a group",
			"leave them out")
	case t.brokerDeals && t.session != 0:
		return hint.New("session= and membership=consumer: the session is the broker's then",
			"leave out session=, or set group.consumer.session.timeout.ms of the brokers")
	case t.brokerDeals && t.start.IsGiven() && !t.start.Sealed:
		return hint.New("start= and membership=consumer: no member knows whether the group is new",
			"leave out start=, or membership=consumer")
	case bounded, t.as == endpoint.Look:
		return nil
	case t.group == "":
		return hint.New("neither a group nor an end",
			"say group=NAME to be a member of a consumer group, or until=latest to stop behind the last record "+
				"that is there now")
	case t.partitions != nil:
		return hint.New("partitions: a group assigns them by itself",
			"say until=latest to read some partitions to their end, or leave out partitions=")
	}
	return nil
}

// Traits implements endpoint.Endpoint.
func (t *topic) Traits() endpoint.Traits {
	traits := endpoint.Traits{
		Name: t.name, Identity: "kafka " + t.name, Context: t.topic, Files: t.conn.listFiles(),
		Log: true, Endless: !t.until.Bounded(), KeepsPartitions: t.partition == connector.SamePartition,
		Repartitions: t.as == endpoint.To && t.partition != connector.SamePartition, Subjects: endpoint.NoSubjects,
		StartsSealed: t.start.Sealed, ShowsHeld: t.as == endpoint.To,
		Checkpoint:  t.as.Reads() && t.keepsCheckpoint(),
		NamesTopics: true, TopicOf: cluster.TopicOf, SeveralTopics: t.as.Reads() && t.reads.MayBeSeveral(),
	}
	if t.writes.IsMapped() {
		traits.MapTopic, traits.Rebase = t.writes.NameFor, t.writes.Rebase
	}
	return traits
}
