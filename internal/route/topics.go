package route

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/topicname"
	"github.com/streamcrypt/streamcrypt/keys"
)

// A route over several topics binds each envelope to the topic that holds the
// ciphertext, and has a data key for each. Everything here is about such
// routes.

// placeOfTopic is the template of the names that are the topics themselves.
const placeOfTopic = "{topic}"

// byTopic tells whether contexts depend on topics.
func (p *plan) byTopic() bool {
	return p.source.SeveralTopics || p.do == encrypt && p.sink.MapTopic != nil
}

// checkTopics refuses ends that do not agree about topics.
func (p *plan) checkTopics() error {
	if p.sink.MapTopic != nil && !p.source.NamesTopics {
		return &hint.Error{Err: fmt.Errorf("to: %s is a template, and %s has no topics", p.sink.Name, p.source.Name),
			Hint: "write the name of the topic"}
	}
	if p.dead != nil && p.dead.Traits().MapTopic != nil && !p.source.NamesTopics {
		return &hint.Error{Err: fmt.Errorf("%s: a template, and %s has no topics", endpoint.DeadLetters, p.source.Name),
			Hint: "write the name of the topic"}
	}
	if !p.source.SeveralTopics {
		return nil
	}
	if p.to != nil && p.sink.MapTopic == nil {
		return &hint.Error{Err: fmt.Errorf("to: %s is one destination for several topics", p.sink.Name),
			Hint: "name it with {topic} in it, such as {topic}.sealed"}
	}
	return nil
}

// readContexts reads the configured context as a template, if the end that
// holds the envelopes has topics.
func (p *plan) readContexts() (err error) {
	sealed := &p.source
	if p.do == encrypt {
		sealed = &p.sink
	}
	if !sealed.NamesTopics || !p.ContextSet && p.Context == "" {
		return nil
	}
	if p.contexts, err = topicname.Parse(p.Context); err != nil {
		return fmt.Errorf("context: %w", err)
	}
	if p.contexts.IsMapped() && !p.byTopic() { // there is one topic
		p.Context, err = p.contexts.NameFor(sealed.Context)
		p.contexts = topicname.Template{}
		return err
	}
	if p.byTopic() && !p.contexts.IsMapped() {
		return hint.New("context: one for several topics, and then an envelope could be moved from one to the other",
			"write --context with {topic} in it, or leave it out for the topic's name")
	}
	return nil
}

// describeContext names the context of all messages for the log, or says how it
// comes from the topic.
func (p *plan) describeContext() string {
	switch {
	case p.contexts.IsMapped():
		return p.contexts.String()
	case p.byTopic():
		return placeOfTopic
	}
	return string(p.context)
}

// contextFor returns the context of the messages of a topic of the source.
func (p *plan) contextFor(topic string) (name string, err error) {
	if p.do == encrypt && p.sink.MapTopic != nil {
		if topic, err = p.sink.MapTopic(topic); err != nil {
			return "", err
		}
	} else if p.do == encrypt {
		topic = p.sink.Context
	}
	if p.contexts.IsMapped() {
		return p.contexts.NameFor(topic)
	}
	return topic, nil
}

// announcer prepares the data keys of topics that begin to be read, so that
// workers need not wait for one after the other. A key that cannot be had shows
// when a message needs it.
type announcer struct {
	prepare func(ctx context.Context, topic string) error
	running sync.WaitGroup
	ctx     context.Context //nolint:containedctx // it ends with close
	stop    context.CancelFunc
	places  chan struct{}

	mu      sync.Mutex
	known   map[string]bool
	stopped bool
}

// mostPreparing is how many data keys are made at the same time.
const mostPreparing = 16

func newAnnouncer(prepare func(ctx context.Context, topic string) error) *announcer {
	ctx, stop := context.WithCancel(context.Background())
	return &announcer{
		prepare: prepare, ctx: ctx, stop: stop,
		places: make(chan struct{}, mostPreparing), known: make(map[string]bool),
	}
}

// announce implements endpoint.Session.Announce.
func (a *announcer) announce(topic string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.known[topic] || a.stopped {
		return
	}
	a.known[topic] = true
	a.running.Go(func() {
		select {
		case a.places <- struct{}{}:
			defer func() { <-a.places }()
		case <-a.ctx.Done():
			return
		}
		if a.prepare(a.ctx, topic) != nil {
			a.mu.Lock()
			defer a.mu.Unlock()
			delete(a.known, topic) // the next lane tries again
		}
	})
}

// close ends the preparations.
func (a *announcer) close() error {
	a.mu.Lock()
	a.stopped = true
	a.mu.Unlock()
	a.stop()
	a.running.Wait()
	return nil
}

// firstContext returns the context of a topic that the source has now.
func (p *plan) firstContext(in *endpoint.Source) (string, error) {
	if in.Topics == nil {
		return "", errors.New("the source names no topics")
	}
	topics := in.Topics()
	if len(topics) == 0 {
		return "", errors.New("the source has no topic")
	}
	return p.contextFor(topics[0])
}

// keyContextOf returns the context of the data keys in the envelopes of a place
// of several topics.
func (p *plan) keyContextOf(place string) (keys.Context, error) {
	if p.KeyContext != "" {
		return keys.Context{Name: p.KeyContext}, nil
	}
	name, err := p.contextFor(p.source.TopicOf(place))
	return keys.Context{Name: name}, err
}
