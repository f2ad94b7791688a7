package file

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	connector "github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/checkpoint"
)

// OpenSource implements endpoint.Records.
func (f *recordFile) OpenSource(_ context.Context, s *endpoint.Session) (*endpoint.Source, error) {
	kept, err := checkpoint.Open(s, f.identity(), s.To)
	if err != nil {
		return nil, err
	}
	most := largestRecord(s.Budget)
	o := connector.SourceOptions{
		NoteReplaced: newReplacedNote(s, f.name),
		Path:         f.path, Format: f.format, Compression: f.compression, Key: f.key, Archive: s.Archive,
		Checkpoint: kept, MaxRecord: most, Stdin: s.Stdin, Observer: s.Watch,
	}
	f.limits.apply(&o, s, f.name)
	source, err := connector.NewSource(o)
	if err != nil {
		return nil, err
	}
	in := &endpoint.Source{
		Source: source, Name: f.identity(), Ordered: true, Lanes: 1,
		Largest:    2 * most, // a record is read into one buffer and kept in another
		LaneMemory: f.compression.ReadMemory(),
		Peek:       source.Peek,
		MeasureProgress: func(int64) endpoint.Progress {
			read, total := source.Progress()
			return endpoint.Progress{Done: read, Total: max(0, total), Unit: endpoint.Bytes}
		},
	}
	if f.path != connector.Stream {
		info, err := os.Stat(f.path)
		if err != nil {
			return nil, err
		}
		in.Bounded = info.Mode().IsRegular()
	}
	in.Identity, err = identifyFile(newFileID(kept), f.path)
	return in, err
}

// largestRecord is the longest line or record of a file that is read, in
// bytes: twice the memory that a worker has for a whole batch.
func largestRecord(budget int) int {
	return min(2*budget, format.DefaultMaxRecord)
}

// newFileID names the file that is read: for ever with a checkpoint, else for
// this run.
func newFileID(kept *connector.Checkpoint) (id [16]byte) {
	if kept != nil {
		return kept.FileID()
	}
	rand.Read(id[:])
	return id
}

// identifyFile returns the identity of a file (docs/envelope.md, section 3).
func identifyFile(id [16]byte, path string) (endpoint.Identity, error) {
	return endpoint.EncodeIdentity("file", id[:], []byte(path))
}

// OpenSink implements endpoint.Records.
func (f *recordFile) OpenSink(_ context.Context, s *endpoint.Session, in *endpoint.Source) (*endpoint.Sink, error) {
	o := connector.SinkOptions{
		Path: f.path, Format: f.format, Compression: f.compression, Append: f.append, Stdout: s.Stdout,
	}
	memory := f.compression.WriteMemory()
	if f.as == endpoint.DeadLetters {
		sink, err := connector.NewSink(o)
		if err != nil {
			return nil, err
		}
		return &endpoint.Sink{Sink: sink, Check: sink.Check, LaneMemory: memory}, nil
	}
	var err error
	if o.Checkpoint, err = checkpoint.Open(s, in.Name, f.identity()); err != nil {
		return nil, err
	}
	o.Archive, o.Overwrite, o.Ordered = s.Archive, s.Overwrite, in.Ordered
	o.NoteGap = func(place string, reached, begins int64) {
		s.Log.Warn("the source begins further on than the checkpoint: messages between, if there are any, "+
			"are not in this output", "place", place, "checkpoint", reached, "begins", begins, "file", f.path)
	}
	_, o.Several = in.Source.(*connector.Folder)
	// Without an end the output is never complete, and is read while it grows.
	o.Partial = o.Checkpoint != nil && in.Bounded && !f.append && f.isReplaceable()
	sink, err := connector.NewSink(o)
	if err != nil {
		return nil, err
	}
	if o.Checkpoint == nil { // with one the sink knows better
		if err := f.checkFree(s.Overwrite || f.append); err != nil {
			return nil, err
		}
	}
	if o.Several {
		s.OnClose(sink.Abandon)
	}
	_, fromFile := in.Source.(*connector.Source)
	if f.format == format.Lines {
		s.Log.Info("lines hold values only: keys, headers, times and subjects are left out", "file", f.path)
	}
	if o.Partial {
		s.Log.Info("until it is complete the output has another name", "file", connector.PartialName(f.path))
	}
	return &endpoint.Sink{
		Sink: sink, Check: sink.Check, Finish: sink.Finish, LaneMemory: memory,
		WorkMemory: connector.WorkMemory(f.compression, f.format),
		AtOnce:     (fromFile || o.Several) && o.Checkpoint == nil && !f.append && f.isReplaceable(),
	}, nil
}

// isReplaceable tells whether the path is free or that of a regular file.
func (l location) isReplaceable() bool {
	if l.path == connector.Stream {
		return false
	}
	info, err := os.Stat(l.path)
	return err != nil || info.Mode().IsRegular()
}

// checkFree finds out before anything has been read whether the sink will be
// able to make its output: the file exists, or its folder does not.
func (l location) checkFree(mayExist bool) error {
	if l.path == connector.Stream {
		return nil
	}
	info, err := os.Stat(l.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		_, err = os.Stat(filepath.Dir(l.path))
	case err == nil && info.Mode().IsRegular() && !mayExist:
		err = fmt.Errorf("%s: %w", l.path, fs.ErrExist)
	}
	return err
}
