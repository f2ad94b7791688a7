package kekcache

// Op is the operation that an Event tells of.
type Op string

// The key operations that are audited.
const (
	OpWindowOpened  Op = "window-opened"  // a new DEK may be sealed under
	OpWindowClosed  Op = "window-closed"  // nothing more is sealed under a DEK; Why: age, messages, bytes, seals, reload, evicted, end
	OpUnwrapped     Op = "unwrapped"      // a KEK unwrapped a DEK
	OpUnwrapRefused Op = "unwrap-refused" // no configured KEK unwraps it, or the wrong key came out; Why: unknown-key, wrong-key
	OpRewrapped     Op = "rewrapped"      // a DEK's recipients were replaced
	OpState         Op = "state"          // sealing went to another State; Why is its cause
)

// Event is one key operation. It holds names only: nothing of a message, no key
// byte, wrapped or not.
type Event struct {
	Op    Op
	KEKs  []string // the names of the KEKs concerned
	KID   []byte   // of the DEK, KIDSize bytes; nil where none is concerned or known
	State State    // OpState only
	Why   string   // may be empty
}

// Auditor keeps a record of key operations.
type Auditor interface {
	// Record returns when the event is kept. After an error no further window
	// is opened and no DEK unwrapped: an operation that cannot be recorded is
	// not done.
	Record(Event) error
}
