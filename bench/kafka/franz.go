package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

// franzProducer returns the options with which franz-go writes here:
// idempotent, all replicas, no compression, the same partition.
func franzProducer(j *job, batch int) []kgo.Opt {
	return append(franzBroker(j),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(kgo.NoCompression()),
		kgo.ProducerBatchMaxBytes(int32(max(batch, j.size+1024))),
		kgo.MaxBufferedBytes(64<<20),
		kgo.MaxBufferedRecords(1<<20),
	)
}

// franzBroker returns the options with which franz-go finds the broker.
func franzBroker(j *job) []kgo.Opt {
	options := []kgo.Opt{kgo.SeedBrokers(j.broker)}
	if j.dials != nil {
		options = append(options, kgo.DialTLSConfig(j.dials))
	}
	return options
}

// usualBatch is franz-go's own default, in bytes.
const usualBatch = 1_000_012

// franzMember returns the options of a member of the job's group that writes.
func franzMember(j *job) []kgo.Opt {
	return append(franzProducer(j, usualBatch),
		kgo.ConsumerGroup(j.group),
		kgo.ConsumeTopics(j.from),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
}

// sourceCodecs are how the batches of a fill may be compressed.
var sourceCodecs = map[string]kgo.CompressionCodec{
	"none": kgo.NoCompression(), "gzip": kgo.GzipCompression(), "snappy": kgo.SnappyCompression(),
	"lz4": kgo.Lz4Compression(), "zstd": kgo.ZstdCompression(),
}

// makeNoise returns n random bytes, or for a codec n random hex digits, which
// shrink to about half.
func makeNoise(n int, codec string) []byte {
	noise := make([]byte, n)
	for i := 0; i+8 <= n; i += 8 {
		binary.LittleEndian.PutUint64(noise[i:], rand.Uint64())
	}
	if codec == "none" {
		return noise
	}
	for i, b := range noise {
		noise[i] = "0123456789abcdef"[b&15]
	}
	return noise
}

// fillTopic writes records of random bytes, dealt out to the partitions.
func fillTopic(ctx context.Context, j *job) error {
	options := append(franzProducer(j, j.batch), kgo.ProducerLinger(50*time.Millisecond),
		kgo.ProducerBatchCompression(sourceCodecs[j.codec]))
	c, err := kgo.NewClient(options...)
	if err != nil {
		return err
	}
	defer c.Close()
	noise := makeNoise(1<<20+j.size, j.codec)
	var failed firstError
	for i := range j.records {
		at := rand.IntN(1 << 20)
		c.Produce(ctx, &kgo.Record{
			Topic: j.to, Partition: int32(i % j.partitions),
			Key: strconv.AppendInt(nil, int64(100_000_000+i), 10), Value: noise[at : at+j.size],
		}, func(_ *kgo.Record, err error) { failed.noteError(err) })
	}
	if err := c.Flush(ctx); err != nil {
		return err
	}
	return failed.checkError()
}

// franzCopy is a member of a group that writes the records that it reads. It is
// the loop of the client's examples, with marks that follow the
// acknowledgements of the broker.
func franzCopy(ctx context.Context, j *job, seal func(*kgo.Record)) error {
	c, err := kgo.NewClient(append(franzMember(j), kgo.ProducerLinger(5*time.Millisecond), kgo.AutoCommitMarks())...)
	if err != nil {
		return err
	}
	defer c.Close()
	var failed firstError
	for seen := 0; seen < j.records; {
		fetches := c.PollFetches(ctx)
		if err := fetches.Err(); err != nil {
			return err
		}
		if err := failed.checkError(); err != nil {
			return err
		}
		fetches.EachPartition(func(p kgo.FetchTopicPartition) {
			for i, in := range p.Records {
				last := i == len(p.Records)-1
				out := &kgo.Record{
					Topic: j.to, Partition: in.Partition,
					Key: in.Key, Value: in.Value, Headers: in.Headers, Timestamp: in.Timestamp,
				}
				if seal != nil {
					seal(out)
				}
				c.Produce(ctx, out, func(out *kgo.Record, err error) {
					if seal != nil {
						recycleBuffer(out)
					}
					switch {
					case err != nil:
						failed.noteError(err)
					case last: // acknowledged in order, so everything before it too
						c.MarkCommitRecords(in)
					}
				})
			}
			seen += len(p.Records)
		})
	}
	if err := c.Flush(ctx); err != nil {
		return err
	}
	if err := failed.checkError(); err != nil {
		return err
	}
	return c.CommitMarkedOffsets(ctx)
}

// sealed are the buffers of sealed values.
var sealed = sync.Pool{New: func() any { return new([]byte) }}

// recycleBuffer gives back the buffer of a record that has been written.
func recycleBuffer(r *kgo.Record) {
	b := r.Value[:0]
	sealed.Put(&b)
}

// sealEach encrypts every value with bare AES-256-GCM under one key: nonce,
// ciphertext, tag. There is no name of a key, nothing is bound, and there are
// no limits: it is the least that can be called encryption.
func sealEach() (func(*kgo.Record), error) {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		return nil, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, err
	}
	var counter uint64
	return func(r *kgo.Record) {
		counter++
		buf, ok := sealed.Get().(*[]byte)
		if !ok {
			return
		}
		dst := *buf
		if need := gcm.NonceSize() + len(r.Value) + gcm.Overhead(); cap(dst) < need {
			dst = make([]byte, 0, need)
		}
		dst = dst[:gcm.NonceSize()]
		clear(dst)
		binary.BigEndian.PutUint64(dst[gcm.NonceSize()-8:], counter)
		r.Value = gcm.Seal(dst, dst, r.Value, nil)
	}, nil
}

// firstError keeps the first of many.
type firstError struct{ err atomic.Pointer[error] }

func (f *firstError) noteError(err error) {
	if err != nil {
		f.err.CompareAndSwap(nil, &err)
	}
}

func (f *firstError) checkError() error {
	if err := f.err.Load(); err != nil {
		return fmt.Errorf("writing: %w", *err)
	}
	return nil
}
