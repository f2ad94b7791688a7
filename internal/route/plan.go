package route

import (
	"cmp"
	"errors"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/transform"
)

// plan is a configuration that has been read and found consistent. Nothing has been opened for it.
type plan struct {
	Config
	env Env
	do  direction

	from, to end  // to is unused when verifying
	dead     *end // nil without dead letters
	context  []byte
	bind     []string
	store    string // a directory; "" for none
	nonces   chunker.Nonces
	raw      bool
	audit    kekcache.Auditor // nil without an audit log
}

func newPlan(do direction, c Config, env Env) (*plan, error) {
	p := &plan{Config: c, env: env, do: do}
	for _, step := range []func() error{p.readEnds, p.readBind, p.readKeys, p.checkFormats, p.checkDistinct} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	p.readContext()
	if do == rewrap {
		return p, p.checkRewrap()
	}
	return p, nil
}

func (p *plan) readEnds() (err error) {
	if p.from, err = parseEnd(p.From, source); err != nil {
		return err
	}
	switch {
	case p.do != verify:
		if p.to, err = parseEnd(p.To, sink); err != nil {
			return err
		}
	case p.To != "":
		return &hint.Error{Err: errors.New("to: verify writes nothing"), Hint: "leave out --to, or decrypt"}
	case p.from.nats != nil && p.from.nats.consumer != "":
		return &hint.Error{
			Err:  errors.New("from: a durable consumer would remember that it was verified, and not be given it again"),
			Hint: "leave out consumer=",
		}
	case p.from.nats != nil:
		p.from.nats.untilEnd = true
	case p.from.kafka != nil && p.from.kafka.group != "":
		return &hint.Error{
			Err:  errors.New("from: a group would remember what was verified, and its members not be given it again"),
			Hint: "leave out group=",
		}
	case p.from.kafka != nil && !p.from.kafka.until.Bounded():
		p.from.kafka.until.End = true
	}
	if k := p.from.kafka; k != nil {
		if err := k.checkRun(); err != nil {
			return hint.Prefix(string(source), hint.Prefix(p.from.name, err))
		}
	}
	if p.DeadLetter == "" {
		return nil
	}
	dead, err := parseEnd(p.DeadLetter, deadLetter)
	if err == nil && dead.file != nil && dead.file.format != format.NDJSON {
		err = &hint.Error{
			Err:  fmt.Errorf("%s: %s cannot hold dead letters", deadLetter, dead.file.format),
			Hint: "name a file that ends in .ndjson, or say format=ndjson",
		}
	}
	p.dead = &dead
	return err
}

// readContext finds the name that envelopes are bound to: that of the end which holds them.
func (p *plan) readContext() {
	switch {
	case p.ContextSet || p.Context != "":
		p.context = []byte(p.Context)
	case p.do == encrypt:
		p.context = []byte(p.to.context())
	default:
		p.context = []byte(p.from.context())
	}
}

func (p *plan) readBind() error {
	for _, text := range p.Bind {
		kind, name, ok := strings.Cut(text, ":")
		switch {
		case !ok || name == "":
			return &hint.Error{Err: fmt.Errorf("bind %q: not of the form header:NAME", text), Hint: "write --bind header:NAME"}
		case kind != "header":
			return hint.Prefix("bind", address.Unknown("kind of name", kind, []string{"header"}))
		case name == transform.HeaderName:
			return fmt.Errorf("bind: header %q carries envelopes and cannot be bound", name)
		}
		p.bind = append(p.bind, name)
	}
	return nil
}

func (p *plan) readKeys() (err error) {
	if p.KeyStore != "" {
		if p.store, err = readStore(p.KeyStore); err != nil {
			return hint.Prefix("key store", err)
		}
	}
	if _, err := choose("tombstones", p.Tombstones, "require", "pass"); err != nil {
		return err
	}
	if p.do != encrypt {
		return nil
	}
	profile, err := choose("profile", p.Profile, "self", "ref")
	switch {
	case err != nil:
		return err
	case profile == "ref" && p.store == "":
		return &hint.Error{
			Err:  errors.New("profile ref: no key store for the key records that envelopes refer to"),
			Hint: "name a directory: --keystore file:DIR",
		}
	case profile == "self" && p.store != "":
		return &hint.Error{Err: errors.New("key store: envelopes of profile self need none"), Hint: "leave out --keystore, or say --profile ref"}
	}
	nonce, err := choose("nonce", p.Nonce, "counter", "random")
	if nonce == "random" {
		p.nonces = chunker.Random
	}
	return err
}

func readStore(text string) (string, error) {
	a, err := address.Parse(text)
	switch {
	case errors.Is(err, address.ErrNoScheme):
		return "", &hint.Error{Err: err, Hint: "write file:DIR"}
	case err != nil:
		return "", err
	case a.Scheme != "file":
		return "", address.Unknown("scheme", a.Scheme, []string{"file"})
	}
	if err := a.Params().Done(); err != nil {
		return "", err
	}
	f, err := readFileEnd(a, source)
	if err != nil {
		return "", err
	}
	return f.path, nil
}

// choose returns the word that was configured, or the first one if none was.
func choose(what, word string, words ...string) (string, error) {
	word = cmp.Or(word, words[0])
	for _, w := range words {
		if w == word {
			return word, nil
		}
	}
	return "", hint.Prefix(what, address.Unknown("value", word, words))
}

const formatHint = "a raw file is one payload, not records; say format=ndjson or format=seq, or end the name in .ndjson or .scx"

// checkFormats refuses ends that do not go together.
func (p *plan) checkFormats() error {
	p.raw = p.from.raw()
	switch {
	case p.do == encrypt && p.from.seq():
		return &hint.Error{Err: fmt.Errorf("%s: a seq file holds envelopes already", p.from.name), Hint: "decrypt it, or read it with format=ndjson if it is none"}
	case p.do == decrypt && p.to.seq():
		return &hint.Error{Err: fmt.Errorf("%s: a seq file holds envelopes only", p.to.name), Hint: "decrypt into .ndjson or a stream"}
	case p.do != verify && p.raw != p.to.raw():
		whole, records := &p.from, &p.to
		if !p.raw {
			whole, records = records, whole
		}
		return &hint.Error{Err: fmt.Errorf("%s is raw and %s holds records", whole.name, records.name), Hint: formatHint}
	case !p.raw:
		return nil
	case len(p.bind) > 0:
		return &hint.Error{Err: errors.New("bind: a raw file has no headers"), Hint: formatHint}
	case p.dead != nil:
		return &hint.Error{Err: errors.New("dead letters: a raw file is one message"), Hint: formatHint}
	case p.Checkpoint != "":
		return &hint.Error{Err: errors.New("checkpoint: a raw file is read as a whole"), Hint: formatHint}
	}
	return nil
}

// checkDistinct refuses a route that reads what it writes, or writes one thing twice.
func (p *plan) checkDistinct() error {
	if p.Checkpoint != "" && p.from.file == nil && p.to.file == nil {
		return &hint.Error{Err: errors.New("checkpoint: neither end is a file"), Hint: "a consumer or a group remembers what was read; leave out --checkpoint"}
	}
	names := map[string]string{}
	use := func(id, what string) error {
		if other, twice := names[id]; twice && id != "" {
			return fmt.Errorf("%s and %s are the same", other, what)
		}
		names[id] = what
		return nil
	}
	err := use(p.from.id(source), "from")
	if p.do != verify {
		err = errors.Join(err, use(p.to.id(sink), "to"))
	}
	if p.dead != nil {
		err = errors.Join(err, use(p.dead.id(deadLetter), "the dead letters"))
	}
	if p.Checkpoint != "" {
		err = errors.Join(err, use("file "+resolved(p.Checkpoint), "the checkpoint"))
	}
	if p.Audit != "" {
		err = errors.Join(err, use("file "+resolved(p.Audit), "the audit log"))
	}
	return err
}

// id is the same for two ends that are the same thing.
func (e *end) id(as role) string {
	switch {
	case e.kafka != nil:
		return "kafka " + e.name
	case e.nats != nil:
		return "nats " + e.name
	case e.file.path != file.Stream:
		return "file " + resolved(e.file.path)
	case as == source:
		return "standard input"
	}
	return "standard output"
}

// resolved is a file's path without links, as far as it exists.
func resolved(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		path = abs
	}
	if real, err := filepath.EvalSymlinks(path); err == nil {
		return real
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		return filepath.Join(dir, filepath.Base(path))
	}
	return path
}
