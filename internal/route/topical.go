package route

import (
	"container/list"
	"context"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// topical is the transform of one worker of a route over several topics: one
// transform for each context that the worker has met lately.
type topical struct {
	topicOf    func(place string) string
	contextFor func(topic string) (string, error)
	// open makes the transform for a topic and its context. The returned
	// function is called when that is not used any more.
	open func(topic, name string) (pipeline.Transform, func(), error)

	byTopic map[string]*list.Element // of *opened
	order   *list.List               // the one used last in front
	used    []*opened                // since the last Reset
	place   string                   // of the last message
	recent  *opened
	err     error // why the last message has no transform
}

// opened is the transform for one topic.
type opened struct {
	topic  string
	name   string
	inner  pipeline.Transform
	close  func()
	in     bool // used
	closed bool // to be closed by Reset
}

// maxOpened is how many topics a worker keeps a transform for.
const maxOpened = 1000

func newTopical(
	topicOf func(string) string, contextFor func(string) (string, error),
	open func(topic, name string) (pipeline.Transform, func(), error),
) *topical {
	return &topical{
		topicOf: topicOf, contextFor: contextFor, open: open,
		byTopic: make(map[string]*list.Element), order: list.New(),
	}
}

// choose returns the transform for a message; nil if there is none, and then
// t.err says why.
func (t *topical) choose(m *pipeline.Message) *opened {
	if t.recent != nil && t.place == m.Origin.Place {
		return t.noteUse(t.recent)
	}
	o := t.find(t.topicOf(m.Origin.Place))
	if o == nil {
		return nil
	}
	t.place, t.recent = m.Origin.Place, o
	return t.noteUse(o)
}

func (t *topical) noteUse(o *opened) *opened {
	if !o.in {
		o.in = true
		t.used = append(t.used, o)
	}
	return o
}

// find returns the transform of a topic, and makes it if there is none.
func (t *topical) find(topic string) *opened {
	if e := t.byTopic[topic]; e != nil {
		t.order.MoveToFront(e)
		return e.Value.(*opened)
	}
	o := &opened{topic: topic}
	if o.name, t.err = t.contextFor(topic); t.err != nil {
		return nil
	}
	if o.inner, o.close, t.err = t.open(topic, o.name); t.err != nil {
		return nil
	}
	t.byTopic[topic] = t.order.PushFront(o)
	if t.order.Len() > maxOpened {
		t.evict(t.order.Back())
	}
	return o
}

// evict forgets a transform. Memory of one that was used is still read until
// Reset.
func (t *topical) evict(e *list.Element) {
	o := t.order.Remove(e).(*opened)
	delete(t.byTopic, o.topic)
	if t.recent == o {
		t.recent = nil
	}
	if o.in {
		o.closed = true
		return
	}
	o.close()
}

// Reset implements pipeline.Transform.
func (t *topical) Reset() {
	for i, o := range t.used {
		o.inner.Reset()
		o.in = false
		if o.closed {
			o.close()
		}
		t.used[i] = nil
	}
	t.used = t.used[:0]
}

// Bound implements pipeline.Transform.
func (t *topical) Bound(m *pipeline.Message) int {
	if o := t.choose(m); o != nil {
		return o.inner.Bound(m)
	}
	return len(m.Value) // Append tells
}

// Append implements pipeline.Transform.
func (t *topical) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	if o := t.choose(m); o != nil {
		return o.inner.Append(ctx, dst, m)
	}
	return dst, t.err
}
