package route

import (
	"errors"
	"fmt"
	"os"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/credfile"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/keys/local"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// checkLimits has the owners of all numbers judge them, and refuses a route
// that needs more memory than there is, of any ends.
func (p *plan) checkLimits() error {
	o := p.pipelineOptions()
	if err := o.Check(); err != nil {
		return err
	}
	if p.Rate < 0 {
		return errRate
	}
	p.pace = newPace(p.Rate)
	if p.Wait != nil && *p.Wait < 0 {
		return errors.New("wait must not be negative")
	}
	if most := p.source.MaxReadAhead; most > 0 && p.ReadAhead > most {
		return fmt.Errorf("read-ahead: %d bytes are above %d, the most that %s can do", p.ReadAhead, most,
			p.source.Name)
	}
	if p.do == encrypt {
		if err := envelope.CheckChunkSize(p.ChunkSize); err != nil {
			return err
		}
	}
	if p.do == encrypt || p.seals != nil {
		if err := p.window().Check(); err != nil {
			return err
		}
	}
	if p.raw {
		return memlimit.Check(p.rawMemory())
	}
	return memlimit.Check(pipeline.Memory(o, 1, 0))
}

// pipelineOptions returns the configured numbers.
func (p *plan) pipelineOptions() pipeline.Options {
	return pipeline.Options{
		Workers: p.Workers, Budget: int(p.Budget), ReadAhead: int(p.ReadAhead), Grace: p.Grace, Pool: p.env.Pool,
	}
}

// checkFormats refuses ends that do not go together.
func (p *plan) checkFormats() error {
	switch {
	case p.do == encrypt && p.source.Archive:
		return &hint.Error{
			Err:  fmt.Errorf("%s: an archive holds envelopes already", p.source.Name),
			Hint: "decrypt it, or read it with format=ndjson if it is none",
		}
	case p.source.OtherSubjects && (p.do == encrypt || p.do == rewrap):
		return hint.New("from: subject-was= is about envelopes that are opened",
			"leave it out, or decrypt; to rewrap, read the stream that holds them under their own subjects")
	case p.do == decrypt && p.sink.Archive:
		return &hint.Error{
			Err:  fmt.Errorf("%s: an archive holds envelopes only", p.sink.Name),
			Hint: "decrypt into .ndjson or a stream",
		}
	case p.readsPlain && p.source.Archive:
		return hint.New("from: "+p.source.Name+": an archive holds envelopes",
			"--from is the plaintext, and --against the envelopes that were made of it")
	case p.do != encrypt && !p.readsPlain && p.source.Plain && len(p.opens) == 0:
		return hint.PrefixError("from", errHoldsPlain(&p.source))
	case p.do != decrypt && p.to != nil && p.sink.Plain && p.seals == nil:
		return hint.PrefixError("to", errHoldsPlain(&p.sink))
	case p.do != verify && p.raw != endpoint.IsRaw(p.to):
		whole, records := &p.source, &p.sink
		if !p.raw {
			whole, records = records, whole
		}
		return &hint.Error{Err: fmt.Errorf("%s is raw and %s holds records", whole.Name, records.Name),
			Hint: whole.RecordsHint}
	case p.sink.Append && p.Overwrite:
		return errors.New("to: append and overwrite exclude each other")
	case !p.raw:
		return nil
	case len(p.Bind) > 0:
		return hint.New("bind: a raw file has no headers", p.source.RecordsHint)
	case p.dead != nil:
		return hint.New("dead letters: a raw file is one message", p.source.RecordsHint)
	case p.Checkpoint != "":
		return hint.New("checkpoint: a raw file is read as a whole", p.source.RecordsHint)
	}
	return nil
}

// errHoldsPlain says that an end cannot hold envelopes.
func errHoldsPlain(t *endpoint.Traits) error {
	return &hint.Error{
		Err:  fmt.Errorf("%s: its format cannot hold envelopes", t.Name),
		Hint: "say format=ndjson or format=seq for envelopes",
	}
}

// checkCheckpoint refuses a checkpoint that cannot keep anything.
func (p *plan) checkCheckpoint() error {
	switch {
	case p.Checkpoint == "" && p.source.NeedsCheckpoint != nil:
		return hint.PrefixError("from: "+p.source.Name, p.source.NeedsCheckpoint)
	case p.Checkpoint == "":
		return nil
	case !p.source.Checkpoint && !p.sink.Checkpoint:
		return hint.New("checkpoint: "+p.source.Name+" keeps how far it was read by itself",
			"a consumer group does, and so do several streams and those with shared=true; leave out --checkpoint, "+
				"or write to a file")
	case p.source.Pipe || p.sink.Pipe:
		return hint.New("checkpoint: a pipe cannot be begun again", "name a file, or leave out --checkpoint")
	}
	return nil
}

// checkState reads the place of the replay check's state.
func (p *plan) checkState() (err error) {
	if p.State == "" {
		return nil
	}
	keeper, ok := p.from.(endpoint.StateKeeper)
	switch {
	case p.do != decrypt:
		return hint.New("state: only a route that decrypts has a replay check", "leave out --state")
	case !ok:
		return hint.New("state: the source cannot keep that of the replay check elsewhere",
			"it is for a stream that is read through consumer=; leave out --state")
	}
	if p.statePath, err = keeper.KeepState(p.State); err != nil {
		return hint.PrefixError("state", err)
	}
	p.source = p.from.Traits() // with the files that the place names
	return nil
}

// checkFiles refuses a URL with a parameter that names a missing file, and
// warns of secrets that others can read.
func (p *plan) checkFiles() error {
	for _, end := range p.listEnds() {
		t := end.Traits()
		for _, f := range t.Files {
			info, err := os.Stat(f.Path)
			if err != nil {
				return fmt.Errorf("%s: %s: parameter %s: %w", end.as, t.Name, f.Param, err)
			}
			if f.Secret && local.WidePermissions(credfile.Mode(info)) {
				p.env.Log.Warn("secret can be read by others than its owner",
					"parameter", f.Param, "file", f.Path, "mode", info.Mode().Perm().String())
			}
		}
	}
	return nil
}

// roledEnd is an end and its role.
type roledEnd struct {
	endpoint.Endpoint
	as endpoint.Role
}

// listEnds lists the ends that the route has.
func (p *plan) listEnds() []roledEnd {
	var ends []roledEnd
	for _, end := range []roledEnd{{p.from, endpoint.From}, {p.to, endpoint.To}, {p.dead, endpoint.DeadLetters}} {
		if end.Endpoint != nil {
			ends = append(ends, end)
		}
	}
	return ends
}
