package testcontainers

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/awskms"
)

var kc = keys.Context{Name: "orders", Pairs: map[string]string{"team": "pay"}}

// account is an emulator with keys in it.
type account struct {
	*testing.T
	*emulator
	ctx   context.Context //nolint:containedctx // as long as the test
	admin *kms.Client
}

func newAccount(t *testing.T, e *emulator) *account {
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	t.Cleanup(cancel)
	return &account{t, e, ctx, e.admin()}
}

func (a *account) create(spec types.KeySpec, usage types.KeyUsageType) (arn string) {
	a.Helper()
	out, err := a.admin.CreateKey(a.ctx, &kms.CreateKeyInput{KeySpec: spec, KeyUsage: usage})
	if err != nil {
		a.Fatal(err)
	}
	return *out.KeyMetadata.Arn
}

func (a *account) symmetric() string {
	return a.create(types.KeySpecSymmetricDefault, types.KeyUsageTypeEncryptDecrypt)
}

func (a *account) alias(name, arn string) {
	a.Helper()
	if _, err := a.admin.CreateAlias(a.ctx, &kms.CreateAliasInput{AliasName: aws.String(name), TargetKeyId: aws.String(id(arn))}); err != nil {
		a.Fatal(err)
	}
}

func id(arn string) string { return arn[strings.LastIndex(arn, "/")+1:] }

func (a *account) key(o awskms.Options) *awskms.Key {
	a.Helper()
	o.Region, o.Endpoint = a.region, a.endpoint
	k, err := awskms.New(a.ctx, o)
	if err != nil {
		a.Fatal(err)
	}
	return k
}

// patient calls do again while the service is away, as kekcache does: an
// emulator may hang up on a connection that is kept.
func patient(do func() error) (err error) {
	for range 100 {
		var e *keys.Error
		if err = do(); !errors.As(err, &e) || e.Class != keys.Away {
			break
		}
	}
	return err
}

func (a *account) generate(k *awskms.Key) (dek []byte, w keys.Wrapped) {
	a.Helper()
	err := patient(func() (err error) {
		dek, w, err = k.Generate(a.ctx, kc, nil)
		return err
	})
	if err != nil {
		a.Fatal(err)
	}
	return dek, w
}

func (a *account) unwrap(k *awskms.Key, kc keys.Context, w keys.Wrapped) (dek []byte, err error) {
	err = patient(func() (err error) {
		dek, err = k.Unwrap(a.ctx, kc, nil, &w)
		return err
	})
	return dek, err
}

func (a *account) opens(k *awskms.Key, w keys.Wrapped, dek []byte) {
	a.Helper()
	if got, err := a.unwrap(k, kc, w); err != nil || !bytes.Equal(got, dek) {
		a.Errorf("%d bytes, not the key; %v", len(got), err)
	}
}

func (a *account) refuses(what string, k *awskms.Key, kc keys.Context, w keys.Wrapped, want ...keys.Class) {
	a.Helper()
	_, err := a.unwrap(k, kc, w)
	var e *keys.Error
	if errors.As(err, &e) {
		for _, class := range want {
			if e.Class == class {
				return
			}
		}
	}
	a.Errorf("%s: got %v, want %v", what, err, want)
}

func TestKMS(t *testing.T) {
	emulators(t, func(t *testing.T, e *emulator) {
		for name, test := range map[string]func(*account){
			"round trip": kmsRoundTrip, "bad wraps": kmsBadWraps, "alias moves": kmsAliasMoves, "rewrap": kmsRewrap,
			"rotation": kmsRotation, "unusable keys": kmsUnusable, "command": kmsCommand,
		} {
			t.Run(name, func(t *testing.T) { test(newAccount(t, e)) })
		}
	})
}

func kmsRoundTrip(a *account) {
	arn := a.symmetric()
	a.alias("alias/trip", arn)
	for _, given := range []string{arn, id(arn), "alias/trip"} {
		k := a.key(awskms.Options{Key: given})
		dek, w := a.generate(k)
		if string(w.KID) != arn || len(dek) != keys.DEKSize {
			a.Errorf("%s: kid %s, %d bytes", given, w.KID, len(dek))
		}
		var again keys.Wrapped
		err := patient(func() (err error) {
			again, err = k.Wrap(a.ctx, kc, dek)
			return err
		})
		if err != nil {
			a.Fatal(err)
		}
		for _, w := range []keys.Wrapped{w, again} {
			a.opens(k, w, dek)
			a.opens(a.key(awskms.Options{Key: arn}), w, dek)
			a.opens(a.key(awskms.Options{Key: "alias/trip"}), w, dek)
		}
	}
}

func kmsBadWraps(a *account) {
	one, two := a.key(awskms.Options{Key: a.symmetric()}), a.key(awskms.Options{Key: a.symmetric()})
	_, w := a.generate(one)
	_, foreign := a.generate(two)
	a.refuses("wrong context", one, keys.Context{Name: "payments", Pairs: kc.Pairs}, w, keys.BadWrap)
	a.refuses("no context", one, keys.Context{}, w, keys.BadWrap)
	a.refuses("a pair less", one, keys.Context{Name: "orders"}, w, keys.BadWrap)
	a.refuses("another's", one, kc, foreign, keys.BadWrap)
	for _, bit := range []int{len(w.Ciphertext)*8 - 1, len(w.Ciphertext) * 6} {
		flipped := w
		flipped.Ciphertext = bytes.Clone(w.Ciphertext)
		flipped.Ciphertext[bit/8] ^= 1 << (bit % 8)
		a.refuses(fmt.Sprintf("bit %d flipped", bit), one, kc, flipped, keys.BadWrap)
	}
	swapped := w
	swapped.Ciphertext = foreign.Ciphertext
	want := keys.BadWrap
	if a.otherKeyIsDenied {
		want = keys.Gone
	}
	a.refuses("swapped", one, kc, swapped, want)
}

func kmsAliasMoves(a *account) {
	before, after := a.symmetric(), a.symmetric()
	a.alias("alias/moves", before)
	writer, reader := a.key(awskms.Options{Key: "alias/moves"}), a.key(awskms.Options{Key: "alias/moves"})
	oldDEK, old := a.generate(writer)
	a.opens(reader, old, oldDEK)
	if _, err := a.admin.UpdateAlias(a.ctx, &kms.UpdateAliasInput{AliasName: aws.String("alias/moves"), TargetKeyId: aws.String(id(after))}); err != nil {
		a.Fatal(err)
	}
	newDEK, moved := a.generate(writer)
	if string(old.KID) != before || string(moved.KID) != after {
		a.Errorf("kids %s, %s", old.KID, moved.KID)
	}
	for _, k := range []*awskms.Key{writer, reader} {
		a.opens(k, moved, newDEK)
		a.opens(k, old, oldDEK)
	}
	a.opens(a.key(awskms.Options{Key: before}), old, oldDEK)
}

func kmsRewrap(a *account) {
	old, key := a.key(awskms.Options{Key: a.symmetric(), Pairs: map[string]string{"old": "1"}}), a.key(awskms.Options{Key: a.symmetric()})
	dek, w := a.generate(old)
	var moved keys.Wrapped
	err := patient(func() (err error) {
		moved, err = key.Rewrap(a.ctx, kc, old, &w)
		return err
	})
	if err != nil {
		a.Fatal(err)
	}
	a.opens(key, moved, dek)
	a.opens(old, w, dek)
	if _, err := key.Rewrap(a.ctx, keys.Context{}, old, &w); err == nil {
		a.Error("rewrapped in another context")
	}
}

// A key whose material KMS rotates keeps its ARN, and opens what the old
// material wrapped.
func kmsRotation(a *account) {
	if a.noRotation {
		a.Skip("SKIPPED, NOT RUN: " + a.name + " does not rotate")
	}
	arn := a.symmetric()
	k := a.key(awskms.Options{Key: arn})
	oldDEK, old := a.generate(k)
	if _, err := a.admin.RotateKeyOnDemand(a.ctx, &kms.RotateKeyOnDemandInput{KeyId: aws.String(id(arn))}); err != nil {
		a.Fatal(err)
	}
	newDEK, rotated := a.generate(k)
	if string(rotated.KID) != arn {
		a.Errorf("kid %s", rotated.KID)
	}
	a.opens(k, old, oldDEK)
	a.opens(k, rotated, newDEK)
}

func kmsUnusable(a *account) {
	generate := func(key string) error {
		return patient(func() error { // each with a circuit breaker of its own
			_, _, err := a.key(awskms.Options{Key: key}).Generate(a.ctx, kc, nil)
			return err
		})
	}
	isGone := func(what string, err error) {
		a.Helper()
		var e *keys.Error
		if !errors.As(err, &e) || e.Class != keys.Gone {
			a.Errorf("%s: got %v", what, err)
		}
	}
	isGone("no such alias", generate("alias/none"))
	isGone("no such key", generate(strings.Replace(a.symmetric(), "/", "/0", 1)))
	if a.ignoresStates {
		a.Log("NOT TESTED: " + a.name + " lets disabled keys, keys to be deleted and asymmetric keys work")
		return
	}
	if generate(a.create(types.KeySpecRsa2048, types.KeyUsageTypeEncryptDecrypt)) == nil { // local-kms fails with an error of its own
		a.Error("an RSA key makes data keys")
	}
	for state, change := range map[string]func(*string) error{
		"disabled": func(key *string) error {
			_, err := a.admin.DisableKey(a.ctx, &kms.DisableKeyInput{KeyId: key})
			return err
		},
		"to be deleted": func(key *string) error {
			_, err := a.admin.ScheduleKeyDeletion(a.ctx, &kms.ScheduleKeyDeletionInput{KeyId: key, PendingWindowInDays: aws.Int32(7)})
			return err
		},
	} {
		arn := a.symmetric()
		k := a.key(awskms.Options{Key: arn})
		_, w := a.generate(k)
		if err := change(aws.String(id(arn))); err != nil {
			a.Fatal(err)
		}
		isGone(state, generate(arn))
		a.refuses(state, k, kc, w, keys.Gone)
	}
}

// kmsCommand has the built command encrypt and decrypt files, as a user would.
func kmsCommand(a *account) {
	arn, other := a.symmetric(), a.symmetric()
	a.alias("alias/command", arn)
	dir := a.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	url := func(key, more string) string {
		return fmt.Sprintf("awskms:%s?region=%s&endpoint=%s%s", key, a.region, a.endpoint, more)
	}
	var lines bytes.Buffer
	for i := range 2000 {
		fmt.Fprintf(&lines, `{"key":"k%d","value":"plain %d","time":"2026-01-01T00:00:00Z"}`+"\n", i%10, i)
	}
	if err := os.WriteFile(file("in.ndjson"), lines.Bytes(), 0o600); err != nil {
		a.Fatal(err)
	}
	streamcrypt(a.ctx, a.T, "encrypt", "--key", url("alias/command", "&pair=team:pay"), "--key", url(other, ""), "--window-messages", "300",
		"--from", "file:"+file("in.ndjson"), "--to", "file:"+file("sealed.scx"), "--context", "orders")
	if sealed := readFile(a.T, file("sealed.scx")); bytes.Contains(sealed, []byte("plain 1")) || !bytes.Contains(sealed, []byte(arn)) {
		a.Error("the file holds plaintext, or not the key's ARN")
	}
	for i, key := range []string{url("alias/command", "&pair=team:pay"), url(arn, "&pair=team:pay"), url(other, "")} {
		out := file(fmt.Sprintf("out%d.ndjson", i))
		streamcrypt(a.ctx, a.T, "decrypt", "--key", key, "--from", "file:"+file("sealed.scx"), "--to", "file:"+out, "--context", "orders")
		if !bytes.Equal(readFile(a.T, out), lines.Bytes()) {
			a.Errorf("%s: other records come out", key)
		}
	}
	refused := exitOf(a.ctx, a.T, "decrypt", "--key", url(arn, ""), "--from", "file:"+file("sealed.scx"), "--to", "file:"+file("none.ndjson"), "--context", "orders")
	if refused.code != 1 || !strings.Contains(refused.stderr, "unknown-key") {
		a.Errorf("without the pair: exit %d\n%s", refused.code, refused.stderr)
	}
	refused = exitOf(a.ctx, a.T, "encrypt", "--key", url("alias/none", ""), "--from", "file:"+file("in.ndjson"), "--to", "file:"+file("none.scx"))
	if refused.code == 0 || !strings.Contains(refused.stderr, "awskms:alias/none") || !strings.Contains(refused.stderr, "NotFoundException") {
		a.Errorf("an alias that does not exist: exit %d\n%s", refused.code, refused.stderr)
	}
}
