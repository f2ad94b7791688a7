package format

// reason is a word of the closed list in docs/errors.md. An error of a file's content wraps one:
// find it with errors.Is, or with errors.As and an interface{ Reason() string }.
type reason string

func (r reason) Error() string { return string(r) }

// Reason returns the word itself.
func (r reason) Reason() string { return string(r) }

var (
	// ErrMalformed says that the input is not what its format allows.
	ErrMalformed error = reason("malformed")
	// ErrTruncated says that the input ends before it should: in the middle of a record, or a seq
	// without a valid end record behind its last message.
	ErrTruncated error = reason("truncated")
	// ErrTampered says that a seq does not hold the messages its end record was sealed over.
	ErrTampered error = reason("tampered")
	// ErrTooLarge says that a record or its number of headers is over the limit.
	ErrTooLarge error = reason("too-large")
)
