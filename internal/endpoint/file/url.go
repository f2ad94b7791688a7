// Package file is the room of local files: file:PATH, where the path - is
// standard input or output.
//
//	url.go                    the URL's parameters and rules
//	open.go                   files of records
//	folder.go, foldersink.go  several files, and an output for each
//	limits.go                 the part of a file that is read
//	rawsource.go, rawsink.go  one payload
//
// It must not know the meaning of a message, nor any other kind of end.
package file

import (
	"errors"
	"fmt"
	"io/fs"

	connector "github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/members"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/bounds"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// Scheme is the row of this room.
func Scheme() endpoint.Scheme {
	return endpoint.Scheme{
		Name:   "file",
		Form:   "file:PATH",
		Text:   "a local file; file:- is standard input or output, and file: may be left out",
		IsFile: true,
		Notes: "A raw file is one payload of any size. An ndjson file has one record a line. " +
			"A seq file holds envelopes, and a sealed end record that tells whether anything is missing. " +
			"The name may end in .gz or .zst on top: the records are then compressed with gzip or zstd. " +
			"A raw file is carried as it is, compressed or not. " +
			"A source may be a folder or a pattern, in which * and [a-z] stand within a name and ** for any " +
			"folders: its files are read in their order, several at a time where the destination takes that. " +
			"A destination that is a folder, or has {name} in its path, gets an output for each of them. " +
			"file:///PATH is the same as file:/PATH. A question mark in a path is written as %3F, and a percent " +
			"sign as %25.",
		Plain:  "file:orders.ndjson",
		Sealed: "file:orders.scx",
		Copy:   "file:moved.scx",
		Params: func(as endpoint.Role) []address.Param {
			return address.ListParams(func(p *address.Params) { readParams(p, as) })
		},
		Parse: parse,
		Advice: []hint.Advice{
			hint.AboutType[*format.ForeignError](foreignHint),
			hint.AboutError(fs.ErrExist, "say --overwrite to replace it"),
			hint.AboutError(members.ErrWindow,
				"unpack it first: zstd -dc --long=31 FILE | streamcrypt ... --from 'file:-?format=...'"),
			hint.AboutError(format.ErrTooLarge,
				"raise --budget: a record may have twice as many bytes, and 4,096 headers"),
		},
	}
}

// recordsHint says how a URL names records.
const recordsHint = "a raw file is one payload, not records; " +
	"say format=ndjson, format=lines or format=seq, or end the name in .ndjson or .scx"

// foreignHint is about a first line that is not one of ours.
const foreignHint = `a line of ndjson is {"key":"..","value":"..","headers":[["name","value"]],"time":".."}, ` +
	"with the data as a string; if each line is data of your own say format=lines, " +
	"and key=.FIELD for the field that is the record key"

// params are the parameters of a URL.
type params struct {
	format      format.Format // "" if none was given
	compression string        // a word; "" if none was given
	key         string
	append      bool
	start       bounds.Bound
	until       bounds.Bound
}

// noCompression is the word for members.None.
const noCompression = "none"

func readParams(p *address.Params, as endpoint.Role) params {
	formats := []string{string(format.Raw), string(format.NDJSON), string(format.Lines), string(format.Seq)}
	if as.Reads() {
		formats = append(formats, string(format.Kcat))
	}
	q := params{format: format.Format(p.ReadWord(address.Param{
		Name:    "format",
		Text:    "how records, if any, lie in the file; kcat is the output of kcat -J, for sources",
		Words:   formats,
		Default: "(by the name: .ndjson and .jsonl are ndjson, .scx is seq, all others are raw)",
	}))}
	q.compression = p.ReadWord(address.Param{
		Name:    "compression",
		Text:    "how the records are compressed on top of their format",
		Words:   []string{noCompression, string(members.Gzip), string(members.Zstd)},
		Default: "(by the name: .gz is gzip, .zst is zstd, all others are not compressed)",
	})
	switch as {
	case endpoint.From, endpoint.Look:
		q.key = p.ReadText(address.Param{
			Name: "key", Values: ".FIELD", Default: "(none)",
			Text: "with format=lines, the field in the JSON of each line that is the record key, such as .customer.id",
		})
		q.start = bounds.ReadStart(p, bounds.Spec{
			Text: "where to begin: OFFSET counts records from 0, TIME is that of the first record with this time " +
				"or a later one; with --checkpoint a run goes on where the last one ended",
			Serves: []bounds.Form{bounds.Earliest, bounds.Offset, bounds.Time}, Default: "earliest",
		})
		q.until = bounds.ReadUntil(p, bounds.Spec{
			Text: "where to end: in front of the record with this index, or of the first one with this time or a " +
				"later one; a pipe ends when its writer closes it",
			Serves: []bounds.Form{bounds.Latest, bounds.Offset, bounds.Time}, Default: "latest",
		})
	case endpoint.To:
		q.append = p.ReadBool(address.Param{
			Name: "append", Text: "go on behind the records that the file holds; a seq file gets a new end record",
		})
	case endpoint.DeadLetters: // they are always appended
	}
	return q
}

// chooseCompression returns the compression that was given, or the one that a
// name stands for.
func (q *params) chooseCompression(byName members.Kind) members.Kind {
	switch q.compression {
	case "":
		return byName
	case noCompression:
		return members.None
	}
	return members.Kind(q.compression)
}

// location is the part that all files have in common.
type location struct {
	path string // connector.Stream for standard input or output
	name string
	as   endpoint.Role
}

// recordFile is a file of records.
type recordFile struct {
	location
	format      format.Format // NDJSON, Lines or Seq
	compression members.Kind
	key         string
	append      bool
	limits      limits
}

// rawFile is a file that is one payload.
type rawFile struct{ location }

func parse(a *address.Address, as endpoint.Role) (endpoint.Endpoint, error) {
	p := a.Params()
	q := readParams(p, as)
	if err := p.Check(); err != nil {
		return nil, err
	}
	path, err := a.LocalPath()
	switch {
	case errors.Is(err, address.ErrHost):
		return nil, &hint.Error{Err: err, Hint: "write file:PATH, or file:///PATH for an absolute path"}
	case err != nil:
		return nil, &hint.Error{Err: err, Hint: "write file:PATH"}
	}
	at := location{path: path, name: a.String(), as: as}
	if err := q.checkBounds(); err != nil {
		return nil, err
	}
	switch {
	case as.Reads() && isFolder(path):
		return newFolder(at, q)
	case as == endpoint.To && isFolderSink(path):
		return newFolderSink(at, q)
	}
	compression, inner := members.OfPath(path)
	if q.format == "" {
		q.format = format.OfPath(inner)
	}
	switch {
	case as == endpoint.DeadLetters && q.format != format.NDJSON:
		return nil, &hint.Error{
			Err:  fmt.Errorf("%s cannot hold dead letters", q.format),
			Hint: "name a file that ends in .ndjson, or say format=ndjson",
		}
	case q.key != "" && q.format != format.Lines:
		return nil, hint.New("parameter key: only a file of format lines has no record keys of its own",
			"say format=lines, or leave out key=")
	case q.compression != "" && q.format == format.Raw:
		return nil, hint.New("parameter compression: a raw file is carried as it is", recordsHint)
	case q.format == format.Raw && q.limits() != limits{}:
		return nil, hint.New("start and until count records, and a raw file is one payload", recordsHint)
	case q.append && q.format == format.Raw:
		return nil, hint.New("parameter append: a raw file is one payload", recordsHint)
	case q.format == format.Raw:
		return &rawFile{at}, nil
	}
	return &recordFile{
		location: at, format: q.format, compression: q.chooseCompression(compression), key: q.key, limits: q.limits(),
		append: q.append || as == endpoint.DeadLetters && path != connector.Stream,
	}, nil
}

// identity is Traits.Identity.
func (l location) identity() string {
	switch {
	case l.path != connector.Stream:
		return endpoint.FileIdentity(l.path)
	case l.as.Reads():
		return "standard input"
	}
	return "standard output"
}

func (l location) traits() endpoint.Traits {
	t := endpoint.Traits{
		Name: l.name, Identity: l.identity(), Pipe: l.path == connector.Stream, OneLane: true, Checkpoint: true,
		RecordsHint: recordsHint,
	}
	if !t.Pipe {
		t.Path = l.path
	}
	return t
}

// Traits implements endpoint.Endpoint.
func (f *recordFile) Traits() endpoint.Traits {
	t := f.traits()
	t.Archive, t.Append, t.Times = f.format == format.Seq, f.append, endpoint.KeptTimes
	t.Plain = f.format == format.Lines
	return t
}

// Traits implements endpoint.Endpoint.
func (f *rawFile) Traits() endpoint.Traits { return f.traits() }
