package main

import (
	"errors"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/describe"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/route"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// startError is why a route did not begin: nothing was read, nothing was
// written.
type startError struct{ err error }

func (e *startError) Error() string { return e.err.Error() }

func (e *startError) Unwrap() error { return e.err }

// NotStarted tells package outcome that nothing was done.
func (e *startError) NotStarted() bool { return true }

// findHint returns the advice about an error, if there is any. The nearest
// advice counts: a route's own, then that for the reason of a refusal, then the
// general one.
func findHint(err error) string {
	var advised *hint.Error
	if errors.As(err, &advised) && advised.Hint != "" {
		return advised.Hint
	}
	if hint := reasonHints[findReason(err)]; hint != "" {
		return hint
	}
	var usage *usageError
	switch {
	case errors.As(err, &usage):
		return usage.command + " --help lists " + usage.lists()
	case errors.Is(err, route.ErrInterrupted):
		return "run it again to get the whole output; with --checkpoint, group= or consumer= it goes on where it ended"
	}
	return ""
}

// findReason returns the word for why a message or an envelope was refused, or
// "".
func findReason(err error) string {
	var reject *pipeline.Reject
	if errors.As(err, &reject) {
		return string(reject.Reason)
	}
	var refused *envelope.Error
	if errors.As(err, &refused) {
		return string(refused.Reason)
	}
	var reasoned interface{ Reason() string }
	if errors.As(err, &reasoned) {
		return reasoned.Reason()
	}
	return describe.Reason(err)
}

// reasonHints are the advice about refusals, by their words in docs/errors.md.
var reasonHints = map[string]string{
	"not-an-envelope": "this is not encrypted by streamcrypt; is --from the right side of the route? " +
		"JWE and CMS are opened with --accept",
	"malformed": "the input was changed, or is of another format than was taken for granted; mend the line or the " +
		"record and run it again, or say --dead-letter to set it aside",
	"unsupported": "sealed with something this version does not know; a newer version may",
	"truncated":   "the end is missing; get the input again",
	"too-large":   "a message must fit a worker's memory and the destination; --budget makes the first larger",
	"unknown-key": "none of the keys given opens it; streamcrypt inspect shows for which keys it was sealed",
	"wrong-key": "the wrapped key is not the one this was sealed with; was the key record or the envelope " +
		"changed?",
	"tampered": "it was changed, or moved: a wrong --context or --bind, another subject or record key " +
		"also read as tampered",
	"bare-tombstone": "a null value that nobody sealed, such as a NATS server's marker for a value that expired; " +
		"--tombstones=pass takes it for a delete, and then everybody who can write can delete",
	"reserved-header": "there is a header named streamcrypt already; is the input encrypted already?",
	"header":          "the destination cannot carry this header; --dead-letter sets such messages aside",
	"untrusted": "no signer that is trusted vouches for it: --signer names the public key of the sealer, " +
		"who needs --sign",
	"stale":              "sealed longer ago than --max-age; for a backfill leave it out, or say --on stale=pass",
	"skewed":             "sealed in the future; look at the clocks of both machines, or raise --max-skew",
	"already-sealed":     "the message is an envelope already; are --from and --to the right way round?",
	"unknown-dictionary": "name the dictionary with --dictionary, or the --keystore that has its record",
	"duplicate":          "it came before; --on duplicate=drop or pass lets the run go on",
	"reordered":          "it is older than one that came before; --on reordered=pass lets it pass",
	"gap":                "messages before it are missing; --on gap=pass lets it pass",
	"foreign-record":     "it was sealed for another partition; --on foreign-record=pass lets it pass",
	"given-up": "the server has delivered it as often as the consumer's MaxDeliver allows; --dead-letter sets such " +
		"messages aside",
	"refused": "the destination's settings do not allow this record; --dead-letter sets such messages aside",
}
