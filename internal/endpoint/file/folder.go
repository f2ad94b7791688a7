package file

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	connector "github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/members"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
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
		return nil, hint.New("several files are records of one format, and it is not said",
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
	functions, err := shareArchive(s)
	if err != nil {
		return nil, err
	}
	found, err := connector.FindFiles(f.path)
	if err != nil {
		return nil, err
	}
	name := f.Traits().Identity
	checkpoint, err := openCheckpoint(s, name, s.To)
	if err != nil {
		return nil, err
	}
	parallel := 1
	if !s.OneLane {
		parallel = min(cmp.Or(s.Workers, runtime.GOMAXPROCS(0)), len(found.Names))
	}
	most := largestRecord(s.Budget)
	source, err := connector.NewFolder(connector.FolderOptions{
		Found: found, CompressionOf: f.compressionOf, Parallel: parallel,
		Each: connector.SourceOptions{
			Format: f.format, Key: f.key, Archive: functions, Checkpoint: checkpoint, MaxRecord: most, Observer: s.Watch,
		},
	})
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
	id := newFileID(checkpoint)
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
	checked.Lanes, checked.Largest = min(cmp.Or(s.Workers, runtime.GOMAXPROCS(0)), len(found.Names)), 2*largestRecord(s.Budget)
	return checked, nil
}

// CheckSink implements endpoint.Checker.
func (f *folder) CheckSink(context.Context, *endpoint.Session, *endpoint.Checked) (*endpoint.Checked, error) {
	return nil, errors.New("several files are a source only")
}

// folderSink is an output for each of several files.
type folderSink struct {
	location
	params
	compression members.Kind
	template    string // of the path below the folder that is fixed
	root        string
}

// namePlaceholder stands for the name of an input in that of its output.
const namePlaceholder = "{name}"

// isFolderSink tells whether a sink's path stands for an output for each input.
func isFolderSink(path string) bool {
	if path == connector.Stream {
		return false
	}
	info, err := os.Stat(path)
	return strings.Contains(path, namePlaceholder) || strings.HasSuffix(path, "/") || err == nil && info.IsDir()
}

// extensions are those that the outputs of a folder get.
var extensions = map[format.Format]string{
	format.NDJSON: ".ndjson", format.Seq: ".scx", format.Lines: ".txt",
	format.Format(members.Gzip): ".gz", format.Format(members.Zstd): ".zst",
}

func newFolderSink(at location, q params) (*folderSink, error) {
	f := &folderSink{location: at, params: q}
	fixed, _, named := strings.Cut(at.path, namePlaceholder)
	kind, inner := members.OfPath(at.path)
	f.compression = f.chooseCompression(kind)
	if named && f.format == "" {
		f.format = format.OfPath(inner)
	}
	switch {
	case f.format == "" || f.format == format.Raw:
		return nil, hint.New("a folder takes records of one format, and it is not said",
			"say format=ndjson, format=lines or format=seq, or a name such as sealed/{name}.scx")
	case q.append:
		return nil, hint.New("parameter append: the outputs of a folder are new", "leave out append=")
	case strings.Contains(strings.TrimPrefix(at.path, fixed+namePlaceholder), namePlaceholder):
		return nil, fmt.Errorf("%s stands there twice", namePlaceholder)
	case !named:
		f.root = at.path
		f.template = namePlaceholder + extensions[f.format] + extensions[format.Format(f.compression)]
		return f, nil
	}
	f.root = filepath.Dir(fixed + "x")
	f.template = strings.TrimPrefix(at.path[len(fixed)-len(filepath.Base(fixed+"x"))+1:], "/")
	return f, nil
}

// pathOf returns the output of an input: without the extensions that say how
// that is stored.
func (f *folderSink) pathOf(name string) string {
	_, inner := members.OfPath(name)
	if format.OfPath(inner) != format.Raw {
		inner = strings.TrimSuffix(inner, filepath.Ext(inner))
	}
	return filepath.Join(f.root, filepath.FromSlash(strings.Replace(f.template, namePlaceholder, inner, 1)))
}

// Traits implements endpoint.Endpoint.
func (f *folderSink) Traits() endpoint.Traits {
	return endpoint.Traits{
		Name: f.name, Identity: "folder " + endpoint.ResolvePath(filepath.Join(f.root, f.template)), Checkpoint: true,
		RecordsHint: recordsHint, Archive: f.format == format.Seq, Times: endpoint.KeptTimes,
		Plain: f.format == format.Lines,
	}
}

// OpenSource implements endpoint.Records.
func (f *folderSink) OpenSource(context.Context, *endpoint.Session) (*endpoint.Source, error) {
	return nil, fmt.Errorf("%s names outputs", namePlaceholder)
}

// OpenSink implements endpoint.Records.
func (f *folderSink) OpenSink(_ context.Context, s *endpoint.Session, in *endpoint.Source) (*endpoint.Sink, error) {
	from, ok := in.Source.(*connector.Folder)
	if !ok {
		return nil, hint.New(f.name+": an output for each input needs several files as a source",
			"name a folder or a pattern such as exports/*.ndjson with --from, or one file with --to")
	}
	functions, err := shareArchive(s)
	if err != nil {
		return nil, err
	}
	if err := f.checkOutputs(from.Found(), s.Overwrite || s.Checkpoint != ""); err != nil {
		return nil, err
	}
	checkpoint, err := openCheckpoint(s, in.Name, f.Traits().Identity)
	if err != nil {
		return nil, err
	}
	sink, err := connector.NewFolderSink(connector.FolderSinkOptions{
		PathOf: f.pathOf,
		Each: connector.SinkOptions{
			Format: f.format, Compression: f.compression, Archive: functions, Overwrite: s.Overwrite,
			Checkpoint: checkpoint, Partial: checkpoint != nil, Ordered: true,
		},
	})
	if err != nil {
		return nil, err
	}
	return &endpoint.Sink{
		Sink: sink, Check: sink.Check, LaneMemory: f.compression.WriteMemory(), AtOnce: checkpoint == nil,
	}, nil
}

// checkOutputs refuses outputs of which one is written twice, is an input, or
// exists. Nothing has been made by then.
func (f *folderSink) checkOutputs(found *connector.Found, mayExist bool) error {
	inputs := make(map[string]string, len(found.Names))
	for _, name := range found.Names {
		inputs[endpoint.ResolvePath(found.PathOf(name))] = name
	}
	from := make(map[string]string, len(found.Names))
	for _, name := range found.Names {
		path := f.pathOf(name)
		if other, there := from[path]; there {
			return hint.New(fmt.Sprintf("%s and %s would both be written to %s", other, name, path),
				"narrow the pattern of --from, so that no two inputs have one name")
		}
		from[path] = name
		if input, is := inputs[endpoint.ResolvePath(path)]; is {
			return fmt.Errorf("%s: it is the input %s", path, input)
		}
		at := location{path: path}
		if err := at.checkFree(mayExist); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}

// CheckSource implements endpoint.Checker.
func (f *folderSink) CheckSource(context.Context, *endpoint.Session) (*endpoint.Checked, error) {
	return nil, fmt.Errorf("%s names outputs", namePlaceholder)
}

// CheckSink implements endpoint.Checker.
func (f *folderSink) CheckSink(
	_ context.Context, s *endpoint.Session, _ *endpoint.Checked,
) (*endpoint.Checked, error) {
	checked := &endpoint.Checked{}
	if s.Checkpoint != "" {
		checked.Delivery = "exactly-once, by the checkpoint"
	}
	checked.Makes = append(checked.Makes, "a file for each input: "+filepath.Join(f.root, f.template))
	return checked, nil
}

// shareArchive returns the functions of the session's archives for several
// files at once. Neither a receipt nor records that are carried over are those
// of several archives.
func shareArchive(s *endpoint.Session) (format.Archive, error) {
	a := s.Archive
	switch {
	case a.Receipt != nil:
		return a, errors.New("a receipt is that of one archive, and several files are read")
	case a.Carrier != nil:
		return a, errors.New("archives are rewrapped one by one")
	}
	var mu sync.Mutex
	if open := a.OpenEnd; open != nil {
		a.OpenEnd = func(ctx context.Context, sealed []byte) ([archive.EndSize]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			return open(ctx, sealed)
		}
	}
	if keep := a.KeepRecord; keep != nil {
		a.KeepRecord = func(ctx context.Context, r *archive.Record) error {
			mu.Lock()
			defer mu.Unlock()
			return keep(ctx, r)
		}
	}
	if seal := a.SealEnd; seal != nil {
		a.SealEnd = func(ctx context.Context, dst []byte, end [archive.EndSize]byte) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			return seal(ctx, dst, end)
		}
	}
	if key := a.KeyRecord; key != nil {
		a.KeyRecord = func(e []byte) ([16]byte, []byte, bool) {
			mu.Lock()
			defer mu.Unlock()
			return key(e)
		}
	}
	if note := a.NoteEnd; note != nil { // the last line has the receipt of one archive only
		a.NoteEnd = func(end archive.End) {
			if end.Flags != 0 {
				note(end)
			}
		}
	}
	return a, nil
}
