package file

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// FolderSinkOptions say how a FolderSink writes.
type FolderSinkOptions struct {
	// Each says how every output is written; Path and From are set here.
	// Archive may be called for several outputs at once.
	Each SinkOptions
	// PathOf returns the output of a file of a Folder.
	PathOf func(name string) string
}

// FolderSink writes an output for each file of a Folder. It is a pipeline.Sink.
type FolderSink struct {
	opts   FolderSinkOptions
	layout *format.Layout
	disk   disk
	// packers are those of all outputs.
	packers packers

	mu    sync.Mutex
	sinks map[string]*Sink
}

// NewFolderSink checks the options and opens nothing.
func NewFolderSink(o FolderSinkOptions) (*FolderSink, error) {
	layout, err := format.ForWriting(format.Options{
		Format: o.Each.Format, Archive: o.Each.Archive, MaxRecord: o.Each.MaxRecord, MaxHeaders: o.Each.MaxHeaders,
	})
	if err != nil {
		return nil, err
	}
	return &FolderSink{opts: o, layout: layout, disk: osDisk{}, sinks: map[string]*Sink{}}, nil
}

// errNotOfFolder says that a lane is none of a Folder.
var errNotOfFolder = errors.New("only the files of a folder are written into a folder")

// Open opens the output of a lane's file, and makes the folder that it lies in.
func (s *FolderSink) Open(ctx context.Context, from pipeline.Lane) (pipeline.Writer, error) {
	own, ok := from.(*lane)
	if !ok || own.source.opts.Place == "" {
		return nil, errNotOfFolder
	}
	sink, err := s.sinkOf(own.source.opts.Place)
	if err != nil {
		return nil, err
	}
	if err := s.disk.makeDir(filepath.Dir(sink.opts.Path)); err != nil {
		return nil, markPassing(fmt.Errorf("sink %s: %w", sink.opts.Path, err))
	}
	w, err := sink.Open(ctx, from)
	if err != nil {
		return nil, err
	}
	return &folderWriter{w.(*writer)}, nil
}

func (s *FolderSink) sinkOf(name string) (*Sink, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if sink := s.sinks[name]; sink != nil {
		return sink, nil
	}
	o := s.opts.Each
	o.Path, o.From = s.opts.PathOf(name), name
	sink, err := NewSink(o)
	if err == nil {
		sink.disk, sink.packers = s.disk, &s.packers
		s.sinks[name] = sink
	}
	return sink, err
}

// Check is that of every output; see Sink.Check.
func (s *FolderSink) Check(m *pipeline.Message, valueSize int) error {
	return s.layout.Check(m, valueSize)
}

// folderWriter gives an output its name as soon as its own input was read to
// the end.
type folderWriter struct{ *writer }

// Close implements pipeline.Writer.
func (w *folderWriter) Close(ctx context.Context) error {
	complete := w.lane.isComplete()
	if err := w.writer.Close(ctx); err != nil || !complete {
		return err
	}
	return w.sink.Finish()
}
