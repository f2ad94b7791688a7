package demo

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/connectors/nats"
)

// ErrDiffers says that the decrypted messages are not those that were
// encrypted.
var ErrDiffers = errors.New("messages differ")

// compareMessages compares every payment with the one that came back, field by
// field, and writes the result as the demonstration's last line.
func (d *demo) compareMessages(ctx context.Context) error {
	d.beginChapter("Comparing subject, headers, record key and value of all messages in %s and %s.", plain, inClear)
	encrypted, err := d.countMessages(ctx, sealed)
	if err != nil {
		return err
	}
	decrypted, err := d.countMessages(ctx, inClear)
	if err != nil {
		return err
	}
	before, err := d.readMessages(ctx, plain, d.Messages)
	if err != nil {
		return err
	}
	after, err := d.readMessages(ctx, inClear, min(decrypted, d.Messages))
	if err != nil {
		return err
	}
	n := countDifferent(before, after)
	if _, err := fmt.Fprintf(d.Out, "\ndemo: %d encrypted, %d decrypted, %d differ\n", encrypted, decrypted,
		n); err != nil {
		return err
	}
	if n > 0 || encrypted != d.Messages || decrypted != d.Messages {
		return fmt.Errorf("%w: %d of %d", ErrDiffers, n, d.Messages)
	}
	return nil
}

// countDifferent counts the messages that did not come back as they were. Order
// is not compared: these streams promise none.
func countDifferent(before, after []jetstream.Msg) (n int) {
	came := make(map[string]jetstream.Msg, len(after))
	for _, m := range after {
		came[m.Headers().Get(paymentHeader)] = m
	}
	for _, m := range before {
		other, ok := came[m.Headers().Get(paymentHeader)]
		if !ok || !sameMessage(m, other) {
			n++
		}
	}
	return n
}

// sameMessage compares two messages. Of the subject, the first word is the
// stream's.
func sameMessage(a, b jetstream.Msg) bool {
	return "clear."+a.Subject() == b.Subject() && bytes.Equal(a.Data(), b.Data()) &&
		maps.EqualFunc(carriedHeaders(a.Headers()), carriedHeaders(b.Headers()), slices.Equal)
}

// carriedHeaders are the headers that a message takes along from stream to
// stream.
func carriedHeaders(h natsgo.Header) natsgo.Header {
	out := maps.Clone(h)
	for _, name := range nats.Reserved() {
		out.Del(name)
		delete(out, name)
	}
	return out
}
