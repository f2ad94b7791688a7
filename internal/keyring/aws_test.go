package keyring

import (
	"errors"
	"log/slog"
	"os"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys/awskms"
)

const arn = "arn:aws:kms:eu-central-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab"

// awsEnv makes the tests independent of the machine's configuration.
func awsEnv(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_CONFIG_FILE": os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_PROFILE": "",
	} {
		t.Setenv(name, value)
	}
}

func TestAWS(t *testing.T) {
	awsEnv(t)
	log := slog.New(slog.DiscardHandler)
	for _, tc := range []struct {
		url, name, says string
		is              error
	}{
		{url: "awskms:" + arn, name: "awskms:" + arn},
		{url: "awskms:alias/orders?region=eu-west-1&endpoint=http://127.0.0.1:4599&pair=team:pay&pair=x:a:b", name: "awskms:alias/orders?region=eu-west-1"},
		{url: "awskms:alias/orders", is: awskms.ErrNoRegion},
		{url: "awskms:" + arn + "?region=us-east-1", says: "only multi-Region keys"},
		{url: "awskms:" + arn + "?profile=nobody", says: "nobody"},
		{url: "awskms:" + arn + "?pair=aws", says: "not of the form NAME:VALUE"},
		{url: "awskms:" + arn + "?pair=:x", says: "not of the form NAME:VALUE"},
		{url: "awskms:" + arn + "?pair=a:b&pair=a:c", says: `pair "a" is given twice`},
		{url: "awskms:" + arn + "?region=eu-central-1&region=eu-central-1", says: "parameter region: given twice"},
		{url: "awskms:" + arn + "?rgion=eu-central-1", says: `the nearest known one is "region"`},
		{url: "awskms:" + arn + "?endpoint=http://kms.example.com", is: awskms.ErrClear},
		{url: "awskms:arn:aws:kms:x:key/1", says: "not a KMS key"},
		{url: "awskms:", says: "not of the form awskms:ARN"},
		{url: "awskms://h/alias/orders", says: "not of the form awskms:ARN"},
	} {
		w, err := LoadWrappers(t.Context(), []string{tc.url}, Env{Log: log})
		u, err2 := LoadUnwrappers(t.Context(), []string{tc.url}, Env{Log: log})
		if tc.name != "" {
			if err != nil || err2 != nil || w[0].Name() != tc.name || u[0].Name() != tc.name {
				t.Errorf("%s: %v, %v", tc.url, err, err2)
			}
			continue
		}
		for _, err := range []error{err, err2} {
			if err == nil || !strings.Contains(err.Error(), tc.says) || tc.is != nil && !errors.Is(err, tc.is) {
				t.Errorf("%s: %v", tc.url, err)
			}
		}
	}
}

// One alias in two regions is two keys, two ways to ask for one key are one.
func TestAWSGivenTwice(t *testing.T) {
	awsEnv(t)
	log := slog.New(slog.DiscardHandler)
	two := []string{"awskms:alias/orders?region=eu-west-1", "awskms:alias/orders?region=eu-west-2"}
	if _, err := LoadWrappers(t.Context(), two, Env{Log: log}); err != nil {
		t.Error(err)
	}
	if _, err := LoadWrappers(t.Context(), []string{"awskms:" + arn, "awskms:" + arn + "?pair=a:b"}, Env{Log: log}); err == nil || !strings.Contains(err.Error(), "given twice") {
		t.Errorf("got %v", err)
	}
}
