package route

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/connectors/kafka"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/wire"
	"github.com/streamcrypt/streamcrypt/internal/audit"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/keys/awskms"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// open reads the configuration and opens the route. What was opened before an error is closed.
func open(ctx context.Context, do direction, c Config, env Env) (*Route, error) {
	p, err := newPlan(do, c, env.complete())
	if err != nil {
		return nil, explain(err)
	}
	r := &Route{keep: p.keep()}
	switch err = p.openAudit(&r.closers); {
	case err != nil:
	case p.raw:
		r.job, err = openRaw(ctx, p, &r.closers)
	default:
		r.job, err = openRecords(ctx, p, &r.closers)
	}
	if err != nil {
		return nil, explain(errors.Join(err, r.closers.close()))
	}
	return r, nil
}

// complete fills in the process's own.
func (e Env) complete() Env {
	if e.Log == nil {
		e.Log = slog.Default()
	}
	if e.Stdin == nil {
		e.Stdin = os.Stdin
	}
	if e.Stdout == nil {
		e.Stdout = os.Stdout
	}
	return e
}

// reserve checks that the route's memory fits the process, and says so in the log.
func (p *plan) reserve(bytes int64) error {
	p.env.Log.Info("route open",
		"direction", p.do.String(), "from", p.from.name, "to", p.to.name, "context", string(p.context), "memory_mib", bytes>>20)
	return memlimit.Check(bytes)
}

// advice says what can be done about an error that other packages make.
var advice = []struct {
	matches func(error) bool
	hint    string
}{
	{is(chunker.ErrCounterNonces), "this process runs with GODEBUG=fips140=only: say --nonce=random"},
	{is(local.ErrFIPS), "use an rsa: or local: key"},
	{is(local.ErrPublicOnly), "name the file that holds the private key"},
	{is(audit.ErrChanged), "streamcrypt keys audit verify says which line; move the file away to begin another one"},
	{is(audit.ErrLocked), "another process writes to it, and does not come to an end"},
	{is(fs.ErrExist), "say --overwrite to replace it"},
	{is(format.ErrTooLarge), "raise --budget: a record may have twice as many bytes, and 4,096 headers"},
	{is(ErrInterrupted), "run it again; with --checkpoint a record file goes on where it was, with group= a topic"},
	{is(cluster.ErrNoTopic), "is the name right? a topic that is written is made with create=true"},
	{is(cluster.ErrGroupActive), "end the group's members first, or name another group: a run with an end keeps offsets by itself"},
	{is(kafka.ErrTakenOver), "one run with an end at a time for a group and a topic; leave it to the other one"},
	{is(kafka.ErrFewPartitions), "add partitions to the destination, or say partition=key on --to"},
	{is(kafka.ErrSmallRecords), "raise max.message.bytes of the destination; create=true makes a topic that has it right"},
	{is(kafka.ErrNotExactlyOnce), "say delivery=at-least-once, or leave delivery= out for the best there is"},
	{is(cluster.ErrRefused), "is the user, the password or the sasl= mechanism wrong?"},
	{is(cluster.ErrHungUp), "is the password wrong, or do the brokers want tls=true or sasl=?"},
	{is(cluster.ErrReplaced), "run it again if the new topic is to be read or written; its records are others"},
	{as[*wire.VersionError], "Kafka 2.5 is the oldest that will do; for one that is too new there may be a newer streamcrypt"},
	{as[*memlimit.TooSmallError], "lower --workers, --budget or --read-ahead, or raise the limit"},
	{as[*keyring.NotBuiltError], "this build has local:, x25519:, rsa: and awskms:"},
	{is(awskms.ErrNoRegion), "say region= in the key's URL, or AWS_REGION; a key's ARN has its own"},
	{is(awskms.ErrCredentials), "is `aws sts get-caller-identity` good? say profile= or role= in the key's URL to ask as another"},
	{is(awskms.ErrClear), "say https://; http:// is for a KMS emulator on this machine"},
}

func is(target error) func(error) bool {
	return func(err error) bool { return errors.Is(err, target) }
}

func as[E error](err error) bool {
	var target E
	return errors.As(err, &target)
}

// explain makes an error that something can be done about a *hint.Error.
func explain(err error) error {
	var advised *hint.Error
	if err == nil || errors.As(err, &advised) {
		return err
	}
	for _, a := range advice {
		if a.matches(err) {
			return &hint.Error{Err: err, Hint: a.hint}
		}
	}
	return err
}
