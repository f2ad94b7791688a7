package nats

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/nats-io/nats.go/jetstream"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// Rights are subjects. Subjects of a request begin with the API's.
const (
	publishRight   = "publish "
	subscribeRight = "subscribe "
)

// findAPI returns the subject before the requests of the API, with its final
// dot.
func (n *stream) findAPI() string { return n.conn.APISubjects() }

// Needs implements endpoint.Checker.
func (n *stream) Needs() []findings.Need {
	if n.template.IsMapped() {
		return nil // of streams that only the source names
	}
	var needs []findings.Need
	for _, one := range n.splitSource() {
		needs = append(needs, one.listNeeds()...)
	}
	if !n.as.Reads() {
		needs = n.listNeeds()
	}
	needs = append(needs, newNeed(subscribeRight, n.conn.InboxSubjects()))
	if n.service != "" {
		needs = append(needs, newNeed(subscribeRight, "$SRV.>"), newNeed(subscribeRight, n.service+".status"))
	}
	return needs
}

// listNeeds lists the subjects to publish to for one stream.
func (n *stream) listNeeds() []findings.Need {
	api := n.findAPI()
	subjects := []string{api + "STREAM.INFO." + n.stream}
	if n.as.Reads() {
		subjects = append(subjects, n.listSourceSubjects()...)
	} else {
		subjects = append(subjects, api+"STREAM.MSG.GET."+n.stream)
		if n.create {
			subjects = append(subjects, api+createStream+n.stream)
		}
		if pattern := n.subjects.Pattern(); pattern != ">" {
			subjects = append(subjects, pattern)
		} else {
			subjects = append(subjects, n.takes...)
		}
	}
	var needs []findings.Need
	for _, subject := range subjects {
		needs = append(needs, newNeed(publishRight, subject))
	}
	return needs
}

func (n *stream) listSourceSubjects() []string {
	api := n.findAPI()
	var subjects []string
	if n.isBounded() {
		subjects = append(subjects, api+"STREAM.MSG.GET."+n.stream)
	}
	if n.consumer == "" {
		return append(subjects,
			api+createConsumer+n.stream+".>", api+"CONSUMER.INFO."+n.stream+".*",
			api+"CONSUMER.MSG.NEXT."+n.stream+".*", api+"CONSUMER.DELETE."+n.stream+".*", "$JS.ACK."+n.stream+".>")
	}
	name := n.stream + "." + n.consumer
	filter := ""
	if len(n.filters) == 1 { // then it is part of the request's subject
		filter = "." + n.filters[0]
	}
	subjects = append(subjects,
		api+"CONSUMER.INFO."+name, api+"CONSUMER.MSG.NEXT."+name, "$JS.ACK."+name+".>",
		api+createConsumer+name+filter)
	if len(n.filters) > 0 {
		subjects = append(subjects, api+"CONSUMER.LIST."+n.stream)
	}
	if n.shared {
		return subjects
	}
	bucket := "$KV." + n.lease + ".>"
	if api != jetstream.DefaultAPIPrefix {
		bucket = api + bucket
	}
	return append(subjects,
		api+"CONSUMER.RESET."+name, api+"STREAM.INFO."+bucketOf(n.lease), api+"DIRECT.GET."+bucketOf(n.lease)+".>",
		bucket)
}

// bucketOf returns the stream of a KV bucket.
func bucketOf(bucket string) string { return "KV_" + bucket }

// Requests that make something, which may be there already.
const (
	createConsumer = "CONSUMER.CREATE."
	createStream   = "STREAM.CREATE."
)

// dropNeed drops the right to make something that is there.
func (n *stream) dropNeed(found *endpoint.Checked, request string) {
	found.Needs = slices.DeleteFunc(found.Needs, func(need findings.Need) bool {
		return strings.HasPrefix(need.Right, publishRight+n.findAPI()+request)
	})
}

// newNeed returns a right, with the lines of a server's configuration that give
// it.
func newNeed(right, subject string) findings.Need {
	verb := strings.TrimSpace(right)
	return findings.Need{
		Right: right + subject, State: findings.Unknown,
		Grant: fmt.Sprintf("permissions { %s { allow: [%q] } }", verb, subject),
	}
}

// settleNeeds fills in which of the rights are there, if the server tells.
func settleNeeds(ctx context.Context, conn *connector.Conn, needs []findings.Need) {
	permissions := connector.ReadPermissions(ctx, conn)
	if permissions == nil {
		return
	}
	for i := range needs {
		subject, publishes := strings.CutPrefix(needs[i].Right, publishRight)
		given := publishes && permissions.MayPublish(subject)
		if !publishes {
			given = permissions.MaySubscribe(strings.TrimPrefix(subject, subscribeRight))
		}
		needs[i].State = findings.Missing
		if given {
			needs[i].State = findings.Given
		}
	}
}

// beginCheck connects, and finds out about the rights.
func (n *stream) beginCheck(ctx context.Context, s *endpoint.Session) (*connector.Conn, *endpoint.Checked, error) {
	conn, err := n.connect(ctx, s)
	if err != nil {
		return nil, nil, err
	}
	found := &endpoint.Checked{Report: findings.Report{Needs: n.Needs()}}
	settleNeeds(ctx, conn, found.Needs)
	return conn, found, nil
}

// CheckSource implements endpoint.Checker.
func (n *stream) CheckSource(ctx context.Context, s *endpoint.Session) (*endpoint.Checked, error) {
	conn, found, err := n.beginCheck(ctx, s)
	if err != nil {
		return nil, err
	}
	for _, one := range n.splitSource() {
		one.checkStream(ctx, s, conn, found)
	}
	if n.consumer == "" || n.shared {
		return found, nil
	}
	if there, err := connector.HasStream(ctx, conn, bucketOf(n.lease)); err == nil && !there {
		found.Makes = append(found.Makes, "KV bucket "+n.lease+", for the owner of the consumer and the id secret")
	}
	n.checkState(ctx, s, found)
	return found, nil
}

// checkStream looks at one stream of a source.
func (n *stream) checkStream(
	ctx context.Context, s *endpoint.Session, conn *connector.Conn, found *endpoint.Checked,
) {
	o := n.sourceOptions()
	o.ReadAhead, o.Log = s.ReadAhead, s.Log
	look, err := connector.LookAtSource(ctx, conn, o)
	if err != nil {
		found.AddProblem(err)
		return
	}
	found.Lanes++
	if settings, err := connector.ReadSettings(ctx, conn, n.stream); err == nil {
		found.MaxMessage = max(found.MaxMessage, settings.MaxMessage)
	}
	found.Largest = max(found.Largest, look.ReadAheadBytes)
	found.AddFact("messages", "%d of %d bytes in the stream", look.Messages, look.Bytes)
	found.AddFact("waiting", "%d messages", look.Waiting)
	switch {
	case n.consumer == "":
	case look.Exists:
		n.dropNeed(found, createConsumer)
		found.AddFact("consumer", "%s, which exists", n.consumer)
		found.AddProblem(look.Drift)
	default:
		found.Makes = append(found.Makes, "durable consumer "+n.consumer+" of stream "+n.stream)
	}
}

// CheckSink implements endpoint.Checker. To open a sink changes nothing if the
// stream is there; only that is asked for here.
func (n *stream) CheckSink(ctx context.Context, s *endpoint.Session, _ *endpoint.Checked) (*endpoint.Checked, error) {
	conn, found, err := n.beginCheck(ctx, s)
	if err != nil {
		return nil, err
	}
	if n.template.IsMapped() {
		found.AddFact("streams", "%s, one for each stream of the source; each is looked at when it is opened", n.stream)
		return found, nil
	}
	found.Delivery = "at-least-once, doubles dropped within the stream's duplicates window"
	if n.create {
		there, err := connector.HasStream(ctx, conn, n.stream)
		if err != nil {
			found.AddProblem(fmt.Errorf("nats stream %s: %w", n.stream, err))
			return found, nil
		}
		if !there {
			found.Makes = append(found.Makes, "stream "+n.stream)
			return found, nil
		}
		n.dropNeed(found, createStream)
	}
	o := n.sinkOptions()
	o.Create, o.CreateSubjects, o.Log = false, nil, s.Log
	sink, err := connector.NewSink(ctx, conn, o)
	if err != nil {
		found.AddProblem(err)
		return found, nil
	}
	found.Warnings, found.MaxMessage = slices.Concat(found.Warnings, sink.Warnings()), sink.Limit()
	found.AddFact("subjects", "%q", sink.StreamSubjects())
	return found, nil
}
