package demo

import (
	"bytes"
	"context"
	"fmt"
	"maps"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// tryAttacks does the things that somebody who may write to the server, but has
// no key, could do with one envelope, and shows that each is refused. It
// deletes the messages that it has written.
func (d *demo) tryAttacks(ctx context.Context) error {
	first, err := d.getMessage(ctx, sealed, 1)
	if err != nil {
		return err
	}
	for _, a := range []struct {
		what   string
		change func(*natsgo.Msg)
	}{
		{"under another subject", func(m *natsgo.Msg) { m.Subject += ".copy" }},
		{"under another record key", func(m *natsgo.Msg) { m.Header.Set(nats.KeyHeader, "b3RoZXI") }},
		{"for another tenant", func(m *natsgo.Msg) { m.Header.Set(boundHeader, "bank-xx") }},
		{"with one bit flipped", func(m *natsgo.Msg) { m.Data[len(m.Data)/2] ^= 1 }},
	} {
		d.beginChapter("Somebody writes the first envelope to %s again, %s:", sealed, a.what)
		m := copyMessage(first)
		a.change(m)
		if err := d.showRefusal(ctx, m); err != nil {
			return err
		}
	}
	return nil
}

// copyMessage makes a stored message ready to be published again.
func copyMessage(m *jetstream.RawStreamMsg) *natsgo.Msg {
	c := natsgo.NewMsg(m.Subject)
	c.Header = maps.Clone(m.Header)
	c.Header.Del(jetstream.MsgIDHeader) // or the server would take it for the same message
	c.Data = bytes.Clone(m.Data)
	return c
}

// showRefusal stores a message behind the others, shows how it is refused, and
// deletes it.
func (d *demo) showRefusal(ctx context.Context, m *natsgo.Msg) error {
	ack, err := d.js.PublishMsg(ctx, m)
	if err != nil {
		return err
	}
	from := fmt.Sprintf("%s/%s?start=%d", d.url, sealed, ack.Sequence)
	d.writeLine("$ streamcrypt verify --key local:key.jwk --bind header:%s --from '%s'", boundHeader, from)
	if err := d.verifyForged(ctx, route.Config{
		From: from, Keys: []string{d.key}, Bind: []string{"header:" + boundHeader},
	}, fmt.Sprintf("%s@%d", sealed, ack.Sequence)); err != nil {
		return err
	}
	s, err := d.js.Stream(ctx, sealed)
	if err != nil {
		return err
	}
	return s.DeleteMsg(ctx, ack.Sequence)
}
