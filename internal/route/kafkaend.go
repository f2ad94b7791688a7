package route

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// kafkaEnd is a topic as its URL says: kafka://HOST:PORT[,HOST:PORT]/TOPIC?...
type kafkaEnd struct {
	conn  kafkaConn
	topic string

	// Of a source:
	group      string
	start      kafka.Start
	until      kafka.Until
	partitions []int32
	rack       string

	// Of a sink:
	create      bool
	partition   kafka.Partitioning
	delivery    kafka.Delivery
	compression batch.Compression
}

func readKafkaEnd(a *address.Address, as role) (*kafkaEnd, error) {
	switch {
	case len(a.Hosts) == 0 || a.Path == "":
		return nil, &hint.Error{Err: errors.New("no topic"), Hint: "write kafka://HOST:PORT/TOPIC"}
	case slices.Contains(a.Hosts, ""):
		return nil, &hint.Error{Err: errors.New("no host"), Hint: "write kafka://HOST:PORT/TOPIC; several brokers stand between commas"}
	}
	k := &kafkaEnd{topic: a.Path}
	p := a.Params()
	err := k.conn.read(a.Hosts, p)
	if as == source {
		err = errors.Join(err, k.readSource(p))
	} else {
		k.readSink(p, as)
	}
	if unknown := p.Check(); unknown != nil {
		return nil, unknown // before an error about a value that is misread for want of another
	}
	return k, err
}

func (k *kafkaEnd) readSource(p *address.Params) (err error) {
	k.group, k.rack = p.ReadText(address.Param{Name: "group"}), p.ReadText(address.Param{Name: "rack"})
	start, until, partitions := p.ReadText(address.Param{Name: "start"}), p.ReadText(address.Param{Name: "until"}), p.ReadList(address.Param{Name: "partitions"})
	if k.start, err = readKafkaStart(start); err != nil {
		return err
	}
	if k.until, err = readKafkaUntil(until); err != nil {
		return err
	}
	k.partitions, err = readPartitions(partitions)
	return err
}

// readKafkaStart reads where partitions begin of which the group has no offset.
func readKafkaStart(text string) (kafka.Start, error) {
	switch text {
	case "", "beginning":
		return kafka.Start{}, nil
	case "new":
		return kafka.Start{New: true}, nil
	}
	offset, at, ok := offsetOrTime(text)
	if !ok {
		return kafka.Start{}, &hint.Error{
			Err:  fmt.Errorf("parameter start: %q is not a place in a topic", text),
			Hint: "start= is beginning, new, an offset, or a time such as 2006-01-02T15:04:05Z",
		}
	}
	return kafka.Start{Offset: offset, Time: at}, nil
}

// readKafkaUntil reads where a run ends.
func readKafkaUntil(text string) (kafka.Until, error) {
	switch text {
	case "":
		return kafka.Until{}, nil
	case "end":
		return kafka.Until{End: true}, nil
	}
	offset, at, ok := offsetOrTime(text)
	if !ok || offset == 0 && at.IsZero() {
		return kafka.Until{}, &hint.Error{
			Err:  fmt.Errorf("parameter until: %q is not an end", text),
			Hint: "until= is end, an offset from 1, or a time such as 2006-01-02T15:04:05Z",
		}
	}
	return kafka.Until{Offset: offset, Time: at}, nil
}

func offsetOrTime(text string) (offset int64, at time.Time, ok bool) {
	if n, err := strconv.ParseUint(text, 10, 63); err == nil {
		return int64(n), time.Time{}, true
	}
	at, err := time.Parse(time.RFC3339, text)
	return 0, at, err == nil
}

func readPartitions(list []string) ([]int32, error) {
	var partitions []int32
	for _, text := range list {
		n, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return nil, &hint.Error{Err: fmt.Errorf("parameter partitions: %q is not a number", text), Hint: "write partitions=0,3"}
		}
		partitions = append(partitions, int32(n))
	}
	return partitions, nil
}

var compressions = map[string]batch.Compression{
	"none": batch.None, "gzip": batch.Gzip, "snappy": batch.Snappy, "lz4": batch.LZ4, "zstd": batch.Zstd,
}

func (k *kafkaEnd) readSink(p *address.Params, as role) {
	k.create = p.ReadBool(address.Param{Name: "create"})
	k.compression = compressions[p.ReadWord(address.Param{Name: "compression", Words: []string{"none", "gzip", "snappy", "lz4", "zstd"}})]
	if as == deadLetter {
		return // they go where their messages come from, and as those go
	}
	if p.ReadWord(address.Param{Name: "partition", Words: []string{"same", "key"}}) == "key" {
		k.partition = kafka.ByKey
	}
	switch p.ReadWord(address.Param{Name: "delivery", Words: []string{"exactly-once", "at-least-once"}}) {
	case "exactly-once":
		k.delivery = kafka.ExactlyOnce
	case "at-least-once":
		k.delivery = kafka.AtLeastOnce
	}
}

// checkRun refuses what a group cannot do, and what an end cannot.
func (k *kafkaEnd) checkRun() error {
	switch bounded := k.until.Bounded(); {
	case bounded && k.start.New:
		return errors.New("start=new: a run with an end reads what is there already")
	case bounded:
		return nil
	case k.group == "":
		return &hint.Error{
			Err:  errors.New("neither a group nor an end"),
			Hint: "say group=NAME to be a member of a consumer group, or until=end to stop at what is there now",
		}
	case k.partitions != nil:
		return &hint.Error{
			Err:  errors.New("partitions: a group deals them out itself"),
			Hint: "say until=end to read some partitions to their end, or leave out partitions=",
		}
	}
	return nil
}
