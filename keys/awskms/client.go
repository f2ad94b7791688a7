package awskms

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/streamcrypt/streamcrypt/keys"
)

// connections is the connection pool that the clients of all keys share.
var connections = sync.OnceValue(func() *awshttp.BuildableClient {
	return awshttp.NewBuildableClient().WithTransportOptions(func(t *http.Transport) {
		if t.TLSClientConfig == nil {
			t.TLSClientConfig = &tls.Config{}
		}
		t.TLSClientConfig.MinVersion = tls.VersionTLS12
		t.OnProxyConnectResponse = func(
			_ context.Context, proxy *url.URL, _ *http.Request, answer *http.Response,
		) error {
			return checkProxy(proxy, answer)
		}
	})
})

// credentialsWait is how long the first credentials may take: they can come
// from another service.
const credentialsWait = 10 * time.Second

// client is a KMS client and the source of its credentials.
type client struct {
	*kms.Client
	region      string
	credentials *credentials
}

// connect makes the client that o asks for. KMS itself is not called;
// credentials are looked for, so that it is an error at the start if there are
// none.
func connect(ctx context.Context, o *Options, r ref) (*client, error) {
	cfg, err := config.LoadDefaultConfig(ctx, loadOptions(o, r)...)
	if err != nil {
		return nil, err
	}
	if cfg.Region == "" {
		return nil, ErrNoRegion
	}
	if o.Role != "" {
		tokens := sts.NewFromConfig(cfg,
			func(s *sts.Options) { s.HTTPClient = confidentially{HTTPClient: cfg.HTTPClient} })
		role := stscreds.NewAssumeRoleProvider(tokens, o.Role, func(a *stscreds.AssumeRoleOptions) {
			a.RoleSessionName = "streamcrypt"
		})
		cfg.Credentials = aws.NewCredentialsCache(role)
	}
	from := &credentials{cfg.Credentials}
	cfg.Credentials = from
	limited, cancel := context.WithTimeout(ctx, credentialsWait)
	defer cancel()
	if _, err := from.Retrieve(limited); err != nil {
		return nil, err
	}
	c := kms.NewFromConfig(cfg, func(k *kms.Options) {
		k.HTTPClient = confidentially{HTTPClient: cfg.HTTPClient, note: keys.NoteRequest}
		if o.Endpoint != "" {
			k.BaseEndpoint = aws.String(o.Endpoint)
		}
	})
	return &client{c, cfg.Region, from}, nil
}

func loadOptions(o *Options, r ref) []func(*config.LoadOptions) error {
	options := []func(*config.LoadOptions) error{
		config.WithHTTPClient(connections()),
		config.WithRetryer(func() aws.Retryer { return aws.NopRetryer{} }),
		config.WithLogger(logging.Nop{}), // the SDK's own would write to standard error
	}
	switch {
	case o.Region != "":
		options = append(options, config.WithRegion(o.Region))
	case r.isMultiRegion(): // the reader's own region, if it has one
		options = append(options, config.WithDefaultRegion(r.region))
	case r.isFull():
		options = append(options, config.WithRegion(r.region))
	}
	if o.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(o.Profile))
	}
	return options
}

// confidentially sends nothing that others could read on the way. The address
// may also come from the environment or a shared file, so it is checked here.
type confidentially struct {
	aws.HTTPClient
	// note is told of the ids of calls, by which CloudTrail names them; may be
	// nil.
	note func(ctx context.Context, id string)
}

func (c confidentially) Do(r *http.Request) (*http.Response, error) {
	if !isConfidential(r.URL) {
		return nil, ErrClear
	}
	if err := keepBody(r); err != nil {
		return nil, err
	}
	answer, err := c.HTTPClient.Do(r)
	if err == nil && c.note != nil {
		c.note(r.Context(), answer.Header.Get("X-Amzn-Requestid"))
	}
	return answer, err
}

// maxRequest is more than a request to KMS or STS has, in bytes.
const maxRequest = 1 << 20

// keepBody gives a request a body of its own. The SDK closes its own body as
// soon as the answer begins. A connection that looks for the end of that body a
// little later takes the request for broken off, and closes itself while the
// answer is read.
func keepBody(r *http.Request) error {
	if r.Body == nil || r.Body == http.NoBody {
		return nil
	}
	b, err := io.ReadAll(io.LimitReader(r.Body, maxRequest+1))
	switch {
	case err != nil:
		return err
	case len(b) > maxRequest:
		return errors.New("the request is too long")
	}
	r.Body = io.NopCloser(bytes.NewReader(b))
	return nil
}

// credentials marks the errors of the SDK's chain, which has no type for them.
type credentials struct{ from aws.CredentialsProvider }

// Retrieve implements aws.CredentialsProvider.
func (c *credentials) Retrieve(ctx context.Context) (aws.Credentials, error) {
	if c.from == nil {
		return aws.Credentials{}, ErrCredentials
	}
	found, err := c.from.Retrieve(ctx)
	if err != nil {
		return found, fmt.Errorf("%w: %w", ErrCredentials, err)
	}
	return found, nil
}

// dropStale drops credentials that KMS no longer takes.
func (c *credentials) dropStale() {
	if cache, ok := c.from.(*aws.CredentialsCache); ok {
		cache.Invalidate()
	}
}
