package route

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/streamcrypt/streamcrypt/codec/cmsder"
	"github.com/streamcrypt/streamcrypt/codec/exchange"
	"github.com/streamcrypt/streamcrypt/codec/jwe"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/convert"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// ownFormat is the word for envelopes.
const ownFormat = "cose"

// otherFormats are the formats of other tools that this build writes. A new one
// is a row here.
func otherFormats() []exchange.Format {
	return []exchange.Format{jwe.Format, cmsder.Format, cmsder.PEMFormat}
}

// openedFormats are the formats of other tools that this build reads: the
// reader of CMS takes both of its forms.
func openedFormats() []exchange.Format { return []exchange.Format{jwe.Format, cmsder.Format} }

// AcceptedNames returns the words for the formats that can be opened beside
// envelopes.
func AcceptedNames() []string { return listFormats(openedFormats()) }

func listFormats(formats []exchange.Format) []string {
	names := make([]string, len(formats))
	for i := range formats {
		names[i] = formats[i].Name
	}
	return names
}

// FormatNames returns the words for the formats that messages can have: that of
// envelopes first.
func FormatNames() []string {
	return append([]string{ownFormat}, listFormats(otherFormats())...)
}

// Convert opens a route that opens messages of one format and seals them again,
// under a data key of its own, in the format that c.Format names. Plaintext
// stays in the process. From cose it does everything that Decrypt does, and to
// cose everything that Encrypt does. See Encrypt.
func Convert(ctx context.Context, c Config, env Env) (*Route, error) {
	return open(ctx, conversion, c, env)
}

// formats says in which formats messages are read and written.
type formats struct {
	converts bool
	seals    *exchange.Format  // that messages are written in; nil: envelopes, or plaintext
	opens    []exchange.Format // that are opened beside envelopes, or when sealing instead of them
}

// readFormats reads the formats. From here on a conversion is one of two
// directions and has its rules.
func (p *plan) readFormats() error {
	p.converts = p.do == conversion
	format, err := p.findFormat()
	if err != nil {
		return err
	}
	switch {
	case p.converts && format == nil:
		p.do, p.opens = encrypt, openedFormats()
	case p.converts:
		p.do, p.seals = decrypt, format
	case p.do == encrypt:
		p.seals = format
	case p.do == decrypt || p.do == verify:
		return p.readAccepted()
	}
	return nil
}

// findFormat returns the format that Format names; nil is that of envelopes.
func (p *plan) findFormat() (*exchange.Format, error) {
	if p.Format == "" && p.converts {
		return nil, hint.New("format: that of the output is not given",
			"say --format "+strings.Join(FormatNames(), ", or --format "))
	}
	word, err := chooseWord("format", p.Format, FormatNames()...)
	if err != nil {
		return nil, err
	}
	for _, f := range otherFormats() {
		if f.Name == word {
			return &f, nil
		}
	}
	return nil, nil //nolint:nilnil // documented: that of envelopes
}

// readAccepted reads the formats that are opened beside envelopes.
func (p *plan) readAccepted() error {
	all := openedFormats()
	for _, word := range p.Accept {
		i := slices.IndexFunc(all, func(f exchange.Format) bool { return f.Name == word })
		if i < 0 {
			return hint.PrefixError("accept", address.NewUnknownError("format", word, AcceptedNames()))
		}
		if !slices.ContainsFunc(p.opens, func(f exchange.Format) bool { return f.Name == word }) {
			p.opens = append(p.opens, all[i])
		}
	}
	return nil
}

// workName names the work of the route, for people, logs and metrics.
func (p *plan) workName() string {
	if p.converts {
		return conversion.String()
	}
	return p.do.String()
}

// openingKeys returns the URLs of the keys that messages are opened with.
func (p *plan) openingKeys() []string {
	if p.converts && len(p.OldKeys) > 0 {
		return p.OldKeys
	}
	return p.Keys
}

// checkOtherFormats refuses settings that another format than that of envelopes
// cannot keep. Nothing weaker takes their place in silence.
func (p *plan) checkOtherFormats() error {
	if p.seals != nil {
		if err := p.checkSealsOther(p.seals); err != nil {
			return err
		}
	}
	if len(p.opens) == 0 {
		return nil
	}
	if keys := p.openingKeys(); len(keys) > 0 && len(keyring.ListServices(keys)) == len(keys) {
		return hint.New("key "+keys[0]+": "+convert.ErrNoLocal.Error(), "add a key file")
	}
	lacks := func(what, advice string) error {
		return hint.New(what+": "+p.opens[0].Title+" has nothing that tells", advice)
	}
	switch {
	case p.MaxAge > 0 && !p.passes(pipeline.ReasonStale):
		return lacks("max-age", "leave it out, or open messages of that format in a run of their own")
	case len(p.Signers) > 0 && !p.passes(pipeline.ReasonUntrusted):
		return lacks("signer", "leave it out, say --on untrusted=pass, or open messages of that format in a run "+
			"of their own")
	case p.raw || !p.source.Plain:
		return nil
	}
	return p.checkOpensText()
}

// checkOpensText refuses formats that a source of texts cannot hold. A
// conversion, which nobody told the format, reads the others.
func (p *plan) checkOpensText() error {
	isBinary := func(f exchange.Format) bool { return f.Binary }
	if p.converts {
		p.opens = slices.DeleteFunc(p.opens, isBinary)
	}
	if slices.ContainsFunc(p.opens, isBinary) {
		return hint.PrefixError("from", errHoldsPlain(&p.source))
	}
	return nil
}

// checkSealsOther refuses settings that a format cannot carry.
func (p *plan) checkSealsOther(f *exchange.Format) error {
	lacks := func(what string) error {
		return hint.New(what+": "+f.Title+" has no room for it", "leave it out, or seal envelopes: --format cose")
	}
	if services := keyring.ListServices(p.Keys); len(services) > 0 {
		return hint.New("key "+services[0]+": "+convert.ErrNotLocal.Error()+": "+f.Title,
			"seal for a key file: local:, x25519: or rsa:")
	}
	switch {
	case p.sink.Archive:
		return &hint.Error{Err: fmt.Errorf("%s: an archive holds envelopes only, and no %s", p.sink.Name, f.Title),
			Hint: "write to a file that ends in .ndjson"}
	case f.Binary && !p.raw && p.sink.Plain:
		return hint.PrefixError("to", errHoldsPlain(&p.sink))
	case p.do != encrypt:
		return nil // the other settings are about envelopes that are opened
	case p.source.StartsSealed:
		return hint.New("start=sealed: messages in "+f.Title+" do not say where they come from",
			"say start=earliest, or leave it out")
	case p.Profile == "ref" || p.KeyStore != "":
		return lacks("key store")
	case p.Sign != "":
		return lacks("sign")
	case p.Context != "" || p.KeyContext != "":
		return lacks("context")
	case len(p.Bind) > 0:
		return lacks("bind")
	case p.Compress == "zstd" || p.Dictionary != "":
		return lacks("compress")
	case p.Pad != "" && p.Pad != "none":
		return lacks("pad")
	case p.ChunkSize != 0:
		return lacks("chunk-size")
	}
	return nil
}

// tellFormats says once which guarantees the formats of the route lack.
func (p *plan) tellFormats() {
	if p.converts {
		to := ownFormat
		if p.seals != nil {
			to = p.seals.Name
		}
		p.env.Log.Info("converting: messages are opened and sealed again under other data keys, in this process",
			"format", to, "from", p.source.Name, "to", p.sink.Name)
	}
	if p.seals != nil {
		text := "messages in " + p.seals.Title + " lack " + p.seals.Lacks
		if p.seals.Grows != "" {
			text += "; " + p.seals.Grows
		}
		p.env.Log.Warn(text, "to", p.sink.Name)
	}
	for _, f := range p.opens {
		p.env.Log.Warn("messages in "+f.Title+" lack "+f.Lacks+": anybody who can write to the source and "+
			"seal for the key can add such messages, repeat them and leave them out unnoticed", "from", p.source.Name)
	}
}
