package retry

import (
	"context"
	"errors"
	"net"
	"os"
	"syscall"
)

// IsAway tells whether an error of a client says that its service cannot be
// reached now: the connection was refused, timed out or broke off, or the name
// has no address. A certificate or an answer that somebody does not like is no
// such error.
func IsAway(err error) bool {
	if _, ok := errors.AsType[*net.DNSError](err); ok {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok {
		return op.Op != "remote error" && op.Op != "local error" // alerts of TLS
	}
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}

// IsRefused tells whether nobody listens at the address, or the name has none.
func IsRefused(err error) bool {
	_, unnamed := errors.AsType[*net.DNSError](err)
	return unnamed || errors.Is(err, syscall.ECONNREFUSED)
}
