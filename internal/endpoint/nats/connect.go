package nats

import (
	"context"
	"net"
	"strings"

	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/probe"
)

func (n *stream) readConnection(p *address.Params) {
	creds := p.ReadText(address.Param{
		Name: "creds", Text: "a user's credentials: JWT and seed", Values: address.File, Default: "(none)",
	})
	nkey := p.ReadText(address.Param{
		Name: "nkey", Text: "the seed of a user's nkey", Values: address.File, Default: "(none)",
	})
	n.credentials = endpoint.ReadCredentials(p)
	n.conn = connector.ConnOptions{
		Name: "streamcrypt", Creds: creds, NKey: nkey,
		TokenFile: p.ReadText(address.Param{
			Name:   "token-file",
			Text:   "the file that holds the token of the server's authorization; a newline at its end is ignored",
			Values: address.File, Default: "(none)",
		}),
		Domain: p.ReadText(address.Param{
			Name: "domain", Text: "the JetStream domain of the stream, which may lie behind leaf nodes",
			Values: "NAME", Default: "(that of the server)",
		}),
		APIPrefix: p.ReadText(address.Param{
			Name: "api-prefix", Text: "the subject before JetStream's requests, where an import from another account " +
				"gives them another one", Values: "SUBJECT", Default: "($JS.API)",
		}),
		User: n.credentials.User, PasswordFile: n.credentials.PasswordFile,
		TLS: n.credentials.TLS, CA: n.credentials.CA, Cert: n.credentials.Cert, Key: n.credentials.Key,
		Context: p.ReadText(address.Param{
			Name:    "context",
			Text:    "a context of the nats command, for everything that the URL does not say",
			Values:  "NAME",
			Default: "(none)",
		}),
	}
}

// listFiles lists the files that are read to connect.
func (n *stream) listFiles() []endpoint.NamedFile {
	files := append(n.credentials.ListFiles(), endpoint.ListNamed([]endpoint.NamedFile{
		{Param: "creds", Path: n.conn.Creds, Secret: true}, {Param: "nkey", Path: n.conn.NKey, Secret: true},
		{Param: "token-file", Path: n.conn.TokenFile, Secret: true},
		{Param: "id-secret", Path: n.idSecret, Secret: true},
	})...)
	if n.state.bucket != nil {
		files = append(files, n.state.bucket.listFiles()...)
	}
	return files
}

// describeService returns the servers, as they are waited for. Those that only
// a context names are not asked which protocol they speak.
func (n *stream) describeService() endpoint.Service {
	var servers []string
	for server := range strings.SplitSeq(n.conn.URL, ",") {
		if host, ok := strings.CutPrefix(server, "nats://"); ok {
			if _, _, err := net.SplitHostPort(host); err != nil {
				host = net.JoinHostPort(host, defaultPort)
			}
			servers = append(servers, host)
		}
	}
	return endpoint.Service{
		Name: n.name, Servers: servers, Speaks: probe.Wish{Protocol: probe.NATS, TLS: n.conn.TLS},
		IsAway: connector.IsAway,
	}
}

// awaitLeaders opens a part of the end, and waits while a cluster elects the
// leaders that it needs.
func (n *stream) awaitLeaders(ctx context.Context, s *endpoint.Session, open func(context.Context) error) error {
	service := n.describeService()
	service.IsAway = connector.IsUnready
	return s.Await(ctx, service, open)
}

// defaultPort is the port of a server if its URL has none.
const defaultPort = "4222"

// connKey is a connection in a session.
type connKey struct{ connector.ConnOptions }

// connect returns the connection, which ends of a session share.
func (n *stream) connect(ctx context.Context, s *endpoint.Session) (*connector.Conn, error) {
	return endpoint.Share(s, connKey{n.conn}, func() (*connector.Conn, error) {
		options := n.conn
		options.Log, options.Observer = s.Log, s.Watch
		var conn *connector.Conn
		err := s.Await(ctx, n.describeService(), func(ctx context.Context) (err error) {
			conn, err = connector.Connect(ctx, options)
			return err
		})
		if err != nil {
			return nil, err
		}
		s.OnClose(func() error { conn.Close(); return nil })
		return conn, nil
	})
}
