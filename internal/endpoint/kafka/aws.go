package kafka

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"github.com/aws/aws-msk-iam-sasl-signer-go/signer"
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/logging"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// awsParams say who this process is to the brokers of Amazon MSK. The token of
// such an authentication is a signed request, made here without a call.
type awsParams struct{ region, role, profile string }

func (a *awsParams) readParams(p *address.Params) {
	a.region = p.ReadText(address.Param{
		Name: "region", Text: "the region of the brokers, for sasl=aws-msk-iam", Values: "NAME",
		Default: "(that of the environment or the profile)",
	})
	a.role = p.ReadText(address.Param{
		Name: "role", Text: "the role to assume, for sasl=aws-msk-iam", Values: "ARN", Default: "(none)",
	})
	a.profile = p.ReadText(address.Param{
		Name: "profile", Text: "the profile of the shared configuration files, for sasl=aws-msk-iam", Values: "NAME",
		Default: "(that of the environment)",
	})
}

// credentialsWait is how long credentials may take: they can come from another
// service.
const credentialsWait = 8 * time.Second

// open finds the credentials and returns a function that returns a token for
// one authentication.
func (a awsParams) open(ctx context.Context) (func(context.Context) (string, error), error) {
	options := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})}
	if a.region != "" {
		options = append(options, config.WithRegion(a.region))
	}
	if a.profile != "" {
		options = append(options, config.WithSharedConfigProfile(a.profile))
	}
	found, err := config.LoadDefaultConfig(ctx, options...)
	switch {
	case err != nil:
		return nil, fmt.Errorf("aws: %w", err)
	case found.Region == "":
		return nil, hint.New("sasl=aws-msk-iam without a region", "say region=NAME, that of the brokers")
	}
	if a.role != "" {
		found.Credentials = aws.NewCredentialsCache(stscreds.NewAssumeRoleProvider(sts.NewFromConfig(found), a.role,
			func(o *stscreds.AssumeRoleOptions) { o.RoleSessionName = "streamcrypt" }))
	}
	token := func(ctx context.Context) (string, error) {
		return signToken(ctx, found.Region, found.Credentials)
	}
	limited, cancel := context.WithTimeout(ctx, credentialsWait)
	defer cancel()
	_, err = token(limited)
	return token, err
}

// signToken returns a token for the brokers of a region.
func signToken(ctx context.Context, region string, from aws.CredentialsProvider) (string, error) {
	token, _, err := signer.GenerateAuthTokenFromCredentialsProvider(ctx, region, from)
	if err == nil {
		return token, nil
	}
	err = fmt.Errorf("aws credentials: %w", err)
	if _, ok := errors.AsType[net.Error](err); ok || errors.Is(err, context.DeadlineExceeded) {
		return "", &dial.AwayError{Err: err}
	}
	return "", err
}
