package awskms

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"strings"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/guard"
)

// verdict is the meaning of a fault.
type verdict int

const (
	away    verdict = iota // keys.Away
	gone                   // keys.Gone
	badWrap                // keys.BadWrap
	unknown                // keys.Gone, marked by guard.Unknown
	refused                // gone, or away if this machine's clock is why: the SDK corrects it for the next call
)

// verdicts are the meanings of the codes with which KMS and STS answer. KMS
// says 400 for nearly everything, so the code decides.
var verdicts = map[string]verdict{
	// Too much, or KMS itself.
	"ThrottlingException":         away,
	"Throttling":                  away,
	"ThrottledException":          away,
	"RequestThrottledException":   away,
	"TooManyRequestsException":    away,
	"RequestLimitExceeded":        away,
	"LimitExceededException":      away,
	"KMSInternalException":        away,
	"DependencyTimeoutException":  away,
	"KeyUnavailableException":     away,
	"InternalFailure":             away,
	"InternalServerError":         away,
	"ServiceUnavailable":          away,
	"ServiceUnavailableException": away,
	"RequestTimeout":              away,
	"RequestTimeoutException":     away,
	"RequestExpired":              away,
	"RequestInTheFuture":          away,
	"RequestTimeTooSkewed":        away,
	"IDPCommunicationError":       away,

	// The wrapped key: changed, cut, of another key, with another encryption
	// context. KMS does not say which.
	"InvalidCiphertextException": badWrap,
	"IncorrectKeyException":      badWrap,

	// The key.
	"DisabledException":                   gone,
	"KMSInvalidStateException":            gone, // pending deletion, no key material, no key store
	"InvalidKeyUsageException":            gone,
	"UnsupportedOperationException":       gone,
	"InvalidArnException":                 gone,
	"InvalidGrantTokenException":          gone,
	"CloudHsmClusterNotActiveException":   gone,
	"CustomKeyStoreInvalidStateException": gone,
	"OptInRequired":                       gone,
	"NotFoundException":                   unknown,

	// The caller.
	"AccessDeniedException":       refused,
	"AccessDenied":                gone,
	"InvalidSignatureException":   refused,
	"SignatureDoesNotMatch":       refused,
	"AuthFailure":                 refused,
	"IncompleteSignature":         gone,
	"MissingAuthenticationToken":  gone,
	"InvalidIdentityToken":        gone,
	"ExpiredToken":                unknown, // its maker may have made another
	"ExpiredTokenException":       unknown,
	"UnrecognizedClientException": unknown,
	"InvalidClientTokenId":        unknown,
}

// classify gives an error of the SDK its class. It names the key and holds the
// code and message of the fault, and nothing that was sent.
func (k *Key) classify(op string, err error) error {
	v, cause := k.judgeError(err)
	e := &keys.Error{Key: k.name, Op: op, Err: cause}
	switch v {
	case away:
		e.Class = keys.Away
	case badWrap:
		e.Class = keys.BadWrap
	case unknown:
		e.Class, e.Err = keys.Gone, guard.Unknown(cause)
	default:
		e.Class = keys.Gone
	}
	return e
}

// judgeError returns the meaning of an error, and the part of it that may be
// told.
func (k *Key) judgeError(err error) (verdict, error) {
	var coded smithy.APIError
	switch {
	case errors.Is(err, ErrClear):
		return gone, ErrClear
	case !errors.As(err, &coded) && errors.Is(err, ErrCredentials):
		return away, err // there were some at the start
	case coded == nil:
		return judgeTransport(err), describeUncoded(err)
	}
	v, known := verdicts[coded.ErrorCode()]
	switch {
	case known && v == refused:
		v = judgeClock(err)
	case !known && errors.Is(err, ErrCredentials) && httpStatus(err) < 500:
		v = unknown
	case !known:
		v = judgeTransport(err)
	}
	if strings.HasPrefix(coded.ErrorCode(), "ExpiredToken") {
		k.client.credentials.dropStale()
	}
	return v, newFault(coded, known, err)
}

// judgeClock tells a refusal because of this machine's clock, which the SDK
// marks as worth another try, from any other.
func judgeClock(err error) verdict {
	var marked interface{ RetryableError() bool }
	if errors.As(err, &marked) && marked.RetryableError() {
		return away
	}
	return gone
}

// judgeTransport judges an error by how far the request came.
func judgeTransport(err error) verdict {
	var certificate *tls.CertificateVerificationError
	var send *smithyhttp.RequestSendError
	var garbled *smithy.DeserializationError
	code := httpStatus(err)
	switch {
	case errors.As(err, &certificate):
		return gone
	case code >= 500, code == http.StatusTooManyRequests, code == http.StatusRequestTimeout:
		return away
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return away
	case errors.As(err, &send), code < 300 && errors.As(err, &garbled): // not sent, or the answer is cut
		return away
	case errors.Is(err, io.ErrUnexpectedEOF): // the answer is cut, at any status
		return away
	}
	return gone
}

// httpStatus returns the status of the answer; 0 without one.
func httpStatus(err error) int {
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) {
		return answer.HTTPStatusCode()
	}
	return 0
}

// fault is the part of an error that may be told. The error itself may repeat
// bytes that were sent or received.
type fault struct {
	text string
	err  error
}

func (f *fault) Error() string { return f.text }
func (f *fault) Unwrap() error { return f.err }

// encoded matches a key in a message that repeats it.
var encoded = regexp.MustCompile(`[A-Za-z0-9+/_=]{40,}`)

const maxMessage = 500

// newFault tells the code, and of a known one the message.
func newFault(coded smithy.APIError, known bool, err error) *fault {
	text := coded.ErrorCode()
	if !known {
		text = fmt.Sprintf("HTTP status %d, code %q", httpStatus(err), redact(text))
	} else if message := coded.ErrorMessage(); message != "" {
		text += ": " + redact(message)
	}
	var answer *awshttp.ResponseError
	if errors.As(err, &answer) && answer.ServiceRequestID() != "" {
		text += " (request " + redact(answer.ServiceRequestID()) + ")"
	}
	return &fault{text, err}
}

// redact returns a service's text without anything that may be a key, and not
// endless.
func redact(text string) string {
	text = encoded.ReplaceAllString(text, "[...]")
	return strings.ToValidUTF8(text[:min(len(text), maxMessage)], "")
}

// describeUncoded tells of an error without an answer of KMS in it.
func describeUncoded(err error) error {
	var send *smithyhttp.RequestSendError
	var garbled *smithy.DeserializationError
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return &fault{"no answer in time", err}
	case errors.As(err, &send):
		return &fault{send.Err.Error(), err}
	case errors.As(err, &garbled):
		return &fault{fmt.Sprintf("HTTP status %d, and not an answer of KMS", httpStatus(err)), err}
	}
	return err
}
