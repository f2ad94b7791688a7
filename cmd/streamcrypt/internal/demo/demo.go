// Package demo shows streamcrypt at work: a server inside the process, made-up
// payments, one route that encrypts them and one that decrypts them, and how an
// envelope is refused that somebody moved or changed. Run has a NATS server;
// RunKafka has kfake, which speaks Kafka's protocol and is no broker to rely
// on.
//
//	story.go       the words of both, and the routes that they run
//	demo.go        that with NATS; broker.go, attack.go, compare.go
//	kafka.go       that with Kafka; kafkaclient.go
//	payments.go    the payments
//
// It uses the routes that the commands use, and is the only package of the
// program that contains a server. Everything that it makes is in a temporary
// folder and on the loopback interface, and gone when it returns.
package demo

import (
	"context"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/internal/route"
)

// The streams.
const (
	plain   = "PAYMENTS" // as the producer writes it
	sealed  = "SEALED"
	inClear = "CLEAR" // decrypted again
)

const (
	boundHeader   = "Tenant" // every envelope is bound to it
	paymentHeader = "Payment-Id"
)

// demo is one demonstration with NATS.
type demo struct {
	story
	*broker
}

// Run demonstrates. It returns an error if a step did not go well, or if
// messages differ.
func Run(ctx context.Context, o Options) (err error) {
	told, err := beginStory(o)
	if err != nil {
		return err
	}
	defer told.endStory(&err)
	b, err := startBroker(told.dir)
	if err != nil {
		return err
	}
	defer b.stopServer()

	d := &demo{story: *told, broker: b}
	d.beginChapter("A NATS server with JetStream runs inside this process, at %s.", d.url)
	return tellSteps(ctx, d.makeKey, d.publishPayments, d.encryptStream, d.inspectFirst, d.tryAttacks, d.decryptStream,
		d.compareMessages)
}

func (d *demo) publishPayments(ctx context.Context) error {
	d.beginChapter("A producer publishes %d made-up payments to the stream %s. The first one:", d.Messages, plain)
	start := time.Now()
	if err := d.makeStream(ctx, plain, "payments.>"); err != nil {
		return err
	}
	if err := d.sendMessages(ctx, makePayments(d.Messages)); err != nil {
		return err
	}
	first, err := d.getMessage(ctx, plain, 1)
	if err != nil {
		return err
	}
	d.writeLine("subject  %s", first.Subject)
	for _, name := range []string{paymentHeader, boundHeader, "Streamcrypt-Key"} {
		d.writeLine("header   %s: %s", name, first.Header.Get(name))
	}
	d.writeLine("value    %s", first.Data)
	d.writeLine("(%v)", time.Since(start).Round(time.Millisecond))
	return nil
}

func (d *demo) encryptStream(ctx context.Context) error {
	c := route.Config{
		From: d.url + "/" + plain + "?consumer=encrypt&until=latest",
		To:   d.url + "/" + sealed + "?subject=sealed.>&create=true",
		Keys: []string{d.key}, Bind: []string{"header:" + boundHeader},
	}
	return d.runCommand(ctx, "encrypt", route.Encrypt, c)
}

func (d *demo) decryptStream(ctx context.Context) error {
	c := route.Config{
		From: d.url + "/" + sealed + "?consumer=decrypt&until=latest",
		To:   d.url + "/" + inClear + "?subject=clear.>&strip=sealed&create=true",
		Keys: []string{d.key}, Bind: []string{"header:" + boundHeader},
	}
	return d.runCommand(ctx, "decrypt", route.Decrypt, c)
}

// inspectFirst shows the visible part of an envelope.
func (d *demo) inspectFirst(ctx context.Context) error {
	m, err := d.getMessage(ctx, sealed, 1)
	if err != nil {
		return err
	}
	d.beginChapter("Without a key, this can be seen of the first message in %s (subject %s):", sealed, m.Subject)
	return d.showEnvelope(ctx, m.Data)
}

// getMessage returns a message of a stream as it is stored.
func (d *demo) getMessage(ctx context.Context, stream string, sequence uint64) (*jetstream.RawStreamMsg, error) {
	s, err := d.js.Stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	return s.GetMsg(ctx, sequence)
}
