package file

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/streamcrypt/streamcrypt/connectors/format/members"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// FolderOptions say how a Folder reads.
type FolderOptions struct {
	// Found is the files. The list does not change.
	Found *Found
	// Each says how every file is read; Path and Place are set here. Archive
	// may be called for several files at once.
	Each SourceOptions
	// CompressionOf returns how a file is compressed.
	CompressionOf func(name string) members.Kind
	// Parallel is how many files are read at the same time, at least 1.
	Parallel int
}

// Folder reads several files, each as a lane and a place of its own. It is a
// pipeline.Source.
type Folder struct {
	opts  FolderOptions
	files []*Source
	total int64
}

// NewFolder checks the options and opens nothing. A checkpoint that has been in
// a file which is gone is refused, unless that was read to its end.
func NewFolder(o FolderOptions) (*Folder, error) {
	f := &Folder{opts: o, total: o.Found.Bytes}
	for _, name := range o.Found.Names {
		each := o.Each
		each.Path, each.Place, each.Compression = o.Found.PathOf(name), name, o.CompressionOf(name)
		s, err := NewSource(each)
		if err != nil {
			return nil, err
		}
		f.files = append(f.files, s)
	}
	if ck := o.Each.Checkpoint; ck != nil {
		if gone := ck.listOpen(o.Found.Names); len(gone) > 0 {
			return nil, fmt.Errorf("%s: it is gone, and the checkpoint says that it was not read to its end, "+
				"or its output is not complete",
				o.Found.PathOf(gone[0]))
		}
	}
	return f, nil
}

// listOpen returns the files that were begun, are not done, and are not among
// names.
func (c *Checkpoint) listOpen(names []string) (open []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, m := range c.now.Files {
		if _, there := slices.BinarySearch(names, name); !m.Done && !there {
			open = append(open, name)
		}
	}
	slices.Sort(open)
	return open
}

// Serve serves the files in their order, as many at the same time as Parallel
// says. A file that cannot be read keeps no other from being served.
func (f *Folder) Serve(ctx context.Context, serve func(context.Context, pipeline.Lane) error) error {
	var (
		wait sync.WaitGroup
		mu   sync.Mutex
		next int
		errs []error
	)
	take := func() *Source {
		mu.Lock()
		defer mu.Unlock()
		if next == len(f.files) || ctx.Err() != nil {
			return nil
		}
		next++
		return f.files[next-1]
	}
	note := func(err error) {
		mu.Lock()
		defer mu.Unlock()
		if err != nil && len(errs) < maxErrors {
			errs = append(errs, err)
		}
	}
	for range min(max(1, f.opts.Parallel), len(f.files)) {
		wait.Go(func() {
			for s := take(); s != nil; s = take() {
				err := s.Serve(ctx, func(ctx context.Context, l pipeline.Lane) error {
					if err := serve(ctx, l); err != nil {
						return err // its output may lack its end, or its name
					}
					return s.noteDone(l)
				})
				note(err)
			}
		})
	}
	wait.Wait()
	if ctx.Err() != nil && len(errs) == 0 {
		return ctx.Err()
	}
	return errors.Join(errs...)
}

// maxErrors is how many errors of files a Folder returns.
const maxErrors = 10

// noteDone notes that a file was read to its end.
func (s *Source) noteDone(served pipeline.Lane) error {
	l, ok := served.(*lane)
	if !ok || s.opts.Checkpoint == nil || !l.isComplete() {
		return nil
	}
	return s.opts.Checkpoint.noteChange(func(r *content) { r.editMarks(s.opts.Place).Done = true })
}

// HoldsAll implements pipeline.Source: nobody else reads the files.
func (f *Folder) HoldsAll() bool { return true }

// Progress returns the number of bytes that have been read, and of how many.
func (f *Folder) Progress() (read, total int64) {
	for _, s := range f.files {
		n, _ := s.Progress()
		read += n
	}
	return read, f.total
}

// Found returns the files that are read.
func (f *Folder) Found() *Found { return f.opts.Found }

// Peek returns the first n messages of the first file that has some.
func (f *Folder) Peek(ctx context.Context, n int) ([]pipeline.Message, error) {
	for _, s := range f.files {
		if msgs, err := s.Peek(ctx, n); err != nil || len(msgs) > 0 {
			return msgs, err
		}
	}
	return nil, nil
}
