package awskms

import (
	"bytes"
	"errors"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/guard"
)

var kc = keys.Context{Name: "orders"}

func isClass(err error, class keys.Class) bool {
	var e *keys.Error
	return errors.As(err, &e) && e.Class == class
}

func TestRoundTrip(t *testing.T) {
	for _, key := range []string{
		first, multi, orders, "arn:aws:kms:eu-central-1:111122223333:alias/orders", strings.TrimPrefix(first[strings.Index(first, "key/"):], "key/"),
	} {
		t.Run(key, func(t *testing.T) {
			f := newFake(t)
			k := f.key(Options{Key: key}, guard.Options{})
			prefix := []byte("before")
			dek, w, err := k.Generate(t.Context(), kc, prefix)
			if err != nil || len(dek) != len(prefix)+32 || !bytes.HasPrefix(dek, prefix) {
				t.Fatalf("%d bytes, %v", len(dek), err)
			}
			dek = dek[len(prefix):]
			asked, _ := f.last()
			if asked.op != "GenerateDataKey" || asked.in.KeyId != key {
				t.Errorf("asked %+v", asked)
			}
			again, err := k.Wrap(t.Context(), kc, dek)
			if err != nil {
				t.Fatal(err)
			}
			if asked, _ := f.last(); asked.op != "Encrypt" || asked.in.KeyId != key {
				t.Errorf("asked %+v", asked)
			}
			want := first
			if key == multi {
				want = multi
			}
			reader := f.key(Options{Key: key}, guard.Options{}) // of another process
			for _, w := range []keys.Wrapped{w, again} {
				if w.Alg != keys.AlgAWSKMS || string(w.KID) != want || w.Ephemeral != nil {
					t.Errorf("alg %d, kid %s", w.Alg, w.KID)
				}
				got, err := reader.Unwrap(t.Context(), kc, prefix, &w)
				if err != nil || !bytes.Equal(got, append(bytes.Clone(prefix), dek...)) {
					t.Errorf("unwrapped %d bytes, %v", len(got), err)
				}
			}
			_, n := f.last()
			if n != 4 {
				t.Errorf("%d calls, want 4: none but those that are needed", n)
			}
		})
	}
}

// What is wrong with a wrapped key is no reason to give the KEK up.
func TestBadWraps(t *testing.T) {
	f := newFake(t)
	k, other := f.key(Options{Key: first}, guard.Options{}), f.key(Options{Key: second}, guard.Options{})
	_, w, err := k.Generate(t.Context(), kc, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, foreign, err := other.Generate(t.Context(), kc, nil)
	if err != nil {
		t.Fatal(err)
	}
	with := func(change func(*keys.Wrapped)) keys.Wrapped {
		c := w
		c.Ciphertext = bytes.Clone(w.Ciphertext)
		change(&c)
		return c
	}
	for name, tc := range map[string]struct {
		kc keys.Context
		w  keys.Wrapped
	}{
		"wrong context": {keys.Context{Name: "payments"}, w},
		"no context":    {keys.Context{}, w},
		"more context":  {keys.Context{Name: "orders", Pairs: map[string]string{"a": "b"}}, w},
		"flipped bit":   {kc, with(func(w *keys.Wrapped) { w.Ciphertext[len(w.Ciphertext)-1] ^= 1 })},
		"cut":           {kc, with(func(w *keys.Wrapped) { w.Ciphertext = w.Ciphertext[:5] })},
		"garbage":       {kc, with(func(w *keys.Wrapped) { w.Ciphertext = []byte("garbage") })},
		"swapped":       {kc, with(func(w *keys.Wrapped) { w.Ciphertext = foreign.Ciphertext })},
		"another's kid": {kc, foreign},
		"another alg":   {kc, with(func(w *keys.Wrapped) { w.Alg = keys.AlgA256KW })},
		"no ARN as kid": {kc, with(func(w *keys.Wrapped) { w.KID = []byte("alias/orders") })},
	} {
		if got, err := k.Unwrap(t.Context(), tc.kc, nil, &tc.w); !isClass(err, keys.BadWrap) || got != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, asked := range f.asked {
		if asked.op == "Decrypt" && asked.in.KeyId != first {
			t.Errorf("KMS was asked for %s", asked.in.KeyId)
		}
	}
	if k.State() != guard.Closed {
		t.Errorf("the breaker is %s", k.State())
	}
}

func TestFits(t *testing.T) {
	f := newFake(t)
	foreign := strings.Replace(first, "111122223333", "999999999999", 1)
	for _, tc := range []struct {
		key, region string
		fits, not   []string
	}{
		{first, "", []string{first}, []string{second, multi, abroad, foreign, orders, "", strings.Replace(first, here, there, 1)}},
		{multi, here, []string{multi, copied}, []string{first, strings.Replace(copied, "111122223333", "999999999999", 1)}},
		{multi, there, []string{multi, copied}, []string{first}},
		{material(first), here, []string{first, foreign}, []string{second, strings.Replace(first, here, there, 1)}},
		{material(multi), there, []string{multi, copied}, []string{first}},
		{orders, here, []string{first, second, foreign, multi, copied}, []string{abroad}},
		{"arn:aws:kms:eu-central-1:111122223333:alias/orders", "", []string{first, second, multi, copied}, []string{abroad, foreign}},
	} {
		k := f.key(Options{Key: tc.key, Region: tc.region}, guard.Options{})
		for _, kid := range tc.fits {
			if !k.Fits(&keys.Wrapped{Alg: keys.AlgAWSKMS, KID: []byte(kid)}) {
				t.Errorf("%s does not fit %s", kid, k.Name())
			}
		}
		for _, kid := range tc.not {
			if k.Fits(&keys.Wrapped{Alg: keys.AlgAWSKMS, KID: []byte(kid)}) {
				t.Errorf("%s fits %s", kid, k.Name())
			}
		}
	}
	if _, n := f.last(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// An alias that moves takes sealing to the new key, readers with it, and what
// was wrapped before stays readable where the old key was seen behind the
// alias, or is configured.
func TestAliasMoves(t *testing.T) {
	f := newFake(t)
	writer, reader := f.key(Options{Key: orders}, guard.Options{}), f.key(Options{Key: orders}, guard.Options{})
	generate := func() keys.Wrapped {
		t.Helper()
		_, w, err := writer.Generate(t.Context(), kc, nil)
		if err != nil {
			t.Fatal(err)
		}
		return w
	}
	unwrap := func(k *Key, w keys.Wrapped, want string) {
		t.Helper()
		if _, err := k.Unwrap(t.Context(), kc, nil, &w); err != nil {
			t.Errorf("%s: %v", w.KID, err)
		}
		if asked, _ := f.last(); asked.in.KeyId != want {
			t.Errorf("asked for %s, want %s", asked.in.KeyId, want)
		}
	}
	old := generate()
	unwrap(reader, old, orders)
	unwrap(reader, old, first) // it has learnt what is behind the alias
	f.set(func() { f.aliases[orders] = second })
	moved := generate()
	if string(moved.KID) != second {
		t.Fatalf("still under %s", moved.KID)
	}
	unwrap(reader, moved, orders)
	unwrap(reader, moved, second)
	unwrap(reader, old, first)
	unwrap(writer, old, first) // it never opened it, but sealed under it

	fresh := f.key(Options{Key: orders}, guard.Options{})
	unwrap(fresh, moved, orders)
	fresh.late = time.Now().Add(-lateFor) // see TestLateAlias
	if _, err := fresh.Unwrap(t.Context(), kc, nil, &old); !isClass(err, keys.BadWrap) {
		t.Errorf("a key that was never seen behind the alias: %v", err)
	}
	unwrap(f.key(Options{Key: first}, guard.Options{}), old, first)
	for _, kid := range []string{strings.Replace(second, "111122223333", "999999999999", 1), abroad} {
		if fresh.Fits(&keys.Wrapped{Alg: keys.AlgAWSKMS, KID: []byte(kid)}) {
			t.Errorf("%s fits, and the alias is of another account or region", kid)
		}
	}
}

func TestEncryptingFitsOnlyWhatIsWrappedForNow(t *testing.T) {
	f := newFake(t)
	fits := func(k *Key, arn string) bool {
		return Encrypting{k}.Fits(&keys.Wrapped{Alg: keys.AlgAWSKMS, KID: []byte(arn)})
	}
	k := f.key(Options{Key: orders}, guard.Options{})
	if fits(k, first) || fits(k, second) {
		t.Error("something fits an alias that was not asked for")
	}
	for _, target := range []string{first, second} {
		f.set(func() { f.aliases[orders] = target })
		if _, err := k.Wrap(t.Context(), kc, make([]byte, keys.DEKSize)); err != nil {
			t.Fatal(err)
		}
		if fits(k, first) != (target == first) || fits(k, second) != (target == second) {
			t.Errorf("with %s behind the alias: %v, %v", target, fits(k, first), fits(k, second))
		}
	}
	if (Encrypting{k}).Fits(&keys.Wrapped{Alg: keys.AlgA256KW, KID: []byte(second)}) {
		t.Error("another kind fits")
	}
	exact := f.key(Options{Key: first}, guard.Options{})
	if !fits(exact, first) || fits(exact, second) {
		t.Error("a key by ARN fits itself only")
	}
}

// What KMS does not see behind an alias may be there a moment later. It is
// waited for, but not as often as a forger likes.
func TestLateAlias(t *testing.T) {
	f := newFake(t)
	f.aliases[orders] = second
	_, w, err := f.key(Options{Key: orders}, guard.Options{}).Generate(t.Context(), kc, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.set(func() { f.aliases[orders] = first }) // as the machine sees it that answers the reader
	reader := f.key(Options{Key: orders}, guard.Options{})
	try := func(want keys.Class) {
		t.Helper()
		if _, err := reader.Unwrap(t.Context(), kc, nil, &w); !isClass(err, want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
	for range 7 {
		try(keys.Away)
	}
	if reader.State() != guard.Closed {
		t.Errorf("answers have made the breaker %s", reader.State())
	}
	reader.late = reader.late.Add(-lateFor)
	try(keys.BadWrap)
	reader.late = reader.late.Add(-lateEvery)
	try(keys.Away)
	f.set(func() { f.aliases[orders] = second })
	if _, err := reader.Unwrap(t.Context(), kc, nil, &w); err != nil {
		t.Error(err)
	}
	exact := f.key(Options{Key: second}, guard.Options{})
	_, forged, err := f.key(Options{Key: first}, guard.Options{}).Generate(t.Context(), kc, nil)
	if err != nil {
		t.Fatal(err)
	}
	forged.KID = []byte(second)
	if _, err := exact.Unwrap(t.Context(), kc, nil, &forged); !isClass(err, keys.BadWrap) {
		t.Errorf("a key that is given by ARN is never late: %v", err)
	}
}

// An envelope whose kid names one key while its wrapped key is of another tells
// nothing about the alias.
func TestAliasLearnsOnlyFromKMS(t *testing.T) {
	f := newFake(t)
	_, w, err := f.key(Options{Key: first}, guard.Options{}).Generate(t.Context(), kc, nil)
	if err != nil {
		t.Fatal(err)
	}
	reader := f.key(Options{Key: orders}, guard.Options{})
	w.KID = []byte(second) // the alias leads to first, and so does the ciphertext
	if _, err := reader.Unwrap(t.Context(), kc, nil, &w); !isClass(err, keys.BadWrap) {
		t.Errorf("got %v", err)
	}
	if len(reader.behind) != 0 {
		t.Errorf("learnt %v", reader.behind)
	}
}

func TestMultiRegion(t *testing.T) {
	f := newFake(t)
	writer := f.key(Options{Key: multi, Region: here}, guard.Options{})
	_, w, err := writer.Generate(t.Context(), kc, nil)
	if err != nil {
		t.Fatal(err)
	}
	f.aliases[orders] = copied
	for _, o := range []Options{{Key: multi}, {Key: copied}, {Key: material(multi)}, {Key: orders}} {
		o.Region = there
		reader := f.key(o, guard.Options{})
		for range 2 {
			if _, err := reader.Unwrap(t.Context(), kc, nil, &w); err != nil {
				t.Errorf("%s: %v", o.Key, err)
			}
			asked, _ := f.last()
			if !strings.Contains(asked.caller, "/us-east-1/") || strings.Contains(asked.in.KeyId, here) {
				t.Errorf("%s: asked for %s by %s", o.Key, asked.in.KeyId, asked.caller)
			}
		}
	}
}

func TestRewrap(t *testing.T) {
	f := newFake(t)
	pairs := map[string]string{"team": "pay"}
	old, key := f.key(Options{Key: first, Pairs: pairs}, guard.Options{}), f.key(Options{Key: second}, guard.Options{})
	dek, w, err := old.Generate(t.Context(), kc, nil)
	if err != nil {
		t.Fatal(err)
	}
	_, before := f.last()
	moved, err := key.Rewrap(t.Context(), kc, old, &w)
	asked, n := f.last()
	if err != nil || string(moved.KID) != second || moved.Alg != keys.AlgAWSKMS || n != before+1 {
		t.Fatalf("kid %s, %d calls, %v", moved.KID, n-before, err)
	}
	in := asked.in
	if asked.op != "ReEncrypt" || in.SourceKeyId != first || in.DestinationKeyId != second ||
		in.SourceEncryptionContext["team"] != "pay" || in.DestinationEncryptionContext["team"] != "" ||
		in.SourceEncryptionContext["streamcrypt:context"] != "orders" || in.DestinationEncryptionContext["streamcrypt:context"] != "orders" {
		t.Errorf("asked %+v", asked)
	}
	if got, err := key.Unwrap(t.Context(), kc, nil, &moved); err != nil || !bytes.Equal(got, dek) {
		t.Errorf("another key comes out, or %v", err)
	}
	for name, try := range map[string]func() error{
		"wrong context": func() error { _, err := key.Rewrap(t.Context(), keys.Context{}, old, &w); return err },
		"not the old":   func() error { _, err := key.Rewrap(t.Context(), kc, old, &moved); return err },
		"forged kid": func() error {
			forged := moved
			forged.KID = w.KID
			_, err := key.Rewrap(t.Context(), kc, old, &forged)
			return err
		},
	} {
		if err := try(); !isClass(err, keys.BadWrap) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCanRewrap(t *testing.T) {
	f := newFake(t)
	profile := func(o Options, profile string) *Key {
		k := f.key(o, guard.Options{})
		k.caller.profile = profile
		return k
	}
	for name, tc := range map[string]struct {
		old, key *Key
		want     bool
	}{
		"ARNs":                    {f.key(Options{Key: first}, guard.Options{}), f.key(Options{Key: second}, guard.Options{}), true},
		"ARN, another caller":     {profile(Options{Key: first}, "a"), profile(Options{Key: second}, "b"), true},
		"alias":                   {f.key(Options{Key: orders}, guard.Options{}), f.key(Options{Key: second}, guard.Options{}), true},
		"alias, another caller":   {profile(Options{Key: orders}, "a"), profile(Options{Key: second}, "b"), false},
		"another region":          {f.key(Options{Key: abroad}, guard.Options{}), f.key(Options{Key: second}, guard.Options{}), false},
		"replica in one's region": {f.key(Options{Key: copied, Region: here}, guard.Options{}), f.key(Options{Key: second}, guard.Options{}), true},
		"another endpoint":        {newFake(t).key(Options{Key: first}, guard.Options{}), f.key(Options{Key: second}, guard.Options{}), false},
	} {
		if got := tc.key.CanRewrap(tc.old); got != tc.want {
			t.Errorf("%s: %v", name, got)
		}
		if _, err := tc.key.Rewrap(t.Context(), kc, tc.old, &keys.Wrapped{}); err == nil {
			t.Errorf("%s: rewrapped nothing", name)
		}
	}
	if _, err := f.key(Options{Key: first}, guard.Options{}).Rewrap(t.Context(), kc, nil, &keys.Wrapped{}); !errors.Is(err, errCannotRewrap) {
		t.Errorf("from nothing: %v", err)
	}
	if _, n := f.last(); n != 0 {
		t.Errorf("%d calls", n)
	}
}

// TestRequestIDs: the calls of a key are told by the ids that CloudTrail has,
// those that KMS refuses too.
func TestRequestIDs(t *testing.T) {
	f := newFake(t)
	k := f.key(Options{Key: first}, guard.Options{})
	f.set(func() {
		f.fault = func(w http.ResponseWriter, op string, _ []byte) bool {
			w.Header().Set("X-Amzn-RequestId", "id-of-"+op)
			return false
		}
	})
	ctx, requests := keys.CollectRequests(t.Context())
	_, w, err := k.Generate(ctx, keys.Context{}, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := k.Unwrap(ctx, keys.Context{Name: "another"}, nil, &w); err == nil {
		t.Error("unwrapped in another context")
	}
	if got, want := requests.IDs(), []string{"id-of-GenerateDataKey", "id-of-Decrypt"}; !slices.Equal(got, want) {
		t.Errorf("%q", got)
	}
}
