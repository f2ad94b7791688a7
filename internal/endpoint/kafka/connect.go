package kafka

import (
	"context"
	"crypto/tls"
	"log/slog"
	"strings"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/credfile"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/probe"
	"github.com/streamcrypt/streamcrypt/internal/retry"
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
	return cluster.Options{Brokers: strings.Split(c.brokers, ",")}.Check()
}

// connect returns the Cluster, which ends of a session share.
func (c connection) connect(ctx context.Context, s *endpoint.Session) (*cluster.Cluster, error) {
	return endpoint.Share(s, c, func() (*cluster.Cluster, error) {
		options, err := c.options(s.Log)
		if err != nil {
			return nil, err
		}
		options.Observer = s.Watch
		var met *cluster.Cluster
		err = s.Await(ctx, c.describeService(), func(ctx context.Context) (err error) {
			met, err = cluster.Connect(ctx, options)
			return err
		})
		if err != nil {
			return nil, err
		}
		s.OnClose(func() error { met.Close(); return nil })
		return met, nil
	})
}

// describeService returns the brokers, as they are waited for.
func (c *connection) describeService() endpoint.Service {
	return endpoint.Service{
		Name: "kafka " + c.brokers, Servers: strings.Split(c.brokers, ","),
		Speaks: probe.Wish{Protocol: probe.Kafka, TLS: c.TLS}, IsAway: retry.IsAway,
	}
}

// options reads the files that the connection names.
func (c *connection) options(log *slog.Logger) (o cluster.Options, err error) {
	o = cluster.Options{Brokers: strings.Split(c.brokers, ","), Log: log}
	if c.TLS {
		if o.TLS, err = c.readTLS(log); err != nil {
			return o, err
		}
	}
	if c.sasl == "" {
		return o, nil
	}
	password, err := credfile.ReadPassword("password", c.PasswordFile, log)
	if err != nil {
		return o, err
	}
	if c.sasl == "plain" && !c.TLS {
		log.Warn("kafka: sasl=plain without tls=true shows the password to everybody who sees the connection",
			"brokers", c.brokers)
	}
	o.SASL, err = cluster.NewMechanism(c.sasl, c.User, password)
	return o, err
}

func (c *connection) readTLS(log *slog.Logger) (o *tls.Config, err error) {
	o = &tls.Config{MinVersion: tls.VersionTLS12}
	if c.CA != "" {
		if o.RootCAs, err = credfile.ReadRoots("ca", c.CA); err != nil {
			return nil, err
		}
	}
	if c.Cert != "" {
		pair, err := credfile.ReadPair("cert", c.Cert, c.Key, log)
		if err != nil {
			return nil, err
		}
		o.Certificates = []tls.Certificate{pair}
	}
	return o, nil
}
