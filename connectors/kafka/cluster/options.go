package cluster

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"time"

	"github.com/segmentio/kafka-go/sasl"
)

// Options say how to reach a cluster. Brokers is required.
type Options struct {
	// Brokers are some brokers of the cluster, as HOST or HOST:PORT; the port
	// is 9092 by default.
	Brokers []string
	// ClientID is how the brokers name the client in logs and quotas; default
	// "streamcrypt".
	ClientID string
	// TLS, SASL and Dial are how connections are opened: see dial.Options.
	TLS  func() (*tls.Config, error)
	SASL sasl.Mechanism
	Dial func(ctx context.Context, network, address string) (net.Conn, error)
	// Principal is the user as the brokers' rights name it, such as User:app,
	// for errors; empty if it is not known.
	Principal string
	// Refresh is the least time between two questions about one topic; default
	// 50 ms.
	Refresh time.Duration
	// StuckAfter is how long a request may wait for something that may never
	// come before people are told; default 30 s.
	StuckAfter time.Duration
	// Stuck is told the name of such a request and what it waits for, and with
	// a nil error that it waits no more; nil means nobody. It must not block.
	Stuck func(name string, waitsFor error)
	// Observer is told about retries; nil means nobody.
	Observer Observer
	// Log is told about retries; nil means slog.Default.
	Log *slog.Logger
}

const (
	defaultPort    = "9092"
	defaultRefresh = 50 * time.Millisecond
)

// Check returns the error that Connect would return for these options alone.
func (o Options) Check() error {
	_, err := o.withDefaults()
	return err
}

func (o Options) withDefaults() (Options, error) {
	if len(o.Brokers) == 0 {
		return o, errors.New("kafka: no broker")
	}
	brokers := make([]string, len(o.Brokers))
	for i, b := range o.Brokers {
		if _, _, err := net.SplitHostPort(b); err != nil {
			b = net.JoinHostPort(strings.Trim(b, "[]"), defaultPort)
		}
		host, port, err := net.SplitHostPort(b)
		_, ip := netip.ParseAddr(host)
		if err != nil || host == "" || port == "" || strings.Contains(host, ":") && ip != nil {
			return o, fmt.Errorf("kafka: %q is not HOST or HOST:PORT", o.Brokers[i])
		}
		brokers[i] = b
	}
	o.Brokers = brokers
	if o.ClientID == "" {
		o.ClientID = "streamcrypt"
	}
	if o.Refresh == 0 {
		o.Refresh = defaultRefresh
	}
	if o.StuckAfter == 0 {
		o.StuckAfter = stuckAfter
	}
	if o.Log == nil {
		o.Log = slog.Default()
	}
	return o, nil
}

// CheckTopicName applies the brokers' rule for names, which also keeps slashes
// out of places.
func CheckTopicName(name string) error {
	bad := func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && r != '.' && r != '_' && r != '-'
	}
	if name == "" || name == "." || name == ".." || len(name) > 249 || strings.ContainsFunc(name, bad) {
		return fmt.Errorf("kafka: %q is not a topic name", name)
	}
	return nil
}
