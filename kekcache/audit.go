package kekcache

// Op is the operation that an Event tells of.
type Op string

// The key operations that are audited.
const (
	// OpWindowOpened: a new DEK may be sealed under.
	OpWindowOpened Op = "window-opened"
	// OpWindowClosed: nothing more is sealed under a DEK. Why is the limit that
	// was reached (age, messages, bytes, seals), or reload, evicted, end.
	OpWindowClosed Op = "window-closed"
	// OpUnwrapped: a KEK unwrapped a DEK.
	OpUnwrapped Op = "unwrapped"
	// OpUnwrapRefused: a KEK was asked, and none unwraps the DEK (Why:
	// unknown-key), or the wrong key came out (wrong-key). A DEK that is for
	// none of the KEKs is no key operation.
	OpUnwrapRefused Op = "unwrap-refused"
	// OpRewrapped: the recipients of a DEK were replaced. Why says in which
	// way, and whether the KID is only claimed: nobody saw the DEK.
	OpRewrapped Op = "rewrapped"
	// OpState: sealing went to another State. Why is its cause.
	OpState Op = "state"
)

// Event is one key operation. It holds names only: nothing of a message, no key
// byte, wrapped or not.
type Event struct {
	Op    Op
	KEKs  []string // the names of the KEKs concerned
	KID   []byte   // of the DEK, KIDSize bytes; nil where none is concerned or known
	State State    // OpState only
	Why   string   // may be empty
	// Requests are the ids of the calls that were made for this, as the key
	// services name them in their own logs; the latest ones if there are many.
	Requests []string
}

// Auditor keeps a record of key operations.
type Auditor interface {
	// Record returns when the event is kept. After an error no further window
	// is opened and no DEK unwrapped: an operation that cannot be recorded is
	// not done.
	Record(Event) error
}
