package awskms

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/streamcrypt/streamcrypt/keys"
)

// Cause is why a call failed, where a person can do something about it.
type Cause int

// The causes.
const (
	CauseUnknown     Cause = iota
	CauseCiphertext        // the wrapped key was changed, or wrapped with other pairs, another context or another key
	CauseDenied            // the caller's rights
	CauseMissing           // there is no such key or alias
	CauseFIPS              // FIPS endpoints are asked for, and an endpoint of one's own as well
	CauseProxy             // a proxy does not let the call through
	CauseCertificate       // the endpoint's certificate does not verify
	CausePlaintext         // the endpoint speaks no TLS
	CauseNotKMS            // something else than KMS answered
)

// FindCause returns the cause of an error of a Key.
func FindCause(err error) Cause {
	if coded, ok := errors.AsType[smithy.APIError](err); ok {
		switch coded.ErrorCode() {
		case "InvalidCiphertextException", "IncorrectKeyException":
			return CauseCiphertext
		case "AccessDeniedException", "AccessDenied":
			return CauseDenied
		case "NotFoundException":
			return CauseMissing
		}
		return CauseUnknown
	}
	if _, classed := errors.AsType[*keys.Error](err); !classed {
		return CauseUnknown // an error of something else
	}
	_, refused := errors.AsType[*ProxyError](err)
	_, certificate := errors.AsType[*tls.CertificateVerificationError](err)
	_, garbled := errors.AsType[*smithy.DeserializationError](err)
	switch {
	case refused:
		return CauseProxy
	case certificate:
		return CauseCertificate
	case garbled:
		return CauseNotKMS
	case hasText(err, "FIPS and custom endpoint are not supported"):
		return CauseFIPS
	case hasText(err, "server gave HTTP response to HTTPS client"):
		return CausePlaintext
	}
	return CauseUnknown
}

// hasText looks for the words of an error that has no type, in the whole chain:
// the error that is told may leave them out.
func hasText(err error, words string) bool {
	for ; err != nil; err = errors.Unwrap(err) {
		if strings.Contains(err.Error(), words) {
			return true
		}
	}
	return false
}

// ProxyError says that a proxy answered, and did not connect to the service.
type ProxyError struct {
	Proxy  string // its host
	Status string
}

func (e *ProxyError) Error() string {
	return fmt.Sprintf("the proxy %s does not connect: %s", e.Proxy, e.Status)
}

// checkProxy makes a proxy's refusal an error that says so. The proxy's URL may
// hold a password.
func checkProxy(proxy *url.URL, answer *http.Response) error {
	if answer.StatusCode == http.StatusOK {
		return nil
	}
	return &ProxyError{Proxy: proxy.Host, Status: answer.Status}
}
