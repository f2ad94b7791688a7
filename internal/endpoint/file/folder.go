package file

import (
	"cmp"
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	connector "github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/members"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/checkpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// folder is several files of records that are read: those of a folder, or that
// match a pattern.
type folder struct {
	location
	params
}

// isFolder tells whether a source's path stands for several files.
func isFolder(path string) bool {
	if path == connector.Stream {
		return false
	}
	info, err := os.Stat(path)
	if err != nil {
		return connector.IsPattern(path)
	}
	return info.IsDir()
}

// newFolder checks the parameters of several files. One format is for all.
func newFolder(at location, q params) (*folder, error) {
	if q.format == "" {
		_, inner := members.OfPath(strings.TrimRight(at.path, "*?.")) // of *.ndjson* too
		q.format = format.OfPath(inner)
	}
	if q.format == format.Raw {
		text := "several files are records of one format, and it is not said"
		if !connector.IsPattern(at.path) {
			text = "a folder: " + text
		}
		return nil, hint.New(text,
			"say format=ndjson, format=lines or format=seq, or a pattern such as exports/*.ndjson.gz")
	}
	return &folder{location: at, params: q}, nil
}

// compressionOf returns how one of the files is compressed.
func (f *folder) compressionOf(name string) members.Kind {
	kind, _ := members.OfPath(name)
	return f.chooseCompression(kind)
}

// Traits implements endpoint.Endpoint.
func (f *folder) Traits() endpoint.Traits {
	return endpoint.Traits{
		Name: f.name, Identity: "files " + endpoint.ResolvePath(f.path), Checkpoint: true, RecordsHint: recordsHint,
		Archive: f.format == format.Seq, Times: endpoint.KeptTimes, Plain: f.format == format.Lines,
	}
}

// OpenSource implements endpoint.Records.
func (f *folder) OpenSource(_ context.Context, s *endpoint.Session) (*endpoint.Source, error) {
	functions, err := connector.ShareArchive(s.Archive)
	if err != nil {
		return nil, err
	}
	found, err := connector.FindFiles(f.path)
	if err != nil {
		return nil, err
	}
	if err := checkWritten(s, found); err != nil {
		return nil, err
	}
	name := f.Traits().Identity
	kept, err := checkpoint.Open(s, name, s.To)
	if err != nil {
		return nil, err
	}
	parallel := 1
	if !s.OneLane {
		parallel = min(cmp.Or(s.Workers, runtime.GOMAXPROCS(0)), len(found.Names))
	}
	most := largestRecord(s.Budget)
	o := connector.FolderOptions{
		Found: found, CompressionOf: f.compressionOf, Parallel: parallel,
		Each: connector.SourceOptions{
			NoteReplaced: newReplacedNote(s, f.name),
			Format:       f.format, Key: f.key, Archive: functions, Checkpoint: kept,
			MaxRecord: most, Observer: s.Watch,
		},
	}
	limits := f.limits()
	limits.apply(&o.Each, s, f.name)
	source, err := connector.NewFolder(o)
	if err != nil {
		return nil, err
	}
	f.logFiles(s, found)
	in := &endpoint.Source{
		Source: source, Name: name, Ordered: true, Bounded: true, Lanes: parallel, Places: len(found.Names),
		Largest: 2 * most, Peek: source.Peek,
		MeasureProgress: func(int64) endpoint.Progress {
			read, total := source.Progress()
			return endpoint.Progress{Done: read, Total: total, Unit: endpoint.Bytes}
		},
	}
	id := newFileID(kept)
	identities := make(map[string]endpoint.Identity, len(found.Names))
	for _, file := range found.Names {
		in.LaneMemory = max(in.LaneMemory, f.compressionOf(file).ReadMemory())
		if identities[file], err = identifyFile(id, file); err != nil {
			return nil, err
		}
	}
	if in.Identity, err = endpoint.EncodeIdentity("files", id[:], []byte(f.path)); err != nil {
		return nil, err
	}
	in.IdentifyPlace = func(place string) endpoint.Identity { return identities[place] }
	return in, nil
}

// checkWritten refuses a pattern that stands for a file which the route writes:
// the next run would read that.
func checkWritten(s *endpoint.Session, found *connector.Found) error {
	var written []string
	if s.Checkpoint != "" {
		written = append(written, s.Checkpoint)
	}
	for _, end := range s.Written {
		if path := end.Traits().Path; path != "" {
			written = append(written, path)
		}
	}
	find := newInputFinder(found)
	for _, path := range written {
		if find.isInput(path) {
			return hint.New(path+": it is an input, and this run writes it", "write elsewhere, or narrow the pattern")
		}
	}
	return nil
}

// inputFinder tells which paths are those of inputs.
type inputFinder struct {
	found *connector.Found
	root  string
	names map[string]bool // by path without links
}

func newInputFinder(found *connector.Found) *inputFinder {
	f := &inputFinder{found: found, root: endpoint.ResolvePath(found.Root), names: map[string]bool{}}
	for _, name := range found.Names {
		f.names[endpoint.ResolvePath(found.PathOf(name))] = true
	}
	return f
}

// isInput tells whether a path is that of an input, or will be one as soon as
// it exists.
func (f *inputFinder) isInput(path string) bool {
	path = endpoint.ResolvePath(path)
	if f.names[path] {
		return true
	}
	name, err := filepath.Rel(f.root, path)
	return err == nil && filepath.IsLocal(name) && f.found.Matches(filepath.ToSlash(name))
}

// maxLogged is how many files are named in the log.
const maxLogged = 100

// logFiles says which files are read: the list does not change any more.
func (f *folder) logFiles(s *endpoint.Session, found *connector.Found) {
	s.Log.Info("files", "from", f.name, "count", len(found.Names), "bytes", found.Bytes, "left_out", found.LeftOut)
	for i, name := range found.Names {
		if i == maxLogged {
			s.Log.Info("and more files", "count", len(found.Names)-i)
			return
		}
		s.Log.Info("reads file", "file", found.PathOf(name))
	}
}

// OpenSink implements endpoint.Records.
func (f *folder) OpenSink(context.Context, *endpoint.Session, *endpoint.Source) (*endpoint.Sink, error) {
	return nil, errors.New("several files are a source only")
}

// CheckSource implements endpoint.Checker.
func (f *folder) CheckSource(_ context.Context, s *endpoint.Session) (*endpoint.Checked, error) {
	checked := &endpoint.Checked{}
	found, err := connector.FindFiles(f.path)
	if err != nil {
		checked.AddProblem(err)
		return checked, nil
	}
	checked.AddFact("files", "%d", len(found.Names))
	checked.AddFact("size", "%d bytes", found.Bytes)
	checked.Lanes = min(cmp.Or(s.Workers, runtime.GOMAXPROCS(0)), len(found.Names))
	checked.Largest = 2 * largestRecord(s.Budget)
	return checked, nil
}

// CheckSink implements endpoint.Checker.
func (f *folder) CheckSink(context.Context, *endpoint.Session, *endpoint.Checked) (*endpoint.Checked, error) {
	return nil, errors.New("several files are a source only")
}
