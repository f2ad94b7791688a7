package demo

import (
	"context"
	"fmt"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/internal/route"
)

// The topics.
const (
	plainTopic  = "payments" // as the producer writes it
	sealedTopic = "payments.sealed"
	clearTopic  = "payments.clear" // decrypted again
)

const demoPartitions = 3

// kafkaDemo is one demonstration with Kafka's protocol.
type kafkaDemo struct {
	story
	*kafkaClient
	sealed []*kgo.Record // before anybody forges more
	first  *kgo.Record   // the first of them that is no tombstone
}

// RunKafka demonstrates with kfake, an imitation of Kafka's brokers in the
// process. Its errors are those of Run.
func RunKafka(ctx context.Context, o Options) (err error) {
	told, err := beginStory(o)
	if err != nil {
		return err
	}
	defer told.endStory(&err)
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(demoPartitions, plainTopic))
	if err != nil {
		return fmt.Errorf("kfake: %w", err)
	}
	defer cluster.Close()
	client, err := newKafkaClient(cluster.ListenAddrs()[0])
	if err != nil {
		return fmt.Errorf("kfake: %w", err)
	}
	defer client.producer.Close()

	d := &kafkaDemo{story: *told, kafkaClient: client}
	d.beginChapter("kfake, an imitation of Kafka's brokers, runs inside this process, at %s.", d.url)
	return tellSteps(ctx, d.makeKey, d.publishRecords, d.encryptTopic, d.inspectRecord, d.decryptTopic, d.forgeRecords,
		d.compareRecords)
}

func (d *kafkaDemo) publishRecords(ctx context.Context) error {
	d.beginChapter("A producer writes %d made-up payments to the topic %s. The first one:", d.Messages, plainTopic)
	start := time.Now()
	var records []*kgo.Record
	for m := range makePayments(d.Messages) {
		record, err := toRecord(m)
		if err != nil {
			return err
		}
		records = append(records, record)
	}
	if err := d.producer.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return err
	}
	first := records[0]
	d.writeLine("key      %s", first.Key)
	for _, h := range first.Headers {
		d.writeLine("header   %s: %s", h.Key, h.Value)
	}
	d.writeLine("value    %s", first.Value)
	d.writeLine("(%v)", time.Since(start).Round(time.Millisecond))
	return nil
}

func (d *kafkaDemo) encryptTopic(ctx context.Context) error {
	return d.runCommand(ctx, "encrypt", route.Encrypt, route.Config{
		From: d.url + "/" + plainTopic + "?group=encrypt&until=latest",
		To:   d.url + "/" + sealedTopic + "?create=true",
		Keys: []string{d.key}, Bind: []string{"header:" + boundHeader},
	})
}

func (d *kafkaDemo) decryptTopic(ctx context.Context) error {
	return d.runCommand(ctx, "decrypt", route.Decrypt, route.Config{
		From: d.url + "/" + sealedTopic + "?group=decrypt&until=latest",
		To:   d.url + "/" + clearTopic + "?create=true",
		Keys: []string{d.key}, Bind: []string{"header:" + boundHeader},
	})
}

func (d *kafkaDemo) inspectRecord(ctx context.Context) (err error) {
	if d.sealed, err = d.readTopic(ctx, sealedTopic); err != nil {
		return err
	}
	at := slices.IndexFunc(d.sealed, func(r *kgo.Record) bool { return r.Value != nil })
	if at < 0 {
		return fmt.Errorf("%s: no record has a value", sealedTopic)
	}
	d.first = d.sealed[at]
	d.beginChapter("Without a key, this can be seen of the first record in %s (key %s):", sealedTopic, d.first.Key)
	return d.showEnvelope(ctx, d.first.Value)
}

// forgeRecords does the things that somebody who may write to the topic, but
// has no key, could do with one envelope, and shows that each is refused.
func (d *kafkaDemo) forgeRecords(ctx context.Context) error {
	for _, forgery := range []struct {
		name   string
		change func(*kgo.Record)
	}{
		{"under another key", func(r *kgo.Record) { r.Key = []byte("other") }},
		{"for another tenant", func(r *kgo.Record) { setHeader(r, boundHeader, "bank-xx") }},
		{"with one bit flipped", func(r *kgo.Record) { r.Value[len(r.Value)/2] ^= 1 }},
	} {
		d.beginChapter("Somebody writes the first envelope to %s again, %s:", sealedTopic, forgery.name)
		forged := copyRecord(d.first)
		forgery.change(forged)
		if err := d.producer.ProduceSync(ctx, forged).FirstErr(); err != nil {
			return err
		}
		from := fmt.Sprintf("%s/%s?partitions=%d&start=%d&until=latest", d.url, sealedTopic,
			forged.Partition, forged.Offset)
		d.writeLine("$ streamcrypt verify --key local:key.jwk --bind header:%s --from '%s'", boundHeader, from)
		place := fmt.Sprintf("%s/%d@%d", sealedTopic, forged.Partition, forged.Offset)
		if err := d.verifyForged(ctx, route.Config{
			From: from, Keys: []string{d.key}, Bind: []string{"header:" + boundHeader},
		}, place); err != nil {
			return err
		}
	}
	return nil
}

// compareRecords compares every payment with the one that came back, and writes
// the result as the demonstration's last line.
func (d *kafkaDemo) compareRecords(ctx context.Context) error {
	d.beginChapter("Comparing partition, key, headers and value of all records in %s and %s.", plainTopic, clearTopic)
	before, err := d.readTopic(ctx, plainTopic)
	if err != nil {
		return err
	}
	after, err := d.readTopic(ctx, clearTopic)
	if err != nil {
		return err
	}
	n := countChanged(before, after)
	if _, err := fmt.Fprintf(d.Out, "\ndemo: %d encrypted, %d decrypted, %d differ\n", len(d.sealed), len(after),
		n); err != nil {
		return err
	}
	if n > 0 || len(d.sealed) != d.Messages || len(after) != d.Messages {
		return fmt.Errorf("%w: %d of %d", ErrDiffers, n, d.Messages)
	}
	return nil
}
