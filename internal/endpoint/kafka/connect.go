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
	brokers string // with commas between them
	tls     bool
	ca      string // a PEM file
	// PEM files with the client's certificate and its private key:
	cert, key string

	sasl, user, passwordFile string
}

func (c *connection) setBrokers(hosts []string) { c.brokers = strings.Join(hosts, ",") }

func (c *connection) readParams(p *address.Params) error {
	c.tls = p.ReadBool(address.Param{Name: "tls", Text: "encrypt the connections; ca= and cert= imply it"})
	c.ca = p.ReadText(address.Param{
		Name:    "ca",
		Text:    "the roots that the brokers' certificates are checked against, in PEM",
		Values:  address.File,
		Default: "(the system's)",
	})
	c.cert = p.ReadText(address.Param{
		Name: "cert", Text: "the client's certificate, in PEM", Values: address.File, Default: "(none)",
	})
	c.key = p.ReadText(address.Param{
		Name: "key", Text: "the private key of cert=, in PEM", Values: address.File, Default: "(none)",
	})
	c.sasl = p.ReadWord(address.Param{
		Name:    "sasl",
		Text:    "the mechanism that proves who the user is",
		Words:   []string{"plain", "scram-sha-256", "scram-sha-512"},
		Default: "(none)",
	})
	c.user = p.ReadText(address.Param{
		Name:    "user",
		Text:    "the name of the user, for sasl=",
		Values:  "NAME",
		Default: "(none)",
	})
	c.passwordFile = p.ReadText(address.Param{
		Name:    "password-file",
		Text:    "the file that holds the user's password; a newline at its end is ignored",
		Values:  address.File,
		Default: "(none)",
	})
	c.tls = c.tls || c.ca != "" || c.cert != ""
	return c.check()
}

// check refuses parameters that do not go together.
func (c *connection) check() error {
	switch {
	case (c.cert == "") != (c.key == ""):
		return hint.New("a certificate without its key, or a key without its certificate",
			"name both: cert=FILE&key=FILE")
	case c.sasl != "" && (c.user == "" || c.passwordFile == ""):
		return hint.New("sasl without a user and a password", "name both: user=NAME&password-file=FILE")
	case c.sasl == "" && (c.user != "" || c.passwordFile != ""):
		return hint.New("a user and no mechanism", "say how it is proved: sasl=plain, scram-sha-256 or scram-sha-512")
	case c.brokers == "":
		return nil
	}
	return connector.ClusterOptions{Brokers: strings.Split(c.brokers, ",")}.Check()
}

// files lists the files that are read to connect.
func (c *connection) files() []endpoint.NamedFile {
	var files []endpoint.NamedFile
	for _, f := range []endpoint.NamedFile{
		{Param: "ca", Path: c.ca}, {Param: "cert", Path: c.cert},
		{Param: "key", Path: c.key, Secret: true}, {Param: "password-file", Path: c.passwordFile, Secret: true},
	} {
		if f.Path != "" {
			files = append(files, f)
		}
	}
	return files
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
	if c.tls {
		if o.TLS, err = c.tlsConfig(); err != nil {
			return o, err
		}
	}
	if c.sasl == "" {
		return o, nil
	}
	password, err := readPassword(c.passwordFile)
	if err != nil {
		return o, err
	}
	if c.sasl == "plain" && !c.tls {
		log.Warn("kafka: sasl=plain without tls=true shows the password to everybody who sees the connection",
			"brokers", c.brokers)
	}
	o.SASL, err = connector.Mechanism(c.sasl, c.user, password)
	return o, err
}

func (c *connection) tlsConfig() (*tls.Config, error) {
	o := &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ca != "" {
		roots, err := os.ReadFile(c.ca)
		if err != nil {
			return nil, fmt.Errorf("ca: %w", err)
		}
		o.RootCAs = x509.NewCertPool()
		if !o.RootCAs.AppendCertsFromPEM(roots) {
			return nil, fmt.Errorf("ca: %s: no certificate in it", c.ca)
		}
	}
	if c.cert != "" {
		pair, err := tls.LoadX509KeyPair(c.cert, c.key)
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
