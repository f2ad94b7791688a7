package awskms

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/guard"
)

// operations are all that can fail. Each asks KMS once.
func operations(k *Key, dek []byte, w *keys.Wrapped) map[string]func(context.Context) error {
	return map[string]func(context.Context) error{
		"generate": func(ctx context.Context) error { _, _, err := k.Generate(ctx, kc, nil); return err },
		"wrap":     func(ctx context.Context) error { _, err := k.Wrap(ctx, kc, dek); return err },
		"unwrap":   func(ctx context.Context) error { _, err := k.Unwrap(ctx, kc, nil, w); return err },
		"rewrap":   func(ctx context.Context) error { _, err := k.Rewrap(ctx, kc, k, w); return err },
	}
}

func answerWith(status int, code string) func(http.ResponseWriter, string, []byte) bool {
	return func(w http.ResponseWriter, _ string, body []byte) bool {
		w.Header().Set("X-Amzn-Requestid", "request-7")
		refuse(w, status, code, "it repeats what it got: "+string(body))
		return true
	}
}

func bare(status int) func(http.ResponseWriter, string, []byte) bool {
	return func(w http.ResponseWriter, _ string, body []byte) bool {
		w.WriteHeader(status)
		fmt.Fprintf(w, "<html>%s</html>", body)
		return true
	}
}

func TestFaults(t *testing.T) {
	hung := func(w http.ResponseWriter, _ string, _ []byte) bool {
		time.Sleep(3 * time.Second) // the client waits for 2
		return true
	}
	slow := func(http.ResponseWriter, string, []byte) bool {
		time.Sleep(20 * time.Millisecond)
		return false
	}
	cut := func(w http.ResponseWriter, _ string, _ []byte) bool {
		w.Header().Set("Content-Length", "1000")
		_, _ = w.Write([]byte(`{"KeyId":"`))
		return true
	}
	closed := func(w http.ResponseWriter, _ string, _ []byte) bool {
		conn, _, err := w.(http.Hijacker).Hijack()
		if err == nil {
			conn.Close()
		}
		return true
	}
	type fault = func(http.ResponseWriter, string, []byte) bool
	for name, tc := range map[string]struct {
		fault fault
		want  keys.Class
		says  string
	}{
		"slow but fine":   {slow, -1, ""},
		"hung":            {hung, keys.Away, "no answer in time"},
		"answer cut":      {cut, keys.Away, ""},
		"no answer":       {closed, keys.Away, ""},
		"bare 503":        {bare(503), keys.Away, "503"},
		"bare 502":        {bare(502), keys.Away, "502"},
		"bare 429":        {bare(429), keys.Away, "429"},
		"bare 403":        {bare(403), keys.Gone, "403"},
		"bare 404":        {bare(404), keys.Gone, "404"},
		"not KMS":         {bare(200), keys.Away, "not an answer of KMS"},
		"unknown 500":     {answerWith(500, "Oops"), keys.Away, "500"},
		"unknown 400":     {answerWith(400, "Oops"), keys.Gone, "400"},
		"wrong signature": {answerWith(400, "InvalidSignatureException"), keys.Gone, ""},
		"validation":      {answerWith(400, "ValidationException"), keys.Gone, "ValidationException"},
		"throttled":       {answerWith(400, "ThrottlingException"), keys.Away, ""},
		"limit":           {answerWith(400, "LimitExceededException"), keys.Away, ""},
		"request limit":   {answerWith(400, "RequestLimitExceeded"), keys.Away, ""},
		"internal":        {answerWith(500, "KMSInternalException"), keys.Away, ""},
		"dependency":      {answerWith(500, "DependencyTimeoutException"), keys.Away, ""},
		"key unavailable": {answerWith(500, "KeyUnavailableException"), keys.Away, ""},
		"disabled":        {answerWith(400, "DisabledException"), keys.Gone, ""},
		"pending":         {answerWith(400, "KMSInvalidStateException"), keys.Gone, ""},
		"denied":          {answerWith(400, "AccessDeniedException"), keys.Gone, ""},
		"no such key":     {answerWith(400, "NotFoundException"), keys.Gone, ""},
		"wrong key kind":  {answerWith(400, "InvalidKeyUsageException"), keys.Gone, ""},
		"expired token":   {answerWith(400, "ExpiredTokenException"), keys.Gone, ""}, // never used before: see TestUnknownLater
		"unknown client":  {answerWith(400, "UnrecognizedClientException"), keys.Gone, ""},
		"bad ciphertext":  {answerWith(400, "InvalidCiphertextException"), keys.BadWrap, ""},
		"incorrect key":   {answerWith(400, "IncorrectKeyException"), keys.BadWrap, ""},
		"prefixed code":   {answerWith(400, "com.amazonaws.kms#ThrottlingException"), keys.Away, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFake(t)
			k := f.key(Options{Key: first}, guard.Options{})
			dek, w, err := k.Generate(t.Context(), kc, nil)
			if err != nil {
				t.Fatal(err)
			}
			f.set(func() { f.fault = tc.fault })
			timeout := time.Minute
			if name == "hung" {
				timeout = 2 * time.Second // its call must have begun by then
			}
			for op := range operations(k, dek, &w) {
				k := f.key(Options{Key: first}, guard.Options{Timeout: timeout}) // never used
				_, before := f.last()
				err := operations(k, dek, &w)[op](t.Context())
				if _, n := f.last(); n != before+1 {
					t.Errorf("%s: %d calls, want 1: kekcache tries again, not the SDK", op, n-before)
				}
				if tc.want < 0 {
					if err != nil {
						t.Errorf("%s: %v", op, err)
					}
					continue
				}
				check(t, err, op, tc.want, dek, &w)
				if err != nil && !strings.Contains(err.Error(), tc.says) {
					t.Errorf("%s: %q is not in %v", op, tc.says, err)
				}
			}
		})
	}
}

// check looks at class and text of an error, which must name the key and show
// nothing of one.
func check(t *testing.T, err error, op string, want keys.Class, dek []byte, w *keys.Wrapped) {
	t.Helper()
	var e *keys.Error
	if !errors.As(err, &e) || e.Class != want || e.Op != op || e.Key != "awskms:"+first {
		t.Errorf("%s: got %#v, want %s", op, err, want)
		return
	}
	for _, secret := range [][]byte{dek, w.Ciphertext} {
		for _, text := range []string{string(secret), base64.StdEncoding.EncodeToString(secret), fmt.Sprintf("%x", secret)} {
			if strings.Contains(err.Error(), text[len(text)-24:]) {
				t.Errorf("%s: it shows a key: %v", op, err)
			}
		}
	}
	if len(err.Error()) > 1000 || strings.ContainsRune(err.Error(), '\n') {
		t.Errorf("%s: %v", op, err)
	}
}

func TestNotReached(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	defer server.Close()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	listener.Close()
	for name, tc := range map[string]struct {
		endpoint string
		want     keys.Class
		says     string
	}{
		"refused":           {"http://" + listener.Addr().String(), keys.Away, "refused"},
		"no such host":      {"https://kms.invalid", keys.Away, "kms.invalid"},
		"wrong certificate": {server.URL, keys.Gone, "certificate"},
	} {
		k, err := newKey(t.Context(), Options{Key: first, Endpoint: tc.endpoint}, guard.Options{})
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = k.Generate(t.Context(), kc, nil)
		if !isClass(err, tc.want) || !strings.Contains(err.Error(), tc.says) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A key that was used and is then not found is away at first: services that are
// spread over machines are late.
func TestUnknownLater(t *testing.T) {
	for _, code := range []string{"NotFoundException", "ExpiredTokenException", "UnrecognizedClientException"} {
		f := newFake(t)
		k := f.key(Options{Key: first}, guard.Options{})
		_, w, err := k.Generate(t.Context(), kc, nil)
		if err != nil {
			t.Fatal(err)
		}
		f.set(func() { f.fault = answerWith(400, code) })
		if _, err := k.Unwrap(t.Context(), kc, nil, &w); !isClass(err, keys.Away) {
			t.Errorf("%s: %v", code, err)
		}
		f.set(func() { f.fault = nil })
		if _, err := k.Unwrap(t.Context(), kc, nil, &w); err != nil {
			t.Errorf("%s: %v", code, err)
		}
	}
}

// The SDK learns the time from a refusal, so the call after it is right.
func TestClockSkew(t *testing.T) {
	f := newFake(t)
	k := f.key(Options{Key: first}, guard.Options{})
	ahead := 20 * time.Minute
	var signed []time.Time
	f.fault = func(w http.ResponseWriter, _ string, _ []byte) bool {
		w.Header().Set("Date", time.Now().Add(ahead).UTC().Format(http.TimeFormat))
		if len(signed) == 0 {
			signed = append(signed, time.Now())
			refuse(w, 400, "InvalidSignatureException", "Signature expired")
			return true
		}
		return false
	}
	if _, _, err := k.Generate(t.Context(), kc, nil); !isClass(err, keys.Away) {
		t.Errorf("got %v", err)
	}
	if _, _, err := k.Generate(t.Context(), kc, nil); err != nil {
		t.Error(err)
	}
	asked, _ := f.last()
	date, err := time.Parse("20060102T150405Z", asked.date)
	if off := time.Until(date) - ahead; err != nil || off < -5*time.Minute || off > 5*time.Minute {
		t.Errorf("signed at %s, %v", asked.date, err)
	}
}

// A call that its caller gives up says so and is no fault of the service.
func TestGivenUp(t *testing.T) {
	f := newFake(t)
	k := f.key(Options{Key: first}, guard.Options{})
	ctx, cancel := context.WithCancel(t.Context())
	f.fault = func(http.ResponseWriter, string, []byte) bool {
		cancel()
		time.Sleep(50 * time.Millisecond)
		return true
	}
	for range 10 {
		if _, _, err := k.Generate(ctx, kc, nil); !isClass(err, keys.Away) || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
	}
	if k.State() != guard.Closed {
		t.Errorf("the breaker is %s", k.State())
	}
}

func TestOutage(t *testing.T) {
	f := newFake(t)
	k := f.key(Options{Key: first}, guard.Options{})
	f.fault = bare(503)
	for range 10 {
		if _, _, err := k.Generate(t.Context(), kc, nil); !isClass(err, keys.Away) {
			t.Errorf("got %v", err)
		}
	}
	if _, n := f.last(); n != 5 || k.State() != guard.Open {
		t.Errorf("%d calls, the breaker is %s", n, k.State())
	}
}
