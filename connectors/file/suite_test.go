package file

import (
	"bytes"
	"testing"

	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/format/formattest"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/pipeline/pipelinetest"
)

var formats = []format.Format{format.NDJSON, format.Seq}

// variant is a format and how it is compressed.
type variant struct {
	format format.Format
	ext    string
}

func (v variant) String() string { return string(v.format) + v.ext }

// variants has each format and each compression; all pairs of them would take
// twice as long.
func variants() []variant {
	return []variant{{format.NDJSON, ""}, {format.NDJSON, ".zst"}, {format.Seq, ""}, {format.Seq, ".gz"}}
}

// appender returns a Put: it appends messages to a file.
func appender(t *testing.T, path string, f format.Format) func([]pipeline.Message) {
	return func(msgs []pipeline.Message) {
		o := sinkOptions(path, f)
		o.Append = true
		if err := write(t, o, msgs...); err != nil {
			t.Fatal(err)
		}
	}
}

// opener returns a function that opens a checkpoint for one run after another,
// each of which has ended or was killed before the next one.
func opener(t *testing.T) func() *Checkpoint {
	path := temp(t, "checkpoint")
	var before []*Checkpoint
	return func() *Checkpoint {
		for _, ck := range before {
			killRun(t, ck)
		}
		ck, err := OpenCheckpoint(path, Owner{From: "in", To: "out"})
		if err != nil {
			t.Fatal(err)
		}
		before = append(before, ck)
		return ck
	}
}

// killRun lets go of a checkpoint as a kill does: nothing more is written.
func killRun(t *testing.T, ck *Checkpoint) {
	t.Helper()
	if err := ck.letGo(); err != nil {
		t.Fatal(err)
	}
}

func readBack(t *testing.T, path string, f format.Format) []pipeline.Message {
	got, err := read(t, sourceOptions(path, f))
	if err != nil {
		t.Fatal(err)
	}
	for i := range got {
		got[i].Origin = pipeline.Origin{} // of the output, not of the message
	}
	return got
}

func TestSourceSuite(t *testing.T) {
	for _, f := range variants() {
		t.Run(f.String(), func(t *testing.T) {
			pipelinetest.Source(t, pipelinetest.SourceSpec{
				Carries: formattest.Carries, Ordered: true, Resumes: true, ServesAgain: true, MaxValue: 32 << 10,
				New: func(t *testing.T) pipelinetest.SourceMedium {
					path, open := temp(t, "in"+f.ext), opener(t)
					put := appender(t, path, f.format)
					put(nil)
					return pipelinetest.SourceMedium{Put: put, Bounded: func() pipeline.Source {
						o := sourceOptions(path, f.format)
						o.Checkpoint = open()
						return newSource(t, o)
					}}
				},
			})
		})
	}
}

func TestSinkSuite(t *testing.T) {
	for _, f := range variants() {
		for _, name := range []string{"in place", "checkpoint", "stream"} {
			t.Run(f.String()+" "+name, func(t *testing.T) {
				pipelinetest.Sink(t, pipelinetest.SinkSpec{
					Carries: formattest.Carries, Atomic: name != "stream", Refuses: true, MaxValue: 32 << 10,
					New: func(t *testing.T) pipelinetest.SinkMedium { return sinkMedium(t, f, name) },
				})
			})
		}
	}
}

func sinkMedium(t *testing.T, f variant, name string) pipelinetest.SinkMedium {
	o := sinkOptions(temp(t, "out"+f.ext), f.format)
	o.Append, o.MaxRecord = true, 256<<10
	open := opener(t)
	var out bytes.Buffer
	return pipelinetest.SinkMedium{
		Spoil: func(m *pipeline.Message) { m.Value = make([]byte, o.MaxRecord) },
		Sink: func() pipeline.Sink {
			switch name {
			case "checkpoint":
				o.Checkpoint = open()
			case "stream":
				o.Path, o.Stdout = Stream, &out
			}
			return newSink(t, o)
		},
		Stored: func() []pipeline.Message {
			if name != "stream" {
				return readBack(t, o.Path, f.format)
			}
			from := sourceOptions(Stream, f.format)
			from.Compression = o.Compression
			from.Stdin = bytes.NewReader(out.Bytes())
			got, err := read(t, from)
			if err != nil && err.Error() != "-@20: truncated: no end behind the last record" { // messages without a position went out
				t.Fatal(err)
			}
			for i := range got {
				got[i].Origin = pipeline.Origin{}
			}
			return got
		},
	}
}

func TestPairSuite(t *testing.T) {
	for _, f := range variants() {
		t.Run(f.String(), func(t *testing.T) {
			pipelinetest.Pair(t, pipelinetest.PairSpec{
				Carries: formattest.Carries, ExactlyOnce: true,
				New: func(t *testing.T) pipelinetest.PairMedium {
					in, out, open := temp(t, "in"+f.ext), temp(t, "out"+f.ext), opener(t)
					put := appender(t, in, f.format)
					put(nil)
					return pipelinetest.PairMedium{
						Put: put,
						Open: func() (pipeline.Source, pipeline.Sink) {
							ck := open()
							from, to := sourceOptions(in, f.format), sinkOptions(out, f.format)
							from.Checkpoint, to.Checkpoint = ck, ck
							return newSource(t, from), newSink(t, to)
						},
						Stored: func() []pipeline.Message {
							got, err := read(t, sourceOptions(out, f.format))
							if err != nil && f.format != format.Seq {
								t.Fatal(err) // a seq whose run was cut off has no end record yet
							}
							return got
						},
					}
				},
			})
		})
	}
}
