package format

// reason is a word of the closed list in docs/errors.md. Every error in the
// content of a file wraps one: find it with errors.Is, or with errors.As and an
// interface{ Reason() string }.
type reason string

func (r reason) Error() string { return string(r) }

// Reason returns the word itself.
func (r reason) Reason() string { return string(r) }

var (
	// ErrMalformed says that the input breaks the rules of its format.
	ErrMalformed error = reason("malformed")
	// ErrTruncated says that the input ends before it should: in the middle of
	// a record, or a seq without a valid end record behind its last message.
	ErrTruncated error = reason("truncated")
	// ErrTampered says that the messages of a seq are not those that its end
	// record was sealed over.
	ErrTampered error = reason("tampered")
	// ErrTooLarge says that a record or its number of headers exceeds the
	// limit.
	ErrTooLarge error = reason("too-large")
)
