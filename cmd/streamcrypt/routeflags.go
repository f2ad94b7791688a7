package main

import (
	"time"

	"github.com/streamcrypt/streamcrypt/internal/route"
)

// keyFlags are the flags of every command that seals or opens envelopes.
type keyFlags struct {
	Key        []string `required:"" placeholder:"URL" group:"Keys" complete:"key" help:"A key: ${keys}. Several, with commas or repeated, are several recipients."`
	Context    *string  `placeholder:"NAME" group:"Binding" help:"Name that every envelope is bound to; default: the topic or stream that holds the ciphertext, empty for files."`
	Bind       []string `placeholder:"RULE" group:"Binding" complete:"bind" help:"What envelopes are bound to: all headers (default), none, header:NAME for some (repeated, and the same when reading), and time for the record's time."`
	KeyContext string   `placeholder:"NAME" group:"Keys" help:"Name that data keys are bound to; default: the context."`
	Dictionary string   `placeholder:"FILE" group:"Coding" complete:"path" help:"Dictionary that payloads are, or may have been, compressed with."`
	On         []string `placeholder:"REASON=ACTION" group:"Route" complete:"on" help:"What becomes of messages that are refused for REASON: drop, pass, dead-letter or park; may be repeated."`
	Keystore   string   `placeholder:"URL" group:"Keys" complete:"store" help:"Store of key records for --profile=ref: ${store}."`
	resourceFlags
	runFlags
}

// resourceFlags limit the resources of a route.
type resourceFlags struct {
	Workers int           `placeholder:"N" group:"Resources" help:"Batches in flight; default: one per processor."`
	Budget  size          `placeholder:"SIZE" group:"Resources" help:"Memory of a worker; default: ${budget}."`
	Audit   string        `placeholder:"FILE" group:"Keys" complete:"path" help:"Record every key operation in FILE, in a chain that streamcrypt keys audit verify checks."`
	Ahead   size          `name:"read-ahead" placeholder:"SIZE" group:"Resources" help:"How much is read at a time; default: ${read_ahead}, or less where the kind of source says so."`
	Rate    speed         `placeholder:"SPEED" group:"Resources" help:"Carry at most so many bytes of plaintext in a second, such as 50MB/s; of envelopes when rewrapping."`
	Grace   time.Duration `placeholder:"TIME" group:"Resources" help:"How long writes may go on after a signal; default: ${grace}."`
}

// keyURLs returns the keys that a hang-up loads again.
func (f *keyFlags) keyURLs() []string { return f.Key }

// newConfig returns a configuration of these flags.
func (f *keyFlags) newConfig(from string) route.Config {
	c := route.Config{
		From: from, Keys: f.Key, Bind: f.Bind, KeyStore: f.Keystore, KeyContext: f.KeyContext,
		Dictionary: f.Dictionary, On: f.On,
	}
	f.resourceFlags.fillIn(&c)
	f.runFlags.fillIn(&c)
	if f.Context != nil {
		c.Context, c.ContextSet = *f.Context, true
	}
	return c
}

func (f *resourceFlags) fillIn(c *route.Config) {
	c.Workers, c.Budget, c.ReadAhead, c.Grace = f.Workers, int64(f.Budget), int64(f.Ahead), f.Grace
	c.Audit, c.Rate = f.Audit, int64(f.Rate)
}

// runFlags are the flags of every command that runs a route.
type runFlags struct {
	Name string         `placeholder:"NAME" group:"Run" help:"Name of the route in logs, metrics and audit lines; default: the command and the source."`
	Wait *time.Duration `placeholder:"TIME" group:"Run" help:"How long the start waits for brokers and key services that are away; default: a minute if the input has an end, else for any time."`
	Plan bool           `group:"Run" help:"Look at ends and keys, and print what the run would read, make and write, and which rights it takes; change nothing."`
	JSON bool           `group:"Run" help:"Print how the run ended to standard output, as one line of JSON."`
	opsFlags
}

func (f *runFlags) fillIn(c *route.Config) { c.Name, c.Wait = f.Name, f.Wait }

// sourceFlag is the source of every command that changes or keeps nothing of
// the source.
type sourceFlag struct {
	From string `required:"" placeholder:"URL" group:"Route" complete:"from" help:"The source: ${ends}."`
}

// lookFlag is the source of every command that only looks at it.
type lookFlag struct {
	From string `required:"" placeholder:"URL" group:"Route" complete:"look" help:"The source: ${ends}. It is read up to its end as of now, and left as if it had not been read."`
}

// toFlags are the flags of every command that writes a route.
type toFlags struct {
	To string `required:"" placeholder:"URL" group:"Route" complete:"to" help:"The destination: ${ends}."`
	sinkFlags
}

// sinkFlags say how a route writes.
type sinkFlags struct {
	DeadLetter string `placeholder:"URL" group:"Route" complete:"dead-letter" help:"Where to note rejected messages; without it the first one stops its lane."`
	Values     string `name:"dead-letter-value" placeholder:"RULE" group:"Route" help:"How much of the value a dead letter has when opening: full (the default; a value above 1 MiB is hashed), hash or none."`
	Checkpoint string `placeholder:"FILE" group:"Route" complete:"path" help:"Keeps how far files, streams without a consumer and topics without a group were read, and files written, so that the next run goes on there."`
	Overwrite  bool   `group:"Route" help:"Replace an output file that exists."`
	Instance   string `placeholder:"NAME" group:"Route" help:"This process among the members of a consumer group, the same after a restart; transactions that it left open are then aborted at once."`
}

func (f *toFlags) fillIn(c *route.Config) {
	c.To = f.To
	f.sinkFlags.fillIn(c)
}

func (f *sinkFlags) fillIn(c *route.Config) {
	c.DeadLetterValue = f.Values
	c.DeadLetter, c.Checkpoint, c.Overwrite, c.Instance = f.DeadLetter, f.Checkpoint, f.Overwrite, f.Instance
}

// archiveFlags are about archives.
type archiveFlags struct {
	Receipt string `placeholder:"FILE" group:"Archives" complete:"path" help:"A receipt that the archive must satisfy: it was neither cut back to before that end nor swapped."`
}

// trustFlags say which envelopes are believed.
type trustFlags struct {
	Signer  []string      `placeholder:"FILE" group:"Keys" complete:"path" help:"Public key of a sealer that is trusted; with any, everything that none of them vouches for is refused. May be repeated."`
	MaxSkew time.Duration `placeholder:"TIME" group:"Binding" help:"How far clocks may differ; default: 5m."`
}

func (f *trustFlags) fillIn(c *route.Config) { c.Signers, c.MaxSkew = f.Signer, f.MaxSkew }

// readFlags are the flags of decrypt and verify.
type readFlags struct {
	openFlags
	trustFlags
	archiveFlags
	MaxAge       time.Duration `placeholder:"TIME" group:"Binding" help:"Refuse envelopes that were sealed longer ago."`
	Accept       []string      `placeholder:"FORMAT" group:"Binding" help:"Also open messages of another format, which pass every check of order and place: ${accepted}. May be repeated."`
	ExtraHeaders string        `placeholder:"RULE" default:"drop" enum:"drop,pass" group:"Binding" help:"Headers that were not sealed are left out (drop), or passed on (pass)."`
}

func (f *readFlags) fillIn(c *route.Config) {
	f.trustFlags.fillIn(c)
	c.Tombstones, c.Receipt, c.MaxAge = f.Tombstones, f.Receipt, f.MaxAge
	c.PassExtraHeaders, c.Accept = f.ExtraHeaders == "pass", f.Accept
}

// openFlags are the flags of every command that opens envelopes.
type openFlags struct {
	Tombstones string `placeholder:"RULE" default:"require" enum:"require,pass" group:"Binding" help:"Null values need an envelope (require), or all may pass (pass)."`
}
