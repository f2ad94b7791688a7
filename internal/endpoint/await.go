package endpoint

import (
	"context"
	"crypto/tls"
	"errors"

	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/probe"
	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// Service is a server of a kind of end, or several of which one will do.
type Service struct {
	Name    string   // for errors and logs, without secrets
	Servers []string // HOST:PORT
	// Speaks is the protocol of its clients.
	Speaks probe.Wish
	// IsAway tells whether an error of connecting may pass by itself.
	IsAway func(error) bool
}

// Await connects to a service, and waits for one that is away as long as the
// route may wait. A server that speaks another protocol is not waited for: the
// error of such a connection has advice that says so.
func (s *Session) Await(ctx context.Context, service Service, connect func(context.Context) error) error {
	advice, asked := "", false
	ask := func() string {
		if !asked {
			advice, asked = service.Speaks.Advise(ctx, service.Servers), true
		}
		return advice
	}
	err := s.Patience.Await(ctx, service.Name, func(err error) bool {
		return service.IsAway(err) && (retry.IsRefused(err) || ask() == "")
	}, connect)
	if err == nil || ctx.Err() != nil || retry.IsRefused(err) || isCertificate(err) || ask() == "" {
		return err
	}
	return &hint.Error{Err: err, Hint: advice}
}

// isCertificate tells whether the two sides speak TLS already, and a
// certificate is at fault.
func isCertificate(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}
