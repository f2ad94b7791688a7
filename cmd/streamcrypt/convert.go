package main

import (
	"time"

	"github.com/streamcrypt/streamcrypt/internal/route"
)

// convertCmd opens messages of one format and seals them again in another.
type convertCmd struct {
	sourceFlag
	Format         string        `required:"" placeholder:"FORMAT" enum:"${formats}" group:"Route" help:"What messages become: jwe makes JWE of envelopes, cms makes CMS in DER and cms-pem in PEM, cose makes envelopes of any of these."`
	OldKey         []string      `placeholder:"URL" group:"Keys" complete:"key" help:"A key that opens the messages; may be repeated. Default: the --key ones."`
	Key            []string      `required:"" placeholder:"URL" group:"Keys" complete:"key" help:"A key to seal for: ${keys}. Several are several recipients. JWE and CMS take local keys only."`
	Context        *string       `placeholder:"NAME" group:"Binding" help:"Name that the envelopes are bound to; default: the topic or stream that holds them, empty for files."`
	KeyContext     string        `placeholder:"NAME" group:"Keys" help:"Name that data keys of the envelopes are bound to; default: the context."`
	Bind           []string      `placeholder:"RULE" group:"Binding" complete:"bind" help:"What the envelopes are bound to, as for encrypt and decrypt."`
	Dictionary     string        `placeholder:"FILE" group:"Coding" complete:"path" help:"Dictionary that payloads of the envelopes may have been compressed with."`
	Keystore       string        `placeholder:"URL" group:"Keys" complete:"store" help:"Store of key records that the envelopes refer to: ${store}."`
	On             []string      `placeholder:"REASON=ACTION" group:"Route" complete:"on" help:"What becomes of messages that are refused for REASON: drop, pass, dead-letter or park; may be repeated."`
	ExtraHeaders   string        `placeholder:"RULE" default:"drop" enum:"drop,pass" group:"Binding" help:"Headers that were not sealed, which all headers beside JWE and CMS are, are left out (drop), or passed on (pass)."`
	Nonce          string        `placeholder:"KIND" default:"counter" enum:"counter,random" group:"Keys" help:"How nonces are made: counter, or random, as FIPS mode and cloned virtual machines need."`
	Window         time.Duration `placeholder:"TIME" group:"Keys" help:"How long a data key is used; default: 15m."`
	WindowMessages uint64        `placeholder:"N" group:"Keys" help:"How many messages a data key seals; default: 16777216."`
	WindowBytes    size          `placeholder:"SIZE" group:"Keys" help:"How much a data key seals; default: 64GiB."`
	toFlags
	trustFlags
	openFlags
	resourceFlags
	runFlags
}

// Help is shown by --help.
func (convertCmd) Help() string {
	return "Plaintext stays in the process, and each message is sealed under a new data key. " +
		"JWE and CMS lack most of what an envelope has: docs/convert.md, docs/cms.md.\n\n" +
		"For example: streamcrypt convert --from ${sealed} --to ${copy} --format jwe --key ${key}"
}

// newRoute implements routeCommand.
func (c *convertCmd) newRoute() (route.Config, error) {
	config := route.Config{
		From: c.From, Format: c.Format, OldKeys: c.OldKey, Keys: c.Key, KeyContext: c.KeyContext, Bind: c.Bind,
		Dictionary: c.Dictionary, KeyStore: c.Keystore, On: c.On, PassExtraHeaders: c.ExtraHeaders == "pass",
		Tombstones: c.Tombstones, Nonce: c.Nonce,
		Window: c.Window, WindowMessages: c.WindowMessages, WindowBytes: uint64(c.WindowBytes),
	}
	if c.Context != nil {
		config.Context, config.ContextSet = *c.Context, true
	}
	c.toFlags.fillIn(&config)
	c.trustFlags.fillIn(&config)
	c.resourceFlags.fillIn(&config)
	c.runFlags.fillIn(&config)
	return config, nil
}

// Run implements the command.
func (c *convertCmd) Run(p *program) error { return p.runCommandRoute(route.Convert, c, &c.runFlags) }
