package dial

import (
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
)

// The causes of a RefusedError.
var (
	// ErrCredentials says that the broker does not accept the user, the
	// password or the token.
	ErrCredentials = errors.New("credentials refused")
	// ErrCertificate says that the broker's certificate is not trusted, or that
	// the broker does not accept ours.
	ErrCertificate = errors.New("certificate refused")
	// ErrHandshake says that the broker refuses a TLS connection without naming
	// a certificate.
	ErrHandshake = errors.New("TLS refused")
	// ErrNeedsTLS says that the broker answers a plaintext connection with TLS.
	ErrNeedsTLS = errors.New("the broker speaks TLS on this port")
	// ErrNoTLS says that the broker does not speak TLS.
	ErrNoTLS = errors.New("the broker does not speak TLS on this port")
	// ErrNoSASL says that the broker's port does not authenticate users.
	ErrNoSASL = errors.New("the broker does not authenticate users on this port")
	// ErrMechanism says that the broker does not have the SASL mechanism.
	ErrMechanism = errors.New("the broker does not have this SASL mechanism")
	// ErrUnreadable says that credentials cannot be read from their files, or
	// are none.
	ErrUnreadable = errors.New("credentials cannot be used")
)

// RefusedError says that a broker and this client do not come to terms. Only a
// person can mend its cause, by other credentials or another configuration, so
// it ends a program that starts. One that runs tries again, since credentials
// are being changed perhaps.
type RefusedError struct {
	Address string
	Cause   error // one of this package's
	Err     error // the details; nil if there are none
}

// Error names the broker first.
func (e *RefusedError) Error() string {
	if e.Err == nil {
		return fmt.Sprintf("broker %s: %v", e.Address, e.Cause)
	}
	return fmt.Sprintf("broker %s: %v: %v", e.Address, e.Cause, e.Err)
}

// Unwrap gives the cause and the details.
func (e *RefusedError) Unwrap() []error {
	if e.Err == nil {
		return []error{e.Cause}
	}
	return []error{e.Cause, e.Err}
}

// ErrOtherCluster says that the broker at an address belongs to another cluster
// than the one that it should lead into.
var ErrOtherCluster = errors.New("the broker belongs to another cluster")

// ErrMalformed says that an answer on a new connection is none of a broker: the
// port is that of another service, or of one that stands before the brokers and
// answers by itself while none of them is ready.
var ErrMalformed = errors.New("malformed answer")

// AwayError says that a service which is needed for an authentication cannot be
// reached now: one that gives tokens.
type AwayError struct{ Err error }

func (e *AwayError) Error() string { return e.Err.Error() }

// Unwrap gives the cause.
func (e *AwayError) Unwrap() error { return e.Err }

// ErrHungUp says that the broker closed a new connection. A plaintext port does
// so with a client that speaks TLS, and a port for TLS or SASL with a client
// that does not. A broker that is going down does so as well.
var ErrHungUp = errors.New("the broker hangs up")

// HungUpError is an ErrHungUp with the step that it happened in.
type HungUpError struct {
	Address string
	During  string // "the TLS handshake", "the authentication", "the first request"
	Err     error
}

func (e *HungUpError) Error() string {
	return fmt.Sprintf("broker %s: %v during %s: %v", e.Address, ErrHungUp, e.During, e.Err)
}

// Unwrap gives ErrHungUp and the error of the connection.
func (e *HungUpError) Unwrap() []error { return []error{ErrHungUp, e.Err} }

// explainError finds the cause of an error of a new connection. During names
// the step.
func explainError(address, during string, err error) error {
	if refused, ok := errors.AsType[*RefusedError](err); ok {
		if refused.Address == "" {
			refused.Address = address
		}
		return err
	}
	if cause, details := tlsCause(err); cause != nil {
		return &RefusedError{Address: address, Cause: cause, Err: details}
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return &RefusedError{Address: address, Cause: ErrNoTLS}
	}
	if isHangUp(err) {
		return &HungUpError{Address: address, During: during, Err: err}
	}
	return fmt.Errorf("broker %s: %s: %w", address, during, err)
}

// tlsCause returns the cause of an error in which one of the two sides refused
// the other one; nil if err is about something else. The broker's refusal is an
// alert, which crypto/tls tells as a *net.OpError with a text.
func tlsCause(err error) (cause, details error) {
	if verification, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return ErrCertificate, verification.Err
	}
	op, ok := errors.AsType[*net.OpError](err)
	switch {
	case !ok || op.Op != "remote error":
		return nil, nil
	case strings.Contains(op.Err.Error(), "certificate"):
		return ErrCertificate, fmt.Errorf("the broker says: %w", op.Err)
	}
	return ErrHandshake, fmt.Errorf("the broker says: %w", op.Err)
}

func isHangUp(err error) bool {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return true
	}
	op, ok := errors.AsType[*net.OpError](err)
	return ok && op.Op != "dial" && !op.Timeout()
}
