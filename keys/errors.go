package keys

import "fmt"

// Class is the meaning of an error of a key service for the callers that wait
// for the key.
type Class int

const (
	// Away means throttled, timed out, 5xx, no connection. Try again later.
	Away Class = iota
	// Gone means that this KEK cannot be used (denied, disabled, pending
	// deletion, unknown).
	Gone
	// BadWrap means that this wrapped key is not openable with the KEK
	// (changed, cut, wrong context). Other wrapped keys may be.
	BadWrap
)

func (c Class) String() string {
	switch c {
	case Away:
		return "away"
	case Gone:
		return "gone"
	case BadWrap:
		return "bad wrapped key"
	}
	return fmt.Sprintf("class %d", int(c))
}

// Error is an error of a key service. It names the KEK and never shows a key
// byte.
type Error struct {
	Class Class
	Key   string // the KEK's Name
	Op    string // "wrap", "unwrap", "generate"
	Err   error
}

func (e *Error) Error() string { return fmt.Sprintf("%s: %s: %v", e.Key, e.Op, e.Err) }

func (e *Error) Unwrap() error { return e.Err }

// Passing tells a caller that waits whether the error may pass although the
// wrapped key stays as it is: somebody grants a right or enables the KEK again.
func (e *Error) Passing() bool { return e.Class != BadWrap }
