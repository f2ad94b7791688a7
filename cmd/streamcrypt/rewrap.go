package main

import (
	"errors"

	"github.com/streamcrypt/streamcrypt/internal/route"
)

// rewrapCmd wraps data keys for other keys. Payloads stay sealed.
type rewrapCmd struct {
	From       string   `placeholder:"URL" group:"Route" complete:"from" help:"Envelopes to read; as for decrypt."`
	To         string   `placeholder:"URL" group:"Route" complete:"to" help:"Where to write them; as for encrypt."`
	OldKey     []string `required:"" placeholder:"URL" group:"Keys" complete:"key" help:"A key that opens the envelopes now; may be repeated."`
	Key        []string `required:"" placeholder:"URL" group:"Keys" complete:"key" help:"A key to wrap for: ${keys}. Several are several recipients; they replace all that were there."`
	Keystore   string   `placeholder:"URL" group:"Keys" complete:"store" help:"Store of key records, in which those of envelopes by reference are rewrapped: ${store}. Without --from and --to all its records are."`
	Verify     bool     `group:"Keys" help:"Unwrap every data key that a key service has rewrapped by itself, and check that it is the key of the envelope."`
	Context    *string  `placeholder:"NAME" group:"Binding" help:"Name that the envelopes are bound to, and stay so; default: the topic or stream that is read, empty for files."`
	KeyContext string   `placeholder:"NAME" group:"Keys" help:"Name that data keys are bound to; default: the context."`
	Sign       string   `placeholder:"FILE" group:"Keys" complete:"path" help:"Ed25519 key that signs the end of an archive that is made."`
	On         []string `placeholder:"REASON=ACTION" group:"Route" complete:"on" help:"What becomes of messages that are refused for REASON; untrusted=pass rewraps data keys that nobody vouches for."`
	trustFlags
	openFlags
	sinkFlags
	resourceFlags
	runFlags
}

// Help is shown by --help.
func (rewrapCmd) Help() string {
	return "For example: streamcrypt rewrap --from ${sealed} --to ${copy} --old-key ${old_key} --key ${key}"
}

// newRoute implements routeCommand.
func (c *rewrapCmd) newRoute() (route.Config, error) {
	if (c.From == "") != (c.To == "") {
		return route.Config{}, &usageError{errors.New("--from and --to go together"), "streamcrypt rewrap"}
	}
	config := route.Config{
		From: c.From, To: c.To, OldKeys: c.OldKey, Keys: c.Key, KeyStore: c.Keystore,
		VerifyKeys: c.Verify, Tombstones: c.Tombstones,
	}
	if c.Context != nil {
		config.Context, config.ContextSet = *c.Context, true
	}
	config.KeyContext, config.Sign, config.On = c.KeyContext, c.Sign, c.On
	c.trustFlags.fillIn(&config)
	c.sinkFlags.fillIn(&config)
	c.resourceFlags.fillIn(&config)
	c.runFlags.fillIn(&config)
	return config, nil
}

// Run implements the command.
func (c *rewrapCmd) Run(p *program) error { return p.runCommandRoute(route.Rewrap, c, &c.runFlags) }
