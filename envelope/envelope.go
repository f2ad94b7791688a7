// Package envelope seals, opens and rewraps messages and streams in the format
// of docs/envelope.md. It is the library for a program of your own:
//
//	sealer, err := envelope.NewSealer(keks, envelope.SealerOptions{Context: "orders"})
//	sealed, err := sealer.Seal(ctx, nil, plaintext, envelope.Binding{Key: key})
//
//	opener, err := envelope.NewOpener(keks, envelope.OpenerOptions{Context: "orders"})
//	plaintext, err := opener.Open(ctx, nil, sealed, envelope.Binding{Key: key})
//
// [Sealer.NewWriter] and [Opener.NewReader] do the same for payloads larger
// than memory, and [Rewrapper] replaces the keys that can open an envelope
// without opening it. Keys come from the packages below keys: files, a key
// service. The examples show each of these, and docs/library.md is the guide.
//
// # Concurrency
//
// Sealer, Opener and Rewrapper are safe for concurrent use. A loop that seals
// on one goroutine can have a worker of its own (NewWorker), which has its
// memory to itself and takes no lock.
//
// # Buffers
//
// Seal, Open and Rewrap append to dst and return the extended slice, as
// [cipher.AEAD] does. The input may begin exactly where dst ends, so that
// buf[:0] as dst reuses the storage of the input; the input is then
// overwritten. Any other overlap is [ErrOverlap]. On an error dst comes back as
// it was.
//
// # Keys
//
// A data key is made for each window (of time, messages and bytes), wrapped for
// every key that was given, and never stored in the clear. Windows end
// correctly without help; [Sealer.Run] makes the next data key ahead of need.
//
// # Layers
//
// The package puts four others together and adds no bytes of its own: codec/cms
// has the layout, codec/coding compression and padding, chunker the cipher and
// the nonces, kekcache the keys. It must not know where messages come from:
// partitions, offsets and subjects are values that its caller hands in. It
// starts no goroutine. Beside the standard library it needs a CBOR package, one
// for zstd, and one that paces retries.
//
// # Files
//
//	binding.go    Binding, Bind, Position, Opened; binder.go puts headers in order
//	seal.go       Sealer; seal_worker.go seals a message, writer.go a stream
//	seal_records.go  key and dictionary records for files and stores
//	open.go       Opener; open_worker.go opens a message, reader.go a stream
//	dictionaries.go  the dictionaries that an Opener has
//	archive.go    ends of archives
//	rewrap.go     Rewrapper
//	pieces.go     takes raw files apart, input.go reads them
//	codec.go      the layout of records, as kekcache asks for it
package envelope

import (
	"errors"
	"fmt"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/codec/coding"
	"github.com/streamcrypt/streamcrypt/kekcache"
)

// DefaultChunkSize is the largest payload of the single form, unless
// configured, in bytes.
const DefaultChunkSize = 64 << 10

// Reason is the word for why an envelope was refused; docs/errors.md has the
// closed list.
type Reason string

// The reasons of this package.
const (
	ReasonMalformed   Reason = "malformed"
	ReasonUnsupported Reason = "unsupported"
	ReasonNotEnvelope Reason = "not-an-envelope"
	ReasonTooLarge    Reason = "too-large"
	ReasonUnknownKey  Reason = "unknown-key"
	ReasonWrongKey    Reason = "wrong-key"
	ReasonTampered    Reason = "tampered"
	ReasonTruncated   Reason = "truncated"
	// ReasonUntrusted: none of the signers vouches for the data key.
	ReasonUntrusted Reason = "untrusted"
	// ReasonUnknownDictionary: the dictionary that the payload was compressed
	// with is not here.
	ReasonUnknownDictionary Reason = "unknown-dictionary"
	// ReasonSkewed and ReasonStale: sealed later than now, or too long ago.
	ReasonSkewed Reason = "skewed"
	ReasonStale  Reason = "stale"
)

// Error is the refusal of an envelope. It begins with the reason and shows
// nothing of the message.
type Error struct {
	Reason Reason
	Err    error // wraps the cause; its text begins with the reason
}

func (e *Error) Error() string { return e.Err.Error() }

func (e *Error) Unwrap() error { return e.Err }

// causes are the sentinels of the packages below, in their words.
var causes = [...]struct {
	err    error
	reason Reason
}{
	{errUnknownDictionary, ReasonUnknownDictionary}, // may wrap another one
	{cms.ErrMalformed, ReasonMalformed},
	{cms.ErrUnsupported, ReasonUnsupported},
	{cms.ErrNotEnvelope, ReasonNotEnvelope},
	{cms.ErrTooLarge, ReasonTooLarge},
	{cms.ErrTruncated, ReasonTruncated},
	{kekcache.ErrUnknownKey, ReasonUnknownKey},
	{kekcache.ErrWrongKey, ReasonWrongKey},
	{kekcache.ErrUntrusted, ReasonUntrusted},
	{kekcache.ErrWindow, ReasonTooLarge},
	{coding.ErrMalformed, ReasonMalformed},
	{coding.ErrTooLarge, ReasonTooLarge},
	{errSkewed, ReasonSkewed},
	{errStale, ReasonStale},
	{chunker.ErrTampered, ReasonTampered},
}

// refuse makes an *Error of an error that has a reason, and passes on the rest:
// keys that are gone, contexts that ended.
func refuse(err error) error {
	if e, ok := err.(*Error); ok { //nolint:errorlint // not one that is wrapped
		return e
	}
	for _, c := range causes {
		if errors.Is(err, c.err) {
			return &Error{Reason: c.reason, Err: err}
		}
	}
	return err
}

// tamperedError says in which chunk a tag did not verify.
func tamperedError(index uint32, chunked bool) error {
	if !chunked {
		return &Error{Reason: ReasonTampered, Err: chunker.ErrTampered}
	}
	return &Error{Reason: ReasonTampered, Err: fmt.Errorf("%w: chunk %d", chunker.ErrTampered, index)}
}

// tampered returns an error for something that is not as it was sealed.
func tampered(text string) error { return fmt.Errorf("%w: %s", chunker.ErrTampered, text) }

func errTooLarge(limit int64) error {
	return fmt.Errorf("%w: a payload of more than %d bytes", cms.ErrTooLarge, limit)
}

var (
	errTooLong       = fmt.Errorf("%w: more than 2^32 chunks or 2^40 bytes under one key", cms.ErrTooLarge)
	errPayload       = fmt.Errorf("%w: a payload where none may be", cms.ErrMalformed)
	errNotDictionary = fmt.Errorf("%w: a dictionary record without a dictionary", cms.ErrMalformed)
	errTrailing      = fmt.Errorf("%w: bytes after the envelope", cms.ErrMalformed)

	errUnknownDictionary = errors.New(string(ReasonUnknownDictionary))
	errSkewed            = errors.New(string(ReasonSkewed))
	errStale             = errors.New(string(ReasonStale))
)
