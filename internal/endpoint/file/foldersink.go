package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	connector "github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/members"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/checkpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

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
	functions, err := connector.ShareArchive(s.Archive)
	if err != nil {
		return nil, err
	}
	if err := f.checkOutputs(from.Found(), s.Overwrite || s.Checkpoint != ""); err != nil {
		return nil, err
	}
	kept, err := checkpoint.Open(s, in.Name, f.Traits().Identity)
	if err != nil {
		return nil, err
	}
	sink, err := connector.NewFolderSink(connector.FolderSinkOptions{
		PathOf: f.pathOf,
		Each: connector.SinkOptions{
			Format: f.format, Compression: f.compression, Archive: functions, Overwrite: s.Overwrite,
			Checkpoint: kept, Partial: kept != nil, Ordered: true,
		},
	})
	if err != nil {
		return nil, err
	}
	return &endpoint.Sink{
		Sink: sink, Check: sink.Check, LaneMemory: f.compression.WriteMemory(), AtOnce: kept == nil,
		WorkMemory: connector.WorkMemory(f.compression, f.format),
	}, nil
}

// checkOutputs refuses outputs of which one is written twice, is an input or
// would be one of the next run, or exists. Nothing has been made by then.
func (f *folderSink) checkOutputs(found *connector.Found, mayExist bool) error {
	find := newInputFinder(found)
	from := make(map[string]string, len(found.Names))
	for _, name := range found.Names {
		path := f.pathOf(name)
		if other, there := from[path]; there {
			return hint.New(fmt.Sprintf("%s and %s would both be written to %s", other, name, path),
				"narrow the pattern of --from, so that no two inputs have one name")
		}
		from[path] = name
		if find.isInput(path) {
			return hint.New(path+": it is an input, and this run writes it", "write elsewhere, or narrow the pattern")
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
