package kafka

import (
	"context"
	"strings"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/probe"
	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// connection says how a cluster is reached and who this process is there. Ends
// with equal connections share a Cluster.
type connection struct {
	endpoint.Credentials
	brokers         string // with commas between them
	serverName      string
	keyPasswordFile string
	sasl            string
	extensions      string // NAME:VALUE, with commas between them
	tokens          tokenParams
	aws             awsParams
}

func (c *connection) setBrokers(hosts []string) { c.brokers = strings.Join(hosts, ",") }

// The words of sasl=.
const (
	oauthBearer = "oauthbearer"
	awsIAM      = "aws-msk-iam"
)

func (c *connection) readParams(p *address.Params) error {
	c.Credentials = endpoint.ReadCredentials(p)
	c.serverName = p.ReadText(address.Param{
		Name:   "server-name",
		Text:   "the name that the brokers' certificates must have, where it is not the host",
		Values: "NAME", Default: "(each broker's host)",
	})
	c.keyPasswordFile = p.ReadText(address.Param{
		Name: "key-password-file", Text: "the file that holds the password of an encrypted key=, PKCS#8 in PEM",
		Values: address.File, Default: "(the key is not encrypted)",
	})
	c.sasl = p.ReadWord(address.Param{
		Name:    "sasl",
		Text:    "the mechanism that proves who the user is",
		Words:   []string{"plain", "scram-sha-256", "scram-sha-512", oauthBearer, awsIAM},
		Default: "(none)",
	})
	c.extensions = strings.Join(p.ReadList(address.Param{
		Name: "sasl-extensions", Text: "what goes with the token of sasl=oauthbearer (KIP-342)",
		Values: "NAME:VALUE,...", Default: "(nothing)",
	}), ",")
	c.tokens.readParams(p)
	c.aws.readParams(p)
	return c.check()
}

// check refuses parameters that do not go together.
func (c *connection) check() error {
	switch {
	case (c.Cert == "") != (c.Key == ""):
		return hint.New("a certificate without its key, or a key without its certificate",
			"name both: cert=FILE&key=FILE")
	case c.keyPasswordFile != "" && c.Key == "":
		return hint.New("a password of a key and no key", "name both: key=FILE&key-password-file=FILE")
	case c.serverName != "" && !c.TLS:
		return hint.New("a server's name and no TLS", "say tls=true")
	}
	if err := c.checkSASL(); err != nil || c.brokers == "" {
		return err
	}
	return c.nameOptions().Check()
}

// checkSASL refuses parameters that the mechanism lacks, or has no use for.
func (c *connection) checkSASL() error {
	hasUser := c.User != "" || c.PasswordFile != ""
	takesUser := c.sasl != "" && c.sasl != oauthBearer && c.sasl != awsIAM
	switch {
	case takesUser && (c.User == "" || c.PasswordFile == ""):
		return hint.New("sasl without a user and a password", "name both: user=NAME&password-file=FILE")
	case hasUser && c.sasl == "":
		return hint.New("a user and no mechanism", "say how it is proved: sasl=plain, scram-sha-256 or scram-sha-512")
	case hasUser && !takesUser:
		return hint.New("a user or a password, and sasl="+c.sasl+" takes none", "leave out user= and password-file=")
	case c.sasl != oauthBearer && (c.tokens != tokenParams{} || c.extensions != ""):
		return hint.New("a token and no mechanism that takes one", "say sasl=oauthbearer")
	case c.sasl != awsIAM && c.aws != awsParams{}:
		return hint.New("region=, role= or profile= and no mechanism that takes them", "say sasl=aws-msk-iam")
	case c.sasl == awsIAM && !c.TLS:
		return hint.New("sasl=aws-msk-iam shows a token to everybody who sees the connection", "say tls=true")
	case c.sasl != oauthBearer:
		return nil
	}
	if _, err := c.parseExtensions(); err != nil {
		return err
	}
	return c.tokens.check()
}

// parseExtensions returns the pairs of sasl-extensions=.
func (c *connection) parseExtensions() ([][2]string, error) {
	if c.extensions == "" {
		return nil, nil
	}
	var pairs [][2]string
	for text := range strings.SplitSeq(c.extensions, ",") {
		name, value, ok := strings.Cut(text, ":")
		if !ok {
			return nil, hint.New("sasl-extensions: a name without a value",
				"write sasl-extensions=NAME:VALUE,NAME:VALUE")
		}
		pairs = append(pairs, [2]string{name, value})
	}
	return pairs, nil
}

// listFiles lists the files that the parameters name.
func (c *connection) listFiles() []endpoint.NamedFile {
	return append(c.ListFiles(), endpoint.ListNamed([]endpoint.NamedFile{
		{Param: "key-password-file", Path: c.keyPasswordFile, Secret: true},
		{Param: "token-file", Path: c.tokens.file, Secret: true},
		{Param: "token-ca", Path: c.tokens.ca},
		{Param: "client-secret-file", Path: c.tokens.secretFile, Secret: true},
	})...)
}

// connect returns the Cluster, which ends of a session share.
func (c connection) connect(ctx context.Context, s *endpoint.Session) (*cluster.Cluster, error) {
	return endpoint.Share(s, c, func() (*cluster.Cluster, error) {
		options, err := c.options(ctx, s.Log)
		if err != nil {
			return nil, err
		}
		options.Observer, options.Stuck = s.Watch, s.Watch.ObserveStuck
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
