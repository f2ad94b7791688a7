// Package nats is the room of streams: nats://HOST:PORT/STREAM.
//
//	url.go      the URL and its rules
//	bounds.go   where a source begins and ends
//	params.go   the parameters of sources and sinks
//	connect.go  how servers are reached
//	publishing.go how a sink publishes
//	streams.go  several streams, and templates
//	service.go  answers to nats micro
//	open.go     sources, sinks and samples
//	state.go    the place of the replay check's state
//
// It must not know the meaning of a message, nor any other kind of end.
package nats

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"strconv"
	"strings"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/bounds"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/topicname"
)

// Scheme is the row of this room.
func Scheme() endpoint.Scheme {
	return endpoint.Scheme{
		Name: "nats",
		Form: "nats://HOST:PORT/STREAM",
		Text: "a stream of NATS JetStream; several servers stand between commas",
		Notes: "A source reads through a durable consumer, consumer=, which is made if there is none. " +
			"One process at a time reads through it, in the order of the stream; others wait to take over. " +
			"More speed is a consumer with a part of the subjects for each process, or shared=true. " +
			"A source may be several streams, ORDERS,BILLS, each with a consumer of the name. " +
			"The destination is then a template: {topic}_SEALED, or {topic-_SEALED} to take the end off again, " +
			"also in subject= and strip=. " +
			"With until= a source ends by itself and can do without. " +
			"It reads " + strconv.Itoa(connector.DefaultReadAhead>>20) + "MiB ahead, or as --read-ahead says. " +
			"nats:///STREAM?context=NAME takes servers and credentials from a context of the nats command.",
		Plain:  "nats://localhost:4222/ORDERS",
		Sealed: "nats://localhost:4222/SEALED",
		Copy:   "nats://localhost:4222/MOVED",
		Params: func(as endpoint.Role) []address.Param {
			return address.ListParams(func(p *address.Params) { _ = (&stream{as: as}).readParams(p) })
		},
		Parse:  parse,
		Advice: advice,
	}
}

// advice is about the connector's errors.
var advice = []hint.Advice{
	hint.AboutError(connector.ErrNoLease,
		"grant the rights on $KV.streamcrypt.> and the stream KV_streamcrypt (docs/nats.md), name another bucket "+
			"with lease=, or do without order: shared=true"),
	hint.AboutError(connector.ErrIDSecret,
		"give the id-secret= of the other processes; or delete streamcrypt-id from the consumer's metadata: what a "+
			"process before had in flight is then stored twice"),
	hint.AboutError(connector.ErrStateUnread,
		"is --state the place of this stream and consumer? move what is there away to begin anew: "+
			"then a message that was read before passes if it is played again"),
	hint.AboutError(connector.ErrFilter, "is subject= right? nats stream subjects lists those that there are"),
	hint.AboutError(connector.ErrStreamMadeAnew, "start again: the new stream is read from its beginning"),
	hint.AboutError(connector.ErrLostTail,
		"delete the consumer and start again with start=, at the first message that is to be read (docs/nats.md)"),
	hint.AboutError(natsgo.ErrAuthorization, "are user= and password-file=, or creds=, or nkey= those of this server?"),
	hint.AboutError(natsgo.ErrAuthExpired, "creds= has expired; get another file"),
	hint.AboutError(natsgo.ErrPermissionViolation,
		"the user lacks a right; streamcrypt with --plan lists all that are needed"),
	hint.AboutError(jetstream.ErrStreamNotFound,
		"is the name right? a stream that is written is made with create=true"),
	hint.AboutError(jetstream.ErrJetStreamNotEnabled, "the server, or the account, has no JetStream"),
	hint.AboutError(jetstream.ErrJetStreamNotEnabledForAccount, "the account has no JetStream"),
	hint.AboutType[x509.HostnameError]("name the server as its certificate does"),
	hint.AboutType[x509.UnknownAuthorityError]("say ca=FILE, the roots that sign the server's certificate, in PEM"),
	hint.AboutType[*tls.CertificateVerificationError](
		"has the server's certificate expired, or is it for another use?"),
	hint.AboutError(connector.ErrSubject,
		"say subject= on --to: the subject, or with .> at its end the prefix, of the messages there"),
}

// stream is an end.
type stream struct {
	as      endpoint.Role
	name    string // of the URL
	url     *address.Address
	stream  string   // its name; of a source, or a template, as the URL has it
	streams []string // of a source: one or several

	credentials endpoint.Credentials
	conn        connector.ConnOptions // credentials included

	// Of a source:
	consumer string
	filters  []string
	start    bounds.Bound
	until    bounds.Bound
	ackWait  time.Duration
	shared   bool
	dropTTL  bool
	lease    string               // the bucket
	service  string               // its name as one
	was      connector.SubjectMap // gives back the subject of a sealed message
	state    statePlace

	// Of a sink:
	template  topicname.Template // zero for one stream
	to, strip string             // as the URL has them
	subjects  connector.SubjectMap
	create    bool
	takes     []string // subjects of a stream that is created
	idSecret  string   // a file
	publish   connector.PublishMode
	sync      bool // each message is flushed to disk by itself
}

func parse(a *address.Address, as endpoint.Role) (endpoint.Endpoint, error) {
	if len(a.Hosts) == 0 || a.Path == "" {
		return nil, hint.New("no stream", "write nats://HOST:PORT/STREAM")
	}
	n := &stream{as: as, name: a.String(), url: a, stream: a.Path}
	if err := n.nameStreams(); err != nil {
		return nil, err
	}
	p := a.Params()
	err := n.readParams(p)
	if wrong := p.Check(); wrong != nil {
		return nil, wrong // before an error about a value that is misread for want of another
	}
	if err != nil {
		return nil, err
	}
	if n.conn.URL, err = writeServers(a.Hosts, n.conn.Context != ""); err != nil {
		return nil, err
	}
	return n, n.checkRules()
}

// writeServers writes the hosts as the client wants them. It returns "" if
// there is none and a context may name the servers.
func writeServers(hosts []string, context bool) (string, error) {
	if context && len(hosts) == 1 && hosts[0] == "" {
		return "", nil
	}
	servers := make([]string, len(hosts))
	for i, host := range hosts {
		if host == "" {
			return "", hint.New("no host", "write nats://HOST:PORT/STREAM, or nats:///STREAM?context=NAME")
		}
		servers[i] = "nats://" + host
	}
	return strings.Join(servers, ","), nil
}

// checkRules refuses everything that can be refused without a connection.
func (n *stream) checkRules() error {
	if n.conn.Context == "" { // a context may add to it
		if err := n.conn.Check(); err != nil {
			return err
		}
	}
	if !n.as.Reads() && n.template.IsMapped() {
		return nil // judged stream by stream
	}
	if !n.as.Reads() {
		return n.sinkOptions().Check()
	}
	if err := errors.Join(n.checkSeveral(), n.checkBounds()); err != nil {
		return err
	}
	switch {
	case n.as == endpoint.Look && n.consumer != "":
		return hint.New("a durable consumer would remember that this was read, and not be given it again",
			"leave out consumer=")
	case n.readsNew() && (n.isBounded() || n.as == endpoint.Look):
		return errors.New("start=latest: a run with an end reads the messages that are there already")
	case n.as == endpoint.Look && !n.isBounded():
		n.until.Form = bounds.Latest
	case n.consumer == "" && !n.isBounded() && !n.keepsCheckpoint():
		return errKeepsNothing
	}
	for _, one := range n.splitSource() {
		if err := one.sourceOptions().Check(); err != nil {
			return err
		}
	}
	return nil
}

// errKeepsNothing is the error of a source without an end for which nobody
// keeps how far it was read.
var errKeepsNothing = hint.New("neither a consumer nor an end",
	"say consumer=NAME to go on where the last run ended, until=latest to stop behind the last "+
		"message that is there now, or --checkpoint FILE")

// rewrapsNot is why envelopes cannot be copied to a sink that maps subjects.
var rewrapsNot = hint.New(
	"an envelope is bound to the subject under which it is published, and subject= or strip= would change it",
	"leave them out, and write to a stream of another account or server that takes the same subjects; or to a "+
		".scx file, and from there")

// Traits implements endpoint.Endpoint.
func (n *stream) Traits() endpoint.Traits {
	t := endpoint.Traits{
		Name: n.name, Identity: "nats " + n.name, Context: n.stream, Files: n.listFiles(),
		Log: true, Endless: !n.isBounded(), TextHeaders: true, NoHeaderOrder: true, Effects: true,
		Times:         endpoint.NoTimes,
		OtherSubjects: n.was != (connector.SubjectMap{}),
		Subjects:      endpoint.OwnSubjects, MaxReadAhead: connector.MaxReadAhead, Mapping: n.subjects.String(),
	}
	t.NamesTopics, t.SeveralTopics = true, n.isSeveral()
	if t.Checkpoint = n.keepsCheckpoint(); t.Checkpoint && n.consumer == "" && !n.isBounded() {
		t.NeedsCheckpoint = errKeepsNothing
	}
	t.TopicOf = func(string) string { return n.stream }
	if t.SeveralTopics {
		t.TopicOf = func(place string) string { return place }
	}
	if n.template.IsMapped() {
		t.MapTopic, t.Mapping = n.template.NameFor, n.to
	}
	if n.subjects != (connector.SubjectMap{}) || n.template.IsMapped() {
		t.NoRewrap = rewrapsNot
	}
	return t
}
