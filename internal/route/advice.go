package route

import (
	"slices"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/audit"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// ownAdvice is about errors of the route itself, and of packages that can give
// no advice about flags.
var ownAdvice = []hint.Advice{
	hint.AboutError(chunker.ErrCounterNonces, "this process runs with GODEBUG=fips140=only: say --nonce=random"),
	hint.AboutError(audit.ErrChanged,
		"streamcrypt keys audit verify says which line; move the file away to begin another one"),
	hint.AboutError(audit.ErrLocked, "another process writes to it, and does not come to an end"),
	hint.AboutError(ErrBreakerOpen,
		"see who writes to the source, and that keys and context are right; then run it again with --resume"),
	hint.AboutError(ErrInterrupted,
		"run it again; with --checkpoint a record file goes on where it was, with group= a topic, with "+
			"consumer= a stream"),
	hint.AboutError(address.ErrUser, "user= names the user, and password-file= or token-file= the file of the secret"),
	hint.AboutType[*memlimit.FullError](
		"raise memory, or lower read-ahead; memory_mib in the log says how much each route takes"),
	hint.AboutType[*memlimit.TooSmallError]("lower --workers, --budget or --read-ahead, or raise the limit"),
}

// lastAdvice is for errors about which nobody else has advice.
var lastAdvice = []hint.Advice{
	hint.AboutType[*retry.LateError]("is it started, and are host and port right? --wait TIME waits longer"),
}

// explain makes an error that something can be done about a *hint.Error.
func (e Env) explain(err error) error {
	if err == nil {
		return nil
	}
	err = markBreaker(e.markTakenOver(err))
	return hint.ExplainError(err, slices.Concat(ownAdvice, keyring.Advice(), e.Endpoints.Advice(), lastAdvice))
}
