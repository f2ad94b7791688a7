package dial

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// The brokers' codes that belong to an authentication.
const (
	errUnsupportedMechanism = 33
	errIllegalState         = 34
)

// maxRounds is more than any mechanism needs.
const maxRounds = 8

// authenticate proves to the broker who the client is. It returns how long the
// broker takes that for proved; 0 means for ever.
func authenticate(
	ctx context.Context, x *exchanger, peer *Peer, mechanism sasl.Mechanism,
) (lifetime time.Duration, err error) {
	if err := beginSASL(x, mechanism.Name()); err != nil {
		return 0, err
	}
	session, response, err := mechanism.Start(ctx)
	if err != nil {
		return 0, startError(err)
	}
	req := kmsg.NewPtrSASLAuthenticateRequest()
	if _, most, ok := peer.Versions(req.Key()); ok {
		req.Version = min(most, 1) // the first that tells the lifetime
	}
	for range maxRounds {
		req.SASLAuthBytes = response
		body, err := x.exchange(req)
		if err != nil {
			return 0, err
		}
		res := kmsg.NewPtrSASLAuthenticateResponse()
		res.Version = req.Version
		if err := res.ReadFrom(body); err != nil {
			return 0, fmt.Errorf("%w: authentication: %w", ErrMalformed, err)
		}
		if res.ErrorCode != 0 {
			return 0, &RefusedError{Cause: ErrCredentials, Err: brokerError(res.ErrorCode, res.ErrorMessage)}
		}
		done, next, err := session.Next(ctx, res.SASLAuthBytes)
		switch {
		case err != nil:
			return 0, &RefusedError{Cause: ErrCredentials, Err: err}
		case done:
			return time.Duration(max(0, res.SessionLifetimeMillis)) * time.Millisecond, nil
		}
		response = next
	}
	return 0, fmt.Errorf("%w: authentication without an end", ErrMalformed)
}

// beginSASL asks for a mechanism.
func beginSASL(x *exchanger, name string) error {
	req := kmsg.NewPtrSASLHandshakeRequest()
	req.Version, req.Mechanism = 1, name
	body, err := x.exchange(req)
	if err != nil {
		return err
	}
	res := kmsg.NewPtrSASLHandshakeResponse()
	res.Version = 1
	if err := res.ReadFrom(body); err != nil {
		return fmt.Errorf("%w: mechanisms: %w", ErrMalformed, err)
	}
	switch res.ErrorCode {
	case 0:
		return nil
	case errIllegalState:
		return &RefusedError{Cause: ErrNoSASL}
	case errUnsupportedMechanism:
		has := shortList(res.SupportedMechanisms)
		return &RefusedError{Cause: ErrMechanism, Err: fmt.Errorf("%s; it has %q", name, has)}
	}
	return &RefusedError{Cause: ErrMechanism, Err: brokerError(res.ErrorCode, nil)}
}

// startError classes the error of a mechanism that could not begin.
func startError(err error) error {
	var refused *RefusedError
	if _, away := errors.AsType[*AwayError](err); away || errors.As(err, &refused) ||
		errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return &RefusedError{Cause: ErrUnreadable, Err: err}
}

// brokerError returns a broker's text about a refusal. It is a stranger's.
func brokerError(code int16, text *string) error {
	if text == nil || *text == "" {
		return fmt.Errorf("error %d", code)
	}
	const longest = 200
	if len(*text) > longest {
		return fmt.Errorf("%q and more", (*text)[:longest])
	}
	return fmt.Errorf("%q", *text)
}

// shortList joins the names that a broker sent, up to a bound.
func shortList(names []string) string {
	const most = 16
	return strings.Join(names[:min(len(names), most)], ", ")
}
