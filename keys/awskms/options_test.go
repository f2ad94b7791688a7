package awskms

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/guard"
)

func TestOptionsRefused(t *testing.T) {
	for name, tc := range map[string]struct {
		o    Options
		is   error
		says string
	}{
		"no key":            {o: Options{Region: here}, is: errRef},
		"malformed ARN":     {o: Options{Key: "arn:aws:kms:eu-central-1:1:key/1"}, is: errRef},
		"no region":         {o: Options{Key: orders}, is: ErrNoRegion},
		"another region":    {o: Options{Key: first, Region: there}, says: "only multi-Region keys"},
		"alias elsewhere":   {o: Options{Key: "arn:aws:kms:eu-central-1:111122223333:alias/a", Region: there}, says: "only multi-Region keys"},
		"region":            {o: Options{Key: orders, Region: "eu/../x"}, says: "region"},
		"role":              {o: Options{Key: first, Role: "admin"}, says: "role: not an ARN"},
		"profile":           {o: Options{Key: first, Profile: "nobody"}, says: "nobody"},
		"reserved pair":     {o: Options{Key: first, Pairs: map[string]string{"aws:x": "y"}}, is: ErrReserved},
		"our pair":          {o: Options{Key: first, Pairs: map[string]string{"streamcrypt:context": "y"}}, is: ErrReserved},
		"nameless pair":     {o: Options{Key: first, Pairs: map[string]string{"": "y"}}, says: "pair"},
		"endpoint":          {o: Options{Key: first, Endpoint: "localhost:8080"}, says: "endpoint: not of the form"},
		"endpoint's user":   {o: Options{Key: first, Endpoint: "https://joe:secret@h"}, says: "endpoint: not of the form"},
		"endpoint in clear": {o: Options{Key: first, Endpoint: "http://kms.example.com:8080"}, is: ErrClear},
	} {
		_, err := New(t.Context(), tc.o)
		switch {
		case err == nil:
			t.Errorf("%s: accepted", name)
		case tc.is != nil && !errors.Is(err, tc.is), !strings.Contains(err.Error(), tc.says), strings.Contains(err.Error(), "secret"):
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestNames(t *testing.T) {
	t.Setenv("AWS_REGION", there)
	for _, tc := range []struct{ key, region, want string }{
		{first, "", "awskms:" + first},
		{orders, here, "awskms:alias/orders?region=eu-central-1"},
		{orders, "", "awskms:alias/orders?region=us-east-1"},
		{"1-2", here, "awskms:1-2?region=eu-central-1"},
		{multi, "", "awskms:" + copied}, // the reader's own replica
		{multi, here, "awskms:" + multi},
	} {
		k, err := New(t.Context(), Options{Key: tc.key, Region: tc.region})
		if err != nil {
			t.Fatal(err)
		}
		if k.Name() != tc.want || k.State() != guard.Closed {
			t.Errorf("%s in %q: %s, %s", tc.key, tc.region, k.Name(), k.State())
		}
	}
}

func TestRegionOfAnARNWithoutConfiguration(t *testing.T) {
	for _, key := range []string{first, multi} {
		k, err := New(t.Context(), Options{Key: key})
		if err != nil || k.client.region != here {
			t.Errorf("%s: %v", key, err)
		}
	}
}

func TestNoCredentials(t *testing.T) {
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	if _, err := New(t.Context(), Options{Key: first}); !errors.Is(err, ErrCredentials) {
		t.Errorf("got %v", err)
	}
}

// A profile's credentials are those that sign, even where the environment has
// others.
func TestProfile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "config")
	content := "[profile team]\naws_access_key_id = AKIDTEAM\naws_secret_access_key = secret\nregion = us-east-1\n"
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_CONFIG_FILE", file)
	f := newFake(t)
	f.aliases[orders] = abroad
	k, err := New(t.Context(), Options{Key: orders, Profile: "team", Endpoint: f.url})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := k.Generate(t.Context(), keys.Context{}, nil); err != nil {
		t.Fatal(err)
	}
	if asked, _ := f.last(); !strings.Contains(asked.caller, "AKIDTEAM/") || !strings.Contains(asked.caller, "/us-east-1/kms/") {
		t.Errorf("signed as %s", asked.caller)
	}
}

// An address that comes from the environment is held to the same rule as one in
// the options.
func TestEndpointOfTheEnvironmentInClear(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_KMS", "http://kms.example.com:1")
	k, err := New(t.Context(), Options{Key: first})
	if err != nil {
		t.Fatal(err)
	}
	_, _, err = k.Generate(t.Context(), keys.Context{}, nil)
	var e *keys.Error
	if !errors.As(err, &e) || e.Class != keys.Gone || !errors.Is(err, ErrClear) {
		t.Errorf("got %v", err)
	}
}

func TestEncryptionContext(t *testing.T) {
	f := newFake(t)
	k := f.key(Options{Key: first, Pairs: map[string]string{"team": "pay"}}, guard.Options{})
	for name, tc := range map[string]struct {
		kc   keys.Context
		want map[string]string // nil: refused
	}{
		"no name": {keys.Context{}, map[string]string{"streamcrypt:format": "1", "team": "pay"}},
		"name":    {keys.Context{Name: "orders"}, map[string]string{"streamcrypt:format": "1", "streamcrypt:context": "orders", "team": "pay"}},
		"pairs": {
			keys.Context{Pairs: map[string]string{"team": "pay", "x": "y"}},
			map[string]string{"streamcrypt:format": "1", "team": "pay", "x": "y"},
		},
		"two values": {keys.Context{Pairs: map[string]string{"team": "other"}}, nil},
		"reserved":   {keys.Context{Pairs: map[string]string{"streamcrypt:format": "2"}}, nil},
		"not UTF-8":  {keys.Context{Name: "\xff"}, nil},
	} {
		_, before := f.last()
		_, w, err := k.Generate(t.Context(), tc.kc, nil)
		asked, n := f.last()
		if tc.want == nil {
			var e *keys.Error
			if !errors.As(err, &e) || e.Class != keys.Gone || n != before {
				t.Errorf("%s: %v after %d calls", name, err, n-before)
			}
			continue
		}
		if err != nil || !maps.Equal(asked.in.EncryptionContext, tc.want) {
			t.Errorf("%s: %v, %v", name, asked.in.EncryptionContext, err)
		}
		if _, err := k.Unwrap(t.Context(), tc.kc, nil, &w); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if len(k.pairs) != 1 {
		t.Errorf("the configured pairs have become %v", k.pairs)
	}
}

// TestRoleInClear: the answer to who assumes a role holds credentials.
func TestRoleInClear(t *testing.T) {
	t.Setenv("AWS_ENDPOINT_URL_STS", "http://192.0.2.1:1")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := New(ctx, Options{Key: first, Role: "arn:aws:iam::111122223333:role/r"}); !errors.Is(err, ErrClear) {
		t.Errorf("got %v", err)
	}
}
