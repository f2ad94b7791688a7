package nats

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// denials are the permission violations of a connection. The server reports
// them apart from the publish that it refused, which is then simply not
// answered.
type denials struct {
	mu   sync.Mutex
	last []denial // the newest one last
	// requests are the subjects of all requests to the API that were refused:
	// there are few of them.
	requests map[string]bool
}

type denial struct {
	err     error
	subject string
	at      time.Time
}

const (
	// maxDenials is how many violations are kept, and maxRequests how many
	// subjects.
	maxDenials  = 32
	maxRequests = 256
)

// noteDenial keeps a violation.
func (d *denials) noteDenial(err error) {
	_, subject, _ := strings.Cut(err.Error(), `"`)
	subject = strings.TrimRight(subject, `"`)
	d.mu.Lock()
	defer d.mu.Unlock()
	if len(d.last) == maxDenials {
		d.last = slices.Delete(d.last, 0, 1)
	}
	d.last = append(d.last, denial{err: err, subject: subject, at: time.Now()})
	if d.requests == nil {
		d.requests = map[string]bool{}
	}
	if len(d.requests) < maxRequests && !strings.HasPrefix(subject, ackPrefix) {
		d.requests[subject] = true
	}
}

// findSubject returns the newest violation since t of a subject.
func (d *denials) findSubject(t time.Time, subject string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range slices.Backward(d.last) {
		if one.subject == subject && one.at.After(t) {
			return one.err
		}
	}
	return nil
}

// findSince returns the newest violation since t: with prefixes, of a subject
// that begins with one of them.
func (d *denials) findSince(t time.Time, prefixes []string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, one := range slices.Backward(d.last) {
		fits := func(prefix string) bool { return strings.HasPrefix(one.subject, prefix) }
		if one.at.After(t) && (len(prefixes) == 0 || slices.ContainsFunc(prefixes, fits)) {
			return one.err
		}
	}
	return nil
}

// deniedSince returns the last permission violation if it is newer than t; with
// prefixes, the last one of a subject that begins with one of them. Somebody
// may grant the right: its cause may pass.
func (c *Conn) deniedSince(t time.Time, prefixes ...string) error {
	if err := c.denials.findSince(t, prefixes); err != nil {
		return pipeline.Passing(err)
	}
	return nil
}

// deniedPublish returns the last permission violation of a subject if it is
// newer than t.
func (c *Conn) deniedPublish(t time.Time, subject string) error {
	if err := c.denials.findSubject(t, subject); err != nil {
		return pipeline.Passing(err)
	}
	return nil
}

// explainSince returns err, or the permission violation that came since t and
// is its cause: a request that is not allowed gets no answer, and would end as
// one that took too long.
func (c *Conn) explainSince(t time.Time, err error, prefixes ...string) error {
	if err == nil || !isUnanswered(err) {
		return err
	}
	if denied := c.deniedSince(t, prefixes...); denied != nil {
		return denied
	}
	return err
}

// isUnanswered tells whether no answer came to a request.
func isUnanswered(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, natsgo.ErrTimeout) ||
		errors.Is(err, natsgo.ErrNoResponders) || errors.Is(err, jetstream.ErrNoStreamResponse)
}

// isRefused tells whether the server has refused a request to the API.
func (d *denials) isRefused(subject string) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return d.requests[subject]
}

// inboxPrefix begins the subjects under which answers come, unless a context
// says otherwise.
const inboxPrefix = "_INBOX."

// bucketSubjects returns the prefixes of the subjects of requests to a bucket.
func (c *Conn) bucketSubjects(bucket string) []string {
	stream := "KV_" + bucket
	return []string{
		c.apiSubject("STREAM.INFO." + stream), c.apiSubject("STREAM.CREATE." + stream), c.apiSubject("INFO"),
		c.apiSubject("DIRECT.GET." + stream), c.apiSubject("STREAM.MSG.GET." + stream),
		"$KV." + bucket + ".", c.apiSubject("$KV." + bucket + "."), c.inboxSubject(),
	}
}

// streamSubjects returns the prefixes of the subjects of requests about a
// stream and its consumers.
func (c *Conn) streamSubjects(stream string) []string {
	var prefixes []string
	for _, request := range [...]string{
		"STREAM.INFO.", "STREAM.MSG.GET.", "STREAM.CREATE.", "STREAM.UPDATE.", "CONSUMER.INFO.", "CONSUMER.CREATE.",
		"CONSUMER.DURABLE.CREATE.", "CONSUMER.MSG.NEXT.", "CONSUMER.RESET.", "CONSUMER.LIST.", "CONSUMER.DELETE.",
	} {
		prefixes = append(prefixes, c.apiSubject(request+stream))
	}
	return append(prefixes, ackPrefix+stream+".", c.inboxSubject())
}

// explainStream is explainSince for a request about a stream.
func (c *Conn) explainStream(t time.Time, stream string, err error) error {
	return c.explainSince(t, err, c.streamSubjects(stream)...)
}
