package kafka

import (
	"context"
	"crypto/tls"
	"log/slog"
	"strings"

	"github.com/segmentio/kafka-go/sasl"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
	"github.com/streamcrypt/streamcrypt/internal/credfile"
)

// nameOptions returns the options that name the brokers and the user.
func (c *connection) nameOptions() cluster.Options {
	o := cluster.Options{Brokers: strings.Split(c.brokers, ",")}
	if c.User != "" {
		o.Principal = "User:" + c.User
	}
	return o
}

// options returns how to connect. The files that the connection names are read
// once, so that mistakes are told before anything is opened, and again for each
// connection, since certificates and passwords are replaced.
func (c connection) options(ctx context.Context, log *slog.Logger) (o cluster.Options, err error) {
	o = c.nameOptions()
	o.Log = log
	if c.TLS {
		if _, err = c.readTLS(log); err != nil {
			return o, err
		}
		o.TLS = func() (*tls.Config, error) { return c.readTLS(silent) }
	}
	o.SASL, err = c.mechanism(ctx, log)
	return o, err
}

// silent is the log of files that are read again: their modes have been told.
var silent = slog.New(slog.DiscardHandler)

func (c *connection) readTLS(log *slog.Logger) (o *tls.Config, err error) {
	o = &tls.Config{MinVersion: tls.VersionTLS12, ServerName: c.serverName}
	if c.CA != "" {
		if o.RootCAs, err = credfile.ReadRoots("ca", c.CA); err != nil {
			return nil, err
		}
	}
	if c.Cert == "" {
		return o, nil
	}
	pair, err := c.readPair(log)
	if err != nil {
		return nil, err
	}
	o.Certificates = []tls.Certificate{pair}
	return o, nil
}

func (c *connection) readPair(log *slog.Logger) (tls.Certificate, error) {
	if c.keyPasswordFile != "" {
		return credfile.ReadLockedPair("cert", c.Cert, c.Key, c.keyPasswordFile, log)
	}
	return credfile.ReadPair("cert", c.Cert, c.Key, log)
}

// mechanism returns what proves who this process is; nil for nothing.
func (c connection) mechanism(ctx context.Context, log *slog.Logger) (sasl.Mechanism, error) {
	if c.sasl == "" {
		return nil, nil //nolint:nilnil // nil stands for no authentication
	}
	if !c.TLS && (c.sasl == "plain" || c.sasl == oauthBearer) {
		log.Warn("kafka: sasl="+c.sasl+" without tls=true shows the secret to everybody who sees the connection",
			"brokers", c.brokers)
	}
	switch c.sasl {
	case oauthBearer:
		token, err := c.tokens.open(log)
		if err != nil {
			return nil, err
		}
		extensions, err := c.parseExtensions()
		if err != nil {
			return nil, err
		}
		return dial.NewToken(token, extensions)
	case awsIAM:
		token, err := c.aws.open(ctx)
		if err != nil {
			return nil, err
		}
		return dial.NewToken(token, nil)
	}
	if _, err := credfile.ReadPassword("password", c.PasswordFile, log); err != nil {
		return nil, err
	}
	return dial.NewPassword(c.sasl, c.User, func() (string, error) {
		return credfile.ReadPassword("password", c.PasswordFile, silent)
	})
}
