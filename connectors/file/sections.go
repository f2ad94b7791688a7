package file

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/members"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// A checkpoint file is JSON: a version of the whole, and sections by name, each
// with a version of its own.
//
//	{"streamcrypt_checkpoint": 1,
//	 "sections": {"ends": {"version": 1, "fields": {...}}, ...}}
//
// A section of another name comes from a newer program and is kept as it is. So
// a newer program may add a section that an older one can do without. A section
// that an older one must understand comes with another version of the whole.
// The name "raw" is kept for how far a raw file has been read and written. An
// archive needs no section for its receipt: both marks below have digests, and
// that of an output has the encoder's, which the next end seals.

const (
	formVersion    = 1
	filesVersion   = 2 // with the section "files": an older program must not begin them anew
	sectionVersion = 1 // of each section here
)

// form is the JSON of a checkpoint file.
type form struct {
	Version  int                        `json:"streamcrypt_checkpoint"`
	Sections map[string]json.RawMessage `json:"sections"`
}

// section is a section with its version in front of its fields.
type section[T any] struct {
	Version int `json:"version"`
	Fields  T   `json:"fields"`
}

// content is a checkpoint in memory.
type content struct {
	Ends   ends
	Route  RouteMark
	Places []placeEntry
	Alone  fileMarks             // of one input and one output
	Files  map[string]*fileMarks // by place, where several inputs are read

	others map[string]json.RawMessage // sections of newer programs
}

// ends are both ends of the route.
type ends struct {
	FileID []byte `json:"file_id"`
	From   string `json:"from"`
	To     string `json:"to"`
}

// RouteMark says how the messages before a checkpoint were carried.
type RouteMark struct {
	Work    string   `json:"work"`    // encrypt, decrypt, rewrap
	Context string   `json:"context"` // that the envelopes are bound to
	Keys    []string `json:"keys"`    // kids of the last run's keys
}

// placeEntry is the position of a place, with the state of its Gate.
type placeEntry struct {
	Place string `json:"place"`
	Next  int64  `json:"next"`
	Last  int64  `json:"last"`
	State []byte `json:"state,omitempty"`
}

// inputMark is a point where a file source can resume reading, and all that is
// known of the file before it.
type inputMark struct {
	Record int64  `json:"record"` // the index of the next record
	Byte   int64  `json:"byte"`
	Digest []byte `json:"digest,omitempty"` // of the bytes before Byte, if there are any; see known
	State  []byte `json:"state,omitempty"`  // the decoder's
	// Seen is how much of the file has been read and committed, where reading
	// has to begin before that; 0 elsewhere. SeenDigest is that of the bytes
	// before it.
	Seen       int64  `json:"seen,omitempty"`
	SeenDigest []byte `json:"seen_digest,omitempty"`

	known []byte // the state of the digest, in the run that has made the mark
}

// outputMark is the point where a file sink resumes writing.
type outputMark struct {
	Bytes int64  `json:"bytes"`
	State []byte `json:"state,omitempty"` // the encoder's
	// Tail is the digest of the last bytes before Bytes; see tail.
	Tail []byte `json:"tail,omitempty"`
	// Ended is the length of the output with its end behind Bytes; 0 if it has
	// none.
	Ended int64 `json:"ended,omitempty"`
	// Partial says that the output is not complete and still has the name for
	// that.
	Partial bool `json:"partial,omitempty"`
	// Compression is how the output is compressed. Bytes is then the end of a
	// member.
	Compression members.Kind `json:"compression,omitempty"`
}

// fileMarks are those of an input, and of the output that is made from it. A
// mark is never changed, but replaced.
type fileMarks struct {
	Input  *inputMark  `json:"input,omitempty"`
	Output *outputMark `json:"output,omitempty"`
	// Done says that the input was read to its end.
	Done bool `json:"done,omitempty"`
}

// moveInput replaces the input's mark by a later one.
func (m *fileMarks) moveInput(to *inputMark) { m.Input, m.Done = to, false }

// marksOf returns the marks of one of several inputs, or with "" those of the
// only one.
func (r *content) marksOf(file string) fileMarks {
	if file == "" {
		return r.Alone
	}
	if m := r.Files[file]; m != nil {
		return *m
	}
	return fileMarks{}
}

// editMarks returns them to be changed.
func (r *content) editMarks(file string) *fileMarks {
	if file == "" {
		return &r.Alone
	}
	if r.Files == nil {
		r.Files = map[string]*fileMarks{}
	}
	if r.Files[file] == nil {
		r.Files[file] = new(fileMarks)
	}
	return r.Files[file]
}

// encodeForm returns the JSON of a checkpoint file.
func (r *content) encodeForm() ([]byte, error) {
	f := form{Version: formVersion, Sections: map[string]json.RawMessage{}}
	for name, raw := range r.others {
		f.Sections[name] = raw
	}
	err := cmp.Or(
		putSection(f.Sections, "ends", r.Ends),
		putSection(f.Sections, "route", r.Route),
		putSection(f.Sections, "places", r.Places),
	)
	if err == nil && r.Alone.Input != nil {
		err = putSection(f.Sections, "input", *r.Alone.Input)
	}
	if err == nil && r.Alone.Output != nil {
		err = putSection(f.Sections, "output", *r.Alone.Output)
	}
	if err == nil && r.Files != nil {
		f.Version = filesVersion
		err = putSection(f.Sections, "files", r.Files)
	}
	if err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(&f, "", " ")
	return append(text, '\n'), err
}

func putSection[T any](to map[string]json.RawMessage, name string, fields T) error {
	raw, err := json.Marshal(section[T]{sectionVersion, fields})
	to[name] = raw
	return err
}

// decodeForm reads the JSON of a checkpoint file.
func (r *content) decodeForm(text []byte) error {
	var f form
	if err := decodeStrict(text, &f); err != nil {
		return err
	}
	if f.Version != formVersion && f.Version != filesVersion {
		return fmt.Errorf("%w: a checkpoint of version %d, and not of %d or %d", format.ErrMalformed, f.Version,
			formVersion, filesVersion)
	}
	err := cmp.Or(
		takeSection(f.Sections, "ends", &r.Ends),
		takeSection(f.Sections, "route", &r.Route),
		takeSection(f.Sections, "places", &r.Places),
	)
	if _, there := f.Sections["input"]; there && err == nil {
		r.Alone.Input = new(inputMark)
		err = takeSection(f.Sections, "input", r.Alone.Input)
	}
	if _, there := f.Sections["output"]; there && err == nil {
		r.Alone.Output = new(outputMark)
		err = takeSection(f.Sections, "output", r.Alone.Output)
	}
	if f.Version == filesVersion && err == nil {
		err = takeSection(f.Sections, "files", &r.Files)
	}
	if err != nil {
		return err
	}
	r.others = f.Sections
	return r.validate()
}

func takeSection[T any](from map[string]json.RawMessage, name string, to *T) error {
	raw, there := from[name]
	if !there {
		return fmt.Errorf("%w: section %q is missing", format.ErrMalformed, name)
	}
	delete(from, name)
	var version struct {
		Version int `json:"version"`
	}
	if err := json.Unmarshal(raw, &version); err != nil {
		return fmt.Errorf("%w: section %q: %w", format.ErrMalformed, name, err)
	}
	if version.Version != sectionVersion {
		return fmt.Errorf("%w: section %q has version %d: a newer program has written it", format.ErrMalformed, name,
			version.Version)
	}
	var s section[T]
	if err := decodeStrict(raw, &s); err != nil {
		return fmt.Errorf("section %q: %w", name, err)
	}
	*to = s.Fields
	return nil
}

// decodeStrict decodes one JSON value and refuses unknown fields.
func decodeStrict(text []byte, to any) error {
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return fmt.Errorf("%w: %w", format.ErrMalformed, err)
	}
	if dec.More() {
		return fmt.Errorf("%w: more than one value", format.ErrMalformed)
	}
	return nil
}

func (r *content) validate() error {
	bad := len(r.Ends.FileID) != 16
	for _, p := range r.Places {
		bad = bad || p.Next < 0 || p.Last < -1
	}
	bad = bad || !r.Alone.areValid()
	for file, m := range r.Files {
		bad = bad || file == "" || m == nil || !m.areValid()
	}
	if bad {
		return fmt.Errorf("%w: not a checkpoint", format.ErrMalformed)
	}
	return nil
}

func (m *fileMarks) areValid() bool {
	bad := false
	if in := m.Input; in != nil {
		bad = in.Record < 0 || in.Byte < 0 || in.Byte > 0 && len(in.Digest) != sha256.Size
		bad = bad || in.Seen < 0 || in.Seen > 0 && len(in.SeenDigest) != sha256.Size
	}
	if out := m.Output; out != nil {
		bad = bad || out.Bytes < 0 || out.Bytes > 0 && len(out.Tail) != sha256.Size
	}
	return !bad
}

// setPlaces replaces the positions of the given places. None goes back: a
// source that is read once more from before, such as a group whose commit
// lagged, does not take from the output the messages that it has.
func (r *content) setPlaces(places []pipeline.Position) {
	for _, p := range places {
		to := placeEntry{Place: p.Place, Next: p.Next, Last: p.Last, State: slices.Clone(p.State)}
		i := slices.IndexFunc(r.Places, func(have placeEntry) bool { return have.Place == p.Place })
		switch {
		case i < 0:
			r.Places = append(r.Places, to)
		case p.Next >= r.Places[i].Next:
			r.Places[i] = to
		}
	}
}
