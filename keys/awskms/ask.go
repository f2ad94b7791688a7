package awskms

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"

	"github.com/streamcrypt/streamcrypt/keys"
)

// errNoDate says that an answer came without the time.
var errNoDate = errors.New("the answer has no Date")

// dated keeps the time that a service tells with its answers. One call uses it.
type dated struct {
	kms.HTTPClient
	told time.Time
}

func (d *dated) Do(r *http.Request) (*http.Response, error) {
	answer, err := d.HTTPClient.Do(r)
	if err == nil {
		if told, wrong := http.ParseTime(answer.Header.Get("Date")); wrong == nil {
			d.told = told
		}
	}
	return answer, err
}

// AskTime asks KMS for its time, to the second, by DescribeKey. A refusal tells
// the time as well, also one because of this machine's clock.
func (k *Key) AskTime(ctx context.Context) (time.Time, time.Duration, error) {
	clock := &dated{}
	_, err := k.describe(ctx, func(o *kms.Options) {
		clock.HTTPClient = o.HTTPClient
		o.HTTPClient = clock
	})
	if !clock.told.IsZero() {
		return clock.told, time.Second, nil
	}
	if err == nil {
		err = k.newError(keys.Gone, "describe", errNoDate)
	}
	return time.Time{}, 0, err
}

// ReadBirth returns when the key was made. It takes the right kms:DescribeKey,
// which no run takes.
func (k *Key) ReadBirth(ctx context.Context) (time.Time, error) {
	answer, err := k.describe(ctx)
	if err != nil {
		return time.Time{}, err
	}
	if answer.KeyMetadata == nil || answer.KeyMetadata.CreationDate == nil {
		return time.Time{}, nil
	}
	return *answer.KeyMetadata.CreationDate, nil
}

func (k *Key) describe(ctx context.Context, options ...func(*kms.Options)) (*kms.DescribeKeyOutput, error) {
	asked := k.ref.String()
	var answer *kms.DescribeKeyOutput
	err := k.callGuarded(ctx, "describe", asked, func(ctx context.Context) (err error) {
		answer, err = k.client.DescribeKey(ctx, &kms.DescribeKeyInput{KeyId: aws.String(asked)}, options...)
		return err
	})
	return answer, err
}
