package kafka

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"os"
	"strings"

	connector "github.com/streamcrypt/streamcrypt/connectors/kafka"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// connection says how a cluster is reached and who this process is there. Ends
// with equal connections share a Cluster.
type connection struct {
	endpoint.Credentials
	brokers string // with commas between them
	sasl    string
}

func (c *connection) setBrokers(hosts []string) { c.brokers = strings.Join(hosts, ",") }

func (c *connection) readParams(p *address.Params) error {
	c.Credentials = endpoint.ReadCredentials(p)
	c.sasl = p.ReadWord(address.Param{
		Name:    "sasl",
		Text:    "the mechanism that proves who the user is",
		Words:   []string{"plain", "scram-sha-256", "scram-sha-512"},
		Default: "(none)",
	})
	return c.check()
}

// check refuses parameters that do not go together.
func (c *connection) check() error {
	switch {
	case (c.Cert == "") != (c.Key == ""):
		return hint.New("a certificate without its key, or a key without its certificate",
			"name both: cert=FILE&key=FILE")
	case c.sasl != "" && (c.User == "" || c.PasswordFile == ""):
		return hint.New("sasl without a user and a password", "name both: user=NAME&password-file=FILE")
	case c.sasl == "" && (c.User != "" || c.PasswordFile != ""):
		return hint.New("a user and no mechanism", "say how it is proved: sasl=plain, scram-sha-256 or scram-sha-512")
	case c.brokers == "":
		return nil
	}
	return connector.ClusterOptions{Brokers: strings.Split(c.brokers, ",")}.Check()
}

// connect returns the Cluster, which ends of a session share.
func (c connection) connect(ctx context.Context, s *endpoint.Session) (*connector.Cluster, error) {
	return endpoint.Share(s, c, func() (*connector.Cluster, error) {
		options, err := c.options(s.Log)
		if err != nil {
			return nil, err
		}
		cluster, err := connector.Connect(ctx, options)
		if err != nil {
			return nil, err
		}
		s.OnClose(func() error { cluster.Close(); return nil })
		return cluster, nil
	})
}

// options reads the files that the connection names.
func (c *connection) options(log *slog.Logger) (o connector.ClusterOptions, err error) {
	o = connector.ClusterOptions{Brokers: strings.Split(c.brokers, ","), Log: log}
	if c.TLS {
		if o.TLS, err = c.tlsConfig(); err != nil {
			return o, err
		}
	}
	if c.sasl == "" {
		return o, nil
	}
	password, err := readPassword(c.PasswordFile)
	if err != nil {
		return o, err
	}
	if c.sasl == "plain" && !c.TLS {
		log.Warn("kafka: sasl=plain without tls=true shows the password to everybody who sees the connection",
			"brokers", c.brokers)
	}
	o.SASL, err = connector.Mechanism(c.sasl, c.User, password)
	return o, err
}

func (c *connection) tlsConfig() (*tls.Config, error) {
	o := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		roots, err := os.ReadFile(c.CA)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		o.RootCAs = x509.NewCertPool()
		if !o.RootCAs.AppendCertsFromPEM(roots) {
			return nil, fmt.Errorf("ca: %s: no certificate in it", c.CA)
		}
	}
	if c.Cert != "" {
		pair, err := tls.LoadX509KeyPair(c.Cert, c.Key)
		if err != nil {
			return nil, fmt.Errorf("cert: %w", err)
		}
		o.Certificates = []tls.Certificate{pair}
	}
	return o, nil
}

// readPassword reads a password. One newline at the end of the file is ignored.
func readPassword(name string) (string, error) {
	password, err := os.ReadFile(name)
	if err != nil {
		return "", fmt.Errorf("password: %w", err)
	}
	return strings.TrimSuffix(strings.TrimSuffix(string(password), "\n"), "\r"), nil
}
