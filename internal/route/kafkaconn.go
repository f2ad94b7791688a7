package route

import (
	"crypto/tls"
	"errors"
	"log/slog"
	"strings"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/credfile"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// kafkaConn says how a cluster is reached and who we are there. Ends that say the same share one way to it.
type kafkaConn struct {
	brokers string // with commas between them
	tls     bool
	ca      string // a PEM file with the roots to trust instead of the system's
	// PEM files with the client's certificate and its private key:
	cert, key string

	sasl, user, passwordFile string
}

func (c *kafkaConn) read(hosts []string, p *address.Params) error {
	*c = kafkaConn{
		brokers: strings.Join(hosts, ","),
		tls:     p.Bool("tls"), ca: p.Text("ca"), cert: p.Text("cert"), key: p.Text("key"),
		sasl: p.Choice("sasl", "plain", "scram-sha-256", "scram-sha-512"), user: p.Text("user"), passwordFile: p.Text("password-file"),
	}
	c.tls = c.tls || c.ca != "" || c.cert != ""
	switch {
	case (c.cert == "") != (c.key == ""):
		return &hint.Error{Err: errors.New("a certificate without its key, or a key without its certificate"), Hint: "name both: cert=FILE&key=FILE"}
	case c.sasl != "" && (c.user == "" || c.passwordFile == ""):
		return &hint.Error{Err: errors.New("sasl without a user and a password"), Hint: "name both: user=NAME&password-file=FILE"}
	case c.sasl == "" && (c.user != "" || c.passwordFile != ""):
		return &hint.Error{Err: errors.New("a user and no mechanism"), Hint: "say how it is proved: sasl=plain, scram-sha-256 or scram-sha-512"}
	}
	return nil
}

// options reads the files that the connection names.
func (c *kafkaConn) options(log *slog.Logger) (o cluster.Options, err error) {
	o = cluster.Options{Brokers: strings.Split(c.brokers, ","), Log: log}
	if c.tls {
		if o.TLS, err = c.tlsConfig(log); err != nil {
			return o, err
		}
	}
	if c.sasl == "" {
		return o, nil
	}
	password, err := credfile.ReadPassword("password", c.passwordFile, log)
	if err != nil {
		return o, err
	}
	if c.sasl == "plain" && !c.tls {
		log.Warn("kafka: sasl=plain without tls=true shows the password to whoever sees the connection", "brokers", c.brokers)
	}
	o.SASL, err = cluster.NewMechanism(c.sasl, c.user, password)
	return o, err
}

func (c *kafkaConn) tlsConfig(log *slog.Logger) (o *tls.Config, err error) {
	o = &tls.Config{MinVersion: tls.VersionTLS12}
	if c.ca != "" {
		if o.RootCAs, err = credfile.ReadRoots("ca", c.ca); err != nil {
			return nil, err
		}
	}
	if c.cert != "" {
		pair, err := credfile.ReadPair("cert", c.cert, c.key, log)
		if err != nil {
			return nil, err
		}
		o.Certificates = []tls.Certificate{pair}
	}
	return o, nil
}
