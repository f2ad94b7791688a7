package dial

import (
	"context"
	"fmt"
	"slices"

	"github.com/segmentio/kafka-go/sasl"
	"github.com/segmentio/kafka-go/sasl/plain"
	"github.com/segmentio/kafka-go/sasl/scram"
)

// PasswordMechanisms are the names that NewPassword knows.
var PasswordMechanisms = []string{"plain", "scram-sha-256", "scram-sha-512"}

// NewPassword returns a SASL mechanism by its name. The password is asked for
// at each authentication.
func NewPassword(name, user string, password func() (string, error)) (sasl.Mechanism, error) {
	if !slices.Contains(PasswordMechanisms, name) {
		return nil, fmt.Errorf("kafka: SASL mechanism %q is none of plain, scram-sha-256, scram-sha-512", name)
	}
	return &passwordMechanism{name: name, user: user, password: password}, nil
}

type passwordMechanism struct {
	name, user string
	password   func() (string, error)
}

// Name implements sasl.Mechanism.
func (m *passwordMechanism) Name() string {
	switch m.name {
	case "scram-sha-256":
		return "SCRAM-SHA-256"
	case "scram-sha-512":
		return "SCRAM-SHA-512"
	}
	return "PLAIN"
}

// Start implements sasl.Mechanism.
func (m *passwordMechanism) Start(ctx context.Context) (sasl.StateMachine, []byte, error) {
	password, err := m.password()
	if err != nil {
		return nil, nil, err
	}
	var mechanism sasl.Mechanism = plain.Mechanism{Username: m.user, Password: password}
	switch m.name {
	case "scram-sha-256":
		mechanism, err = scram.Mechanism(scram.SHA256, m.user, password)
	case "scram-sha-512":
		mechanism, err = scram.Mechanism(scram.SHA512, m.user, password)
	}
	if err != nil {
		return nil, nil, err
	}
	return mechanism.Start(ctx)
}
