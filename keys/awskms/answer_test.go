package awskms

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/smithy-go/middleware"

	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/guard"
)

// An answer about another key than the one asked for, or with another kind of
// key in it, is not used.
func TestAnswersAreChecked(t *testing.T) {
	key := func(name string) func(map[string]any) { return func(a map[string]any) { a["KeyId"] = name } }
	for name, tc := range map[string]struct {
		op     string
		change func(map[string]any)
		want   keys.Class
	}{
		"generate: another key":    {"generate", key(second), keys.Gone},
		"generate: no key":         {"generate", key(""), keys.Gone},
		"generate: an alias":       {"generate", key("arn:aws:kms:eu-central-1:111122223333:alias/orders"), keys.Gone},
		"generate: another region": {"generate", key(strings.Replace(first, here, there, 1)), keys.Gone},
		"generate: 16 bytes":       {"generate", func(a map[string]any) { a["Plaintext"] = make([]byte, 16) }, keys.Gone},
		"generate: no plaintext":   {"generate", func(a map[string]any) { delete(a, "Plaintext") }, keys.Gone},
		"generate: no wrapped key": {"generate", func(a map[string]any) { delete(a, "CiphertextBlob") }, keys.Gone},
		"generate: too long":       {"generate", func(a map[string]any) { a["CiphertextBlob"] = make([]byte, 6145) }, keys.Gone},
		"wrap: another key":        {"wrap", key(second), keys.Gone},
		"wrap: no wrapped key":     {"wrap", func(a map[string]any) { delete(a, "CiphertextBlob") }, keys.Gone},
		"unwrap: another key":      {"unwrap", key(second), keys.BadWrap},
		"unwrap: no key":           {"unwrap", key(""), keys.BadWrap},
		"unwrap: 31 bytes":         {"unwrap", func(a map[string]any) { a["Plaintext"] = make([]byte, 31) }, keys.BadWrap},
		"unwrap: 33 bytes":         {"unwrap", func(a map[string]any) { a["Plaintext"] = make([]byte, 33) }, keys.BadWrap},
		"rewrap: another key":      {"rewrap", key(second), keys.Gone},
		"rewrap: another old key":  {"rewrap", func(a map[string]any) { a["SourceKeyId"] = second }, keys.BadWrap},
		"rewrap: no wrapped key":   {"rewrap", func(a map[string]any) { delete(a, "CiphertextBlob") }, keys.Gone},
	} {
		f := newFake(t)
		k := f.key(Options{Key: first}, guard.Options{})
		dek, w, err := k.Generate(t.Context(), kc, nil)
		if err != nil {
			t.Fatal(err)
		}
		f.set(func() { f.change = func(_ string, answer map[string]any) { tc.change(answer) } })
		err = operations(k, dek, &w)[tc.op](t.Context())
		check(t, err, tc.op, tc.want, dek, &w)
		if err != nil && !t.Failed() && k.State() != guard.Closed {
			t.Errorf("%s: the breaker is %s", name, k.State())
		}
		if t.Failed() {
			t.Fatal(name)
		}
	}
}

// A key that is asked for by alias or id is written by the ARN in the answer,
// if that can be right.
func TestAnswersToAliasesAndIDs(t *testing.T) {
	foreign := strings.Replace(first, "111122223333", "999999999999", 1)
	for _, tc := range []struct {
		key, answer string
		ok          bool
	}{
		{orders, second, true},
		{orders, abroad, false}, // of another region
		{orders, "arn:aws:kms:eu-central-1:111122223333:alias/orders", false},
		{"arn:aws:kms:eu-central-1:111122223333:alias/orders", second, true},
		{"arn:aws:kms:eu-central-1:111122223333:alias/orders", foreign, false},
		{material(first), first, true},
		{material(first), foreign, true}, // whose account an id is in, KMS says
		{material(first), second, false},
	} {
		f := newFake(t)
		f.change = func(_ string, answer map[string]any) { answer["KeyId"] = tc.answer }
		_, w, err := f.key(Options{Key: tc.key}, guard.Options{}).Generate(t.Context(), kc, nil)
		if tc.ok && (err != nil || string(w.KID) != tc.answer) || !tc.ok && !isClass(err, keys.Gone) {
			t.Errorf("%s answered by %s: kid %s, %v", tc.key, tc.answer, w.KID, err)
		}
	}
}

// The buffer in which the SDK hands over a data key is cleared once the key has
// been copied.
func TestPlaintextIsCleared(t *testing.T) {
	f := newFake(t)
	k := f.key(Options{Key: first}, guard.Options{})
	var handed [][]byte
	k.client.Client = kms.New(k.client.Options(), kms.WithAPIOptions(func(s *middleware.Stack) error {
		return s.Initialize.Add(middleware.InitializeMiddlewareFunc("see", func(
			ctx context.Context, in middleware.InitializeInput, next middleware.InitializeHandler,
		) (middleware.InitializeOutput, middleware.Metadata, error) {
			out, metadata, err := next.HandleInitialize(ctx, in)
			switch result := out.Result.(type) {
			case *kms.GenerateDataKeyOutput:
				handed = append(handed, result.Plaintext)
			case *kms.DecryptOutput:
				handed = append(handed, result.Plaintext)
			}
			return out, metadata, err
		}), middleware.Before)
	}))
	_, w, err := k.Generate(t.Context(), kc, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Unwrap(t.Context(), kc, nil, &w); err != nil {
		t.Fatal(err)
	}
	f.set(func() { f.change = func(_ string, answer map[string]any) { answer["KeyId"] = second } })
	_, _, _ = k.Generate(t.Context(), kc, nil)
	_, _ = k.Unwrap(t.Context(), kc, nil, &w)
	if len(handed) != 4 {
		t.Fatalf("%d were handed over", len(handed))
	}
	for i, key := range handed {
		if len(key) != 32 || !bytes.Equal(key, make([]byte, 32)) {
			t.Errorf("answer %d is still there", i+1)
		}
	}
}

func TestWrapRefusesOtherSizes(t *testing.T) {
	f := newFake(t)
	k := f.key(Options{Key: first}, guard.Options{})
	for _, size := range []int{0, 16, 31, 33} {
		if _, err := k.Wrap(t.Context(), kc, make([]byte, size)); !isClass(err, keys.Gone) {
			t.Errorf("%d bytes: %v", size, err)
		}
	}
	if _, n := f.last(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

func FuzzTold(f *testing.F) {
	f.Add("User: arn:aws:sts::111122223333:assumed-role/enc/streamcrypt is not authorized", []byte("0123456789abcdef0123456789abcdef"))
	f.Fuzz(func(t *testing.T, around string, key []byte) {
		if len(key) < 32 {
			return
		}
		text := base64.StdEncoding.EncodeToString(key)
		got := redact(around + text + around)
		if bytes.Contains([]byte(got), []byte(text)) || len(got) > maxMessage {
			t.Errorf("%q", got)
		}
	})
}

func TestErrorsKeepTheirCause(t *testing.T) {
	f := newFake(t)
	f.fault = answerWith(400, "AccessDeniedException")
	_, _, err := f.key(Options{Key: first}, guard.Options{}).Generate(t.Context(), kc, nil)
	var coded interface{ ErrorCode() string }
	if !errors.As(err, &coded) || coded.ErrorCode() != "AccessDeniedException" {
		t.Errorf("got %v", err)
	}
	if !strings.Contains(err.Error(), "AccessDeniedException") || !strings.Contains(err.Error(), "request-7") {
		t.Errorf("got %v", err)
	}
}
