package route

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/codec/coding"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/keys"
)

// protection is what the configuration says about envelopes beside their keys.
// Files are read when the route is opened.
type protection struct {
	bind       envelope.Bind
	coding     coding.Options
	signer     keys.Signer     // nil: nobody signs
	signers    []keys.Verifier // none: nobody needs to
	dictionary *coding.Dictionary
	receipt    *archive.Receipt
	policies
}

// readBind reads what envelopes are bound to. The end that holds them decides
// about the defaults.
func (p *plan) readBind() error {
	holder := &p.source
	if p.do == encrypt {
		holder = &p.sink
	}
	if holder.NoHeaderOrder {
		p.bind.Medium = envelope.Stream
	}
	p.bind.Time = holder.Times == endpoint.KeptTimes
	var words []string
	for _, text := range p.Bind {
		word, name, named := strings.Cut(text, ":")
		switch {
		case named && word == "header" && name == envelope.TombstoneHeader:
			return fmt.Errorf("bind: header %q carries envelopes and cannot be bound", name)
		case named && word == "header" && name != "":
			p.bind.Named = true
			p.bind.Names = append(p.bind.Names, name)
		case named && word != "header":
			return hint.PrefixError("bind", address.NewUnknownError("kind of name", word, []string{"header"}))
		case named || word == "header":
			return &hint.Error{Err: fmt.Errorf("bind %q: not of the form header:NAME", text),
				Hint: "write --bind header:NAME"}
		case word == "time" && holder.Times == endpoint.NoTimes:
			return fmt.Errorf("bind time: a message in %s has no time", holder.Name)
		case word == "time":
			p.bind.Time = true
		case word == "none":
			p.bind.Named, p.bind.Time = true, false
			words = append(words, word)
		case word == "all":
			words = append(words, word)
		default:
			return &hint.Error{
				Err:  fmt.Errorf("bind %q: neither all, none nor time, and not of the form header:NAME", text),
				Hint: "write --bind header:NAME",
			}
		}
	}
	if len(words) > 0 && (len(words) > 1 || len(p.bind.Names) > 0) {
		return errors.New("bind: all, none and header:NAME exclude each other")
	}
	if err := p.bind.Check(); err != nil {
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

// readCoding reads how payloads are compressed and padded.
func (p *plan) readCoding() error {
	if p.do != encrypt {
		return nil
	}
	level, err := chooseWord("compress", p.Compress, "none", "zstd")
	if err != nil {
		return err
	}
	if level == "zstd" {
		p.coding.Level = defaultLevel
	} else if p.Dictionary != "" {
		return hint.New("dictionary: nothing is compressed", "say --compress zstd")
	}
	switch p.Pad {
	case "", "none":
		return nil
	case "padme":
		p.coding.Padding = coding.PadPADME()
		return nil
	}
	size, err := strconv.ParseInt(p.Pad, 10, 64)
	if err != nil {
		return hint.New("pad: neither padme nor a number of bytes", "write --pad padme, or --pad 256")
	}
	if p.coding.Padding, err = coding.PadBlocks(size); err != nil {
		return fmt.Errorf("pad: %w", err)
	}
	return nil
}

// defaultLevel is the level of zstd. For small messages with a dictionary level
// 3 takes twice the time of level 1, and saves 3 percent of the room
// (docs/compression.md).
const defaultLevel = 1

// loadFiles reads the files that the protection names.
func (p *plan) loadFiles() (err error) {
	if p.Sign != "" && (p.do == encrypt || p.do == rewrap) {
		if p.signer, err = keyring.LoadSigner(p.Sign, p.env.Log); err != nil {
			return err
		}
	}
	if p.signers, err = keyring.LoadVerifiers(p.Signers); err != nil {
		return err
	}
	if p.Dictionary != "" {
		if p.dictionary, err = readDictionary(p.Dictionary); err != nil {
			return err
		}
		if p.do == encrypt {
			p.coding.Dictionary = p.dictionary
		}
	}
	if err := p.coding.Check(); err != nil {
		return err
	}
	return p.readReceipt()
}

// readDictionary reads a file of a dictionary.
func readDictionary(path string) (*coding.Dictionary, error) {
	b, err := readSmallFile(path, coding.MaxDictionary+1)
	if err != nil {
		return nil, fmt.Errorf("dictionary: %w", err)
	}
	d, err := coding.ParseDictionary(b)
	if err != nil {
		return nil, fmt.Errorf("dictionary %s: %w", path, err)
	}
	return d, nil
}

// readReceipt reads the receipt that an archive must satisfy.
func (p *plan) readReceipt() error {
	if p.Receipt == "" {
		return nil
	}
	b, err := readSmallFile(p.Receipt, 1<<10)
	if err != nil {
		return fmt.Errorf("receipt: %w", err)
	}
	r, err := archive.ParseReceipt(string(b))
	if err != nil {
		return fmt.Errorf("receipt %s: %w", p.Receipt, err)
	}
	p.receipt = &r
	return nil
}

// readSmallFile reads a file of up to most bytes; of a longer one a part.
func readSmallFile(path string, most int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	return io.ReadAll(io.LimitReader(f, most))
}

// checkArchives refuses options of archives where there is none.
func (p *plan) checkArchives() error {
	reads := p.do != encrypt && p.source.Archive
	appends := p.do != verify && p.sink.Archive && p.sink.Append
	switch {
	case p.Receipt != "" && !reads && !appends:
		return hint.New("receipt: no archive is read or appended to", "receipts are of .scx files")
	case p.Repair && !appends:
		return hint.New("repair: no archive is appended to", "say append=true in the URL of the archive")
	}
	return nil
}

// openerOptions are those that all openers of the route have in common.
func (p *plan) openerOptions() (o envelope.OpenerOptions, err error) {
	o = envelope.OpenerOptions{
		Context: string(p.context), KeyContext: p.KeyContext, Bind: p.bind, ExtraHeaders: true,
		Signers: p.signers, PassUntrusted: p.passes("untrusted"),
		Skew: p.MaxSkew, NoSkewLimit: p.passes("skewed"), MaxMessageAge: p.MaxAge,
		Log: p.env.Log, Audit: p.audit, Observer: p.newKeyObserver(),
	}
	if p.passes("stale") {
		o.MaxMessageAge = 0
	}
	if p.dictionary != nil {
		o.Dictionaries = append(o.Dictionaries, p.dictionary)
	}
	o.Store, err = p.openStore()
	return o, err
}
