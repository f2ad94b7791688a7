package dial

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/segmentio/kafka-go/sasl"
)

// NewToken returns the mechanism OAUTHBEARER (RFC 7628). The token is asked for
// at each authentication. Extensions (KIP-342) go with it, as pairs of name and
// value; brokers of a cloud tell clusters apart by them.
func NewToken(token func(context.Context) (string, error), extensions [][2]string) (sasl.Mechanism, error) {
	for _, e := range extensions {
		if !isExtensionName(e[0]) || strings.ContainsFunc(e[1], isControl) {
			return nil, fmt.Errorf("kafka: %q is not the name of a SASL extension, or its value is none", e[0])
		}
	}
	return &tokenMechanism{token: token, extensions: extensions}, nil
}

// isExtensionName applies RFC 7628: letters, and not the one that Kafka uses
// itself.
func isExtensionName(name string) bool {
	for _, r := range name {
		if (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') {
			return false
		}
	}
	return name != "" && name != "auth"
}

func isControl(r rune) bool { return r < ' ' || r == 0x7f }

type tokenMechanism struct {
	token      func(context.Context) (string, error)
	extensions [][2]string
}

// Name implements sasl.Mechanism.
func (m *tokenMechanism) Name() string { return "OAUTHBEARER" }

var errToken = errors.New("the token has characters that no token may have")

// Start implements sasl.Mechanism.
func (m *tokenMechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	token, err := m.token(ctx)
	if err != nil {
		return nil, nil, err
	}
	if token == "" || strings.ContainsFunc(token, func(r rune) bool { return r <= ' ' || r > '~' }) {
		return nil, nil, errToken
	}
	b := []byte("n,,\x01auth=Bearer " + token + "\x01")
	for _, e := range m.extensions {
		b = append(b, e[0]+"="+e[1]+"\x01"...)
	}
	return &tokenSession{}, append(b, '\x01'), nil
}

// tokenSession is one authentication. A broker that refuses the token sends a
// challenge first, and the error as the answer to the client's empty reply.
type tokenSession struct{ refused bool }

// Next implements sasl.StateMachine.
func (s *tokenSession) Next(_ context.Context, challenge []byte) (bool, []byte, error) {
	switch {
	case len(challenge) == 0:
		return true, nil, nil
	case s.refused:
		return false, nil, errors.New("the broker does not say why")
	}
	s.refused = true
	return false, []byte{1}, nil
}
