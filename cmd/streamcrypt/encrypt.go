package main

import (
	"time"

	"github.com/streamcrypt/streamcrypt/internal/route"
)

// encryptCmd turns plaintext into envelopes.
type encryptCmd struct {
	sourceFlag
	keyFlags
	toFlags
	archiveFlags

	Format         string        `placeholder:"FORMAT" default:"cose" enum:"${formats}" group:"Route" help:"What messages become: envelopes (cose), or jwe, cms or cms-pem for those who must deliver that; they lack most of what an envelope has."`
	Repair         bool          `group:"Archives" help:"Append to an archive without a proper end: bytes behind its last whole record are cut off, and its next end says so."`
	Sign           string        `placeholder:"FILE" group:"Keys" complete:"path" help:"Ed25519 key that vouches for data keys: streamcrypt keygen ed25519."`
	Compress       string        `placeholder:"KIND" default:"none" enum:"none,zstd" group:"Coding" help:"Compress payloads: none, or zstd. Lengths then tell about contents."`
	Pad            string        `placeholder:"RULE" group:"Coding" help:"Pad payloads: padme, or a number of bytes that lengths become a multiple of; default: none."`
	Profile        string        `placeholder:"PROFILE" default:"self" enum:"self,ref" group:"Keys" help:"Where the wrapped data key is: self, in every envelope; ref, in the --keystore."`
	Nonce          string        `placeholder:"KIND" default:"counter" enum:"counter,random" group:"Keys" help:"How nonces are made: counter, or random, as FIPS mode and cloned virtual machines need."`
	ChunkSize      size          `placeholder:"SIZE" group:"Resources" help:"Largest payload in one piece; default: ${chunk_size}."`
	Window         time.Duration `placeholder:"TIME" group:"Keys" help:"How long a data key is used; default: 15m."`
	WindowMessages uint64        `placeholder:"N" group:"Keys" help:"How many messages a data key seals; default: 16777216."`
	WindowBytes    size          `placeholder:"SIZE" group:"Keys" help:"How much a data key seals; default: 64GiB."`
}

// Help is shown by --help.
func (encryptCmd) Help() string {
	return "For example: streamcrypt encrypt --from ${plain} --to ${sealed} --key ${key}"
}

// newRoute implements routeCommand.
func (c *encryptCmd) newRoute() (route.Config, error) {
	config := c.newConfig(c.From)
	c.toFlags.fillIn(&config)
	config.Format = c.Format
	config.Profile, config.Nonce, config.ChunkSize = c.Profile, c.Nonce, int64(c.ChunkSize)
	config.Sign, config.Compress, config.Pad = c.Sign, c.Compress, c.Pad
	config.Receipt, config.Repair = c.Receipt, c.Repair
	config.Window, config.WindowMessages, config.WindowBytes = c.Window, c.WindowMessages, uint64(c.WindowBytes)
	return config, nil
}

// Run implements the command.
func (c *encryptCmd) Run(p *program) error { return p.runCommandRoute(route.Encrypt, c, &c.runFlags) }
