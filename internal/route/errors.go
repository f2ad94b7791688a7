package route

import (
	"errors"
)

// ErrInterrupted says that a route with an end of its own was ended before it got there.
var ErrInterrupted = errors.New("interrupted before the end")
