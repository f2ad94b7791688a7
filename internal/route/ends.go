package route

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/kafka"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// input is an open source and what a route must know of it.
type input struct {
	pipeline.Source
	kafka   *kafka.Source                // the same; nil if it is another kind
	id      identity                     // of the source as a whole
	place   func(string) transform.Place // how positions name a place of the pipeline; nil: all of them by id
	name    string                       // for a checkpoint; "" if the URL says it
	ordered bool                         // messages come in the order of their offsets
	bounded bool                         // it has an end of its own, and is known to
	text    bool                         // header values are text
	largest int                          // bytes that one read may hold
	lanes   int                          // most that are served at the same time
	// progress fills in Done, Total and Unit.
	progress func(*Snapshot)
	ackWait  time.Duration // after which a message may come again; 0 if none does
}

// output is an open sink and what a route must know of it.
type output struct {
	pipeline.Sink
	subject func(dst, subject []byte) ([]byte, error) // nil: as it is
	check   func(m *pipeline.Message, size int) error // nil: everything can be carried
	text    bool                                      // header values are text
	atOnce  bool                                      // nothing of it stays unless the source is read to its end
}

// opener opens the ends of one route, and remembers what has to be closed.
type opener struct {
	*plan
	closers    *closers
	conns      map[nats.ConnOptions]*nats.Conn
	clusters   map[kafkaConn]*cluster.Cluster
	topics     map[string]role // of Kafka, by cluster and name: what each is for
	checkpoint *file.Checkpoint
}

// connect returns the connection with these options; both ends of a route may share it.
func (o *opener) connect(ctx context.Context, c nats.ConnOptions) (*nats.Conn, error) {
	if conn, ok := o.conns[c]; ok {
		return conn, nil
	}
	with := c
	with.Log = o.env.Log
	conn, err := nats.Connect(ctx, with)
	if err != nil {
		return nil, err
	}
	o.closers.add(func() error { conn.Close(); return nil })
	if o.conns == nil {
		o.conns = map[nats.ConnOptions]*nats.Conn{}
	}
	o.conns[c] = conn
	return conn, nil
}

// openCheckpoint opens the configured checkpoint, if any. A file is opened with it; what other sources are called, and that it
// is the same as before, is known only when they are open.
func (o *opener) openCheckpoint(in *input) (err error) {
	if o.Checkpoint == "" || (in == nil) != (o.from.file != nil) {
		return nil
	}
	from := o.from.id(source)
	if in != nil && in.name != "" {
		from = in.name
	}
	to := ""
	if o.do != verify {
		to = o.to.id(sink)
	}
	if o.checkpoint, err = file.OpenCheckpoint(o.Checkpoint, from, to); err != nil {
		return err
	}
	o.closers.add(o.checkpoint.Close)
	return nil
}

// source opens the end that is read. archive is for a seq.
func (o *opener) source(ctx context.Context, archive format.Archive) (*input, error) {
	switch {
	case o.from.kafka != nil:
		return o.kafkaSource(ctx, o.from.kafka)
	case o.from.nats != nil:
		return o.natsSource(ctx, o.from.nats)
	}
	return o.fileSource(o.from.file, archive)
}

func (o *opener) fileSource(f *fileEnd, archive format.Archive) (*input, error) {
	most := o.maxRecord()
	s, err := file.NewSource(file.SourceOptions{
		Path: f.path, Format: f.format, Archive: archive,
		Checkpoint: o.checkpoint, MaxRecord: most, Stdin: o.env.Stdin,
	})
	if err != nil {
		return nil, err
	}
	in := &input{Source: s, ordered: true, lanes: 1, largest: 2 * most} // it is read into one buffer and kept in another
	if f.path != file.Stream {
		info, err := os.Stat(f.path)
		if err != nil {
			return nil, err
		}
		in.bounded = info.Mode().IsRegular()
	}
	in.progress = func(snap *Snapshot) {
		read, total := s.Progress()
		snap.Done, snap.Total, snap.Unit = read, max(0, total), Bytes
	}
	in.id, err = fileIdentity(o.fileID())
	return in, err
}

// fileID names the file that is read: for ever with a checkpoint, else for this run.
func (o *opener) fileID() (id [16]byte) {
	if o.checkpoint != nil {
		return o.checkpoint.FileID()
	}
	rand.Read(id[:])
	return id
}

// maxRecord is the longest line or record of a file that is read, in bytes: twice what a worker has for a whole batch.
func (o *opener) maxRecord() int {
	return min(2*o.budget(), format.DefaultMaxRecord)
}

// budget is the memory of a worker, in bytes.
func (o *opener) budget() int {
	if o.Budget <= 0 {
		return pipeline.DefaultBudget
	}
	return int(o.Budget)
}

func (o *opener) natsSource(ctx context.Context, n *natsEnd) (*input, error) {
	conn, err := o.connect(ctx, n.conn)
	if err != nil {
		return nil, err
	}
	s, err := nats.NewSource(ctx, conn, nats.SourceOptions{
		Stream: n.stream, Consumer: n.consumer, Filters: n.filters, Start: n.start, UntilEnd: n.untilEnd,
		AckWait: n.ackWait, ReadAhead: int(o.ReadAhead), Log: o.env.Log,
	})
	if err != nil {
		return nil, err
	}
	in := &input{Source: s, ordered: s.Ordered(), bounded: n.untilEnd, text: true, lanes: 1, largest: s.ReadAheadBytes()}
	in.ackWait = s.ConsumerAckWait()
	in.progress = func(snap *Snapshot) {
		snap.Done, snap.Unit = snap.Messages, Messages
		if n.untilEnd {
			snap.Total = int64(s.Backlog())
		}
	}
	in.id, err = streamIdentity(s.Identity())
	return in, err
}

// sink opens the end that is written. archive is for a seq.
func (o *opener) sink(ctx context.Context, in *input, archive format.Archive) (*output, error) {
	switch {
	case o.do == verify:
		return &output{Sink: discard{}}, nil
	case o.to.kafka != nil:
		return o.kafkaSink(ctx, o.to.kafka, in)
	case o.to.nats != nil:
		s, err := o.natsSink(ctx, o.to.nats, in)
		if err != nil {
			return nil, err
		}
		return &output{Sink: s, subject: o.to.nats.subject, check: s.Check, text: true}, nil
	}
	f := o.to.file
	s, err := file.NewSink(file.SinkOptions{
		Path: f.path, Format: f.format, Archive: archive,
		Overwrite: o.Overwrite, Append: f.append, Checkpoint: o.checkpoint, Ordered: in.ordered, Stdout: o.env.Stdout,
	})
	if err != nil {
		return nil, err
	}
	atOnce := o.from.file != nil && o.checkpoint == nil && f.path != file.Stream && !f.append && replaceable(f.path)
	if err := o.checkFree(f); err != nil {
		return nil, err
	}
	return &output{Sink: s, check: s.Check, atOnce: atOnce}, nil
}

// replaceable tells whether a path is free or a regular file.
func replaceable(path string) bool {
	info, err := os.Stat(path)
	return err != nil || info.Mode().IsRegular()
}

// checkFree says before anything has been read what the sink would say only then: the output exists, or cannot. With a
// checkpoint the sink knows better.
func (o *opener) checkFree(f *fileEnd) error {
	if o.checkpoint != nil || f.path == file.Stream {
		return nil
	}
	info, err := os.Stat(f.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_, err = os.Stat(filepath.Dir(f.path))
	case err == nil && info.Mode().IsRegular() && !o.Overwrite && !f.append:
		err = fmt.Errorf("%s: %w", f.path, fs.ErrExist)
	}
	return err
}

func (o *opener) natsSink(ctx context.Context, n *natsEnd, in *input) (*nats.Sink, error) {
	conn, err := o.connect(ctx, n.conn)
	if err != nil {
		return nil, err
	}
	s, err := nats.NewSink(ctx, conn, nats.SinkOptions{
		Stream: n.stream, Subjects: n.subjects, Create: n.create, CreateSubjects: n.takes,
		Incarnation: in.id.String(), SourceAckWait: in.ackWait, Log: o.env.Log,
	})
	if err != nil {
		return nil, err
	}
	for _, w := range s.Warnings() {
		o.env.Log.Warn(w)
	}
	return s, nil
}

// letters opens what receives dead letters; nil if nothing does.
func (o *opener) letters(ctx context.Context, in *input) (s pipeline.Sink, err error) {
	switch {
	case o.dead == nil:
		return nil, nil
	case o.dead.kafka != nil:
		s, err = o.kafkaLetters(ctx, o.dead.kafka, in)
	case o.dead.nats != nil:
		s, err = o.natsLetters(ctx, o.dead.nats, in)
	default:
		s, err = o.fileLetters(o.dead.file)
	}
	if err != nil {
		return nil, hint.Prefix(string(deadLetter), err)
	}
	return s, nil
}

func (o *opener) natsLetters(ctx context.Context, n *natsEnd, in *input) (pipeline.Sink, error) {
	s, err := o.natsSink(ctx, n, in)
	return letterSink{s}, err
}

func (o *opener) fileLetters(f *fileEnd) (pipeline.Sink, error) {
	s, err := file.NewSink(file.SinkOptions{
		Path: f.path, Format: f.format, Append: f.path != file.Stream, Stdout: o.env.Stdout,
	})
	return &sharedSink{Sink: letterSink{s}}, err
}

// closers are what has to be let go, in reverse order.
type closers struct{ all []func() error }

func (c *closers) add(f func() error) { c.all = append(c.all, f) }

// close may be called more than once.
func (c *closers) close() error {
	var err error
	for n := len(c.all) - 1; n >= 0; n-- {
		err = errors.Join(err, c.all[n]())
	}
	c.all = nil
	return err
}
