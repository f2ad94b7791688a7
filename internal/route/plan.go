package route

import (
	"cmp"
	"time"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/internal/retry"
	"github.com/streamcrypt/streamcrypt/internal/topicname"
	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/transform"
)

// plan is a configuration that has been read and found consistent. Nothing has
// been opened for it.
type plan struct {
	Config
	env Env
	do  direction

	from, to, dead endpoint.Endpoint  // to is nil when verifying, dead without dead letters
	source, sink   endpoint.Traits    // of from and to
	raw            bool               // both are one payload
	readsPlain     bool               // verify reads plaintext, to compare it
	context        []byte             // of all messages, or its template: see byTopic
	contexts       topicname.Template // of Context, if it may be one
	nonces         chunker.Nonces
	keyNames       []string         // of the keys that were loaded
	keySet         [8]byte          // tells apart the sets of keys that are sealed with; zero before they are loaded
	audit          kekcache.Auditor // nil without an audit log
	statePath      string           // the file that State names, if it is one
	patience       *retry.Patience
	watch          watch.Route        // the figures of the route
	tracer         Tracer             // nil: nobody follows it
	breaker        *transform.Breaker // nil without one
	resume         chan struct{}      // see Route.Resume
	claim          *memlimit.Claim    // of an open route
	pace           *pace              // nil without a limit
	protection
	formats
}

func newPlan(do direction, c Config, env Env) (*plan, error) {
	return (&plan{Config: c, env: env, do: do}).readConfig()
}

// newPlainPlan makes the plan of a side that is only read, and holds plaintext.
func newPlainPlan(c Config, env Env) (*plan, error) {
	return (&plan{Config: c, env: env, do: verify, readsPlain: true}).readConfig()
}

// readConfig reads the configuration, and finds out whether it is consistent.
func (p *plan) readConfig() (*plan, error) {
	steps := []func() error{
		p.readFormats, p.readEnds, p.readBind, p.readCoding, p.readPolicies, p.readBreaker, p.readKeys, p.checkLimits,
		p.checkFormats,
		p.checkArchives, p.checkCheckpoint, p.checkState, p.checkDistinct, p.checkRewrap, p.checkFiles, p.checkTopics,
		p.readContexts, p.checkSealedStart, p.checkOtherFormats,
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, err
		}
	}
	p.context = []byte(p.findContext())
	p.patience = retry.NewPatience(p.findWait(), p.env.Log)
	return p, nil
}

// findWait returns how long opening waits for services. A service waits for
// others to be there, in whichever order they are started; a run with an end is
// waited for by somebody.
func (p *plan) findWait() time.Duration {
	switch {
	case p.Wait != nil:
		return *p.Wait
	case p.source.Endless:
		return retry.NoLimit
	}
	return boundedWait
}

// boundedWait is how long a run with an end waits for services.
const boundedWait = time.Minute

func (p *plan) readEnds() (err error) {
	reads := endpoint.From
	if p.do == verify {
		reads = endpoint.Look
	}
	if p.from, err = p.env.Endpoints.Parse(p.From, reads); err != nil {
		return err
	}
	p.source, p.raw = p.from.Traits(), endpoint.IsRaw(p.from)
	if p.do == verify {
		if p.To != "" {
			return hint.New("to: verify writes nothing", "leave out --to, or decrypt")
		}
	} else {
		if p.to, err = p.env.Endpoints.Parse(p.To, endpoint.To); err != nil {
			return err
		}
		p.sink = p.to.Traits()
	}
	if p.DeadLetter != "" {
		p.dead, err = p.env.Endpoints.Parse(p.DeadLetter, endpoint.DeadLetters)
	}
	return err
}

// findContext returns the name that envelopes are bound to unless another one
// is configured: that of the end which holds the envelopes.
func (p *plan) findContext() string {
	switch {
	case p.ContextSet || p.Context != "":
		return p.Context
	case p.do == encrypt:
		return p.sink.Context
	}
	return p.source.Context
}

func (p *plan) readKeys() error {
	if err := keyring.Check(p.Keys); err != nil {
		return err
	}
	if err := keyring.Check(p.OldKeys); err != nil {
		return hint.PrefixError("old", err)
	}
	if p.KeyStore != "" {
		if err := keyring.CheckStore(p.KeyStore); err != nil {
			return err
		}
	}
	if _, err := chooseWord("tombstones", p.Tombstones, "require", "pass"); err != nil {
		return err
	}
	if err := p.checkLetters(); err != nil {
		return err
	}
	if p.do == encrypt || p.seals != nil {
		nonce, err := chooseWord("nonce", p.Nonce, "counter", "random")
		if err != nil {
			return err
		}
		if nonce == "random" {
			p.nonces = chunker.Random
		}
	}
	if p.do != encrypt || p.seals != nil {
		return nil
	}
	profile, err := chooseWord("profile", p.Profile, "self", "ref")
	switch {
	case err != nil:
		return err
	case profile == "ref" && p.KeyStore == "":
		return hint.New("profile ref: no key store for the key records that envelopes refer to",
			"name a directory: --keystore "+keyring.StoreForm)
	case profile == "self" && p.KeyStore != "":
		return hint.New("key store: envelopes of profile self need none", "leave out --keystore, or say --profile ref")
	}
	return nil
}

// chooseWord returns the word that was configured, or the first one if none
// was.
func chooseWord(subject, word string, words ...string) (string, error) {
	word = cmp.Or(word, words[0])
	for _, w := range words {
		if w == word {
			return word, nil
		}
	}
	return "", hint.PrefixError(subject, address.NewUnknownError("value", word, words))
}
