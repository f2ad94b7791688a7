package kafka

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"io"
	"log"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
)

func writeFile(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "secret")
	must(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

// startService starts a token service that answers in a way of its own.
func startService(t *testing.T, answer http.HandlerFunc) (url, ca string) {
	t.Helper()
	s := httptest.NewTLSServer(answer)
	t.Cleanup(s.Close)
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	return s.URL + "/token", writeFile(t, string(pem.EncodeToMemory(
		&pem.Block{Type: "CERTIFICATE", Bytes: s.Certificate().Raw})))
}

// TestTokenService: the client's secret is read and sent for each token, and a
// token is given out until four fifths of its life are over.
func TestTokenService(t *testing.T) {
	var bodies []string
	secret := writeFile(t, "s3cret\n")
	life := 0
	address, ca := startService(t, func(w http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		user, password, _ := r.BasicAuth()
		bodies = append(bodies, string(b)+" "+user+":"+password)
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{
			"access_token": "t" + string(rune('0'+len(bodies))), "token_type": "bearer", "expires_in": life,
		})
	})
	params := tokenParams{url: address, ca: ca, clientID: "app", secretFile: secret, scope: "a b", audience: "kafka"}
	must(t, params.check())
	token, err := params.open(slog.New(slog.DiscardHandler))
	must(t, err)
	for _, step := range []struct {
		life  int
		want  string
		calls int
	}{{3600, "t1", 1}, {3600, "t1", 1}} {
		life = step.life
		got, err := token(t.Context())
		if err != nil || got != step.want || len(bodies) != step.calls {
			t.Fatalf("got %q, %v after %q", got, err, bodies)
		}
	}
	form, err := url.ParseQuery(strings.Fields(bodies[0])[0])
	must(t, err)
	if form.Get("grant_type") != "client_credentials" || form.Get("scope") != "a b" || form.Get("audience") != "kafka" ||
		!strings.HasSuffix(bodies[0], " app:s3cret") {
		t.Errorf("sent %q", bodies[0])
	}
	must(t, os.WriteFile(secret, []byte("other"), 0o600))
	token, err = params.open(slog.New(slog.DiscardHandler)) // another service object, without a token
	must(t, err)
	life = 0 // without an end: asked for each time
	for range 2 {
		_, err = token(t.Context())
		must(t, err)
	}
	if len(bodies) != 3 || !strings.HasSuffix(bodies[2], "app:other") {
		t.Errorf("sent %q", bodies)
	}
}

// TestTokenServiceErrors: a service that is away is asked again, one that
// refuses is not, and neither the secret nor the service's text is repeated.
func TestTokenServiceErrors(t *testing.T) {
	answer := func(status int, body string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}
	}
	for name, tc := range map[string]struct {
		answer http.HandlerFunc
		away   bool
		says   string
	}{
		"refused":  {answer(401, `{"error":"invalid_client","error_description":"s3cret"}`), false, `401 "invalid_client"`},
		"down":     {answer(503, "s3cret"), true, "503"},
		"busy":     {answer(429, "s3cret"), true, "429"},
		"moved":    {answer(302, "s3cret"), false, "302"},
		"no token": {answer(200, `{}`), false, "without a token"},
		"closes":   {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, true, "token service"},
	} {
		t.Run(name, func(t *testing.T) {
			address, ca := startService(t, tc.answer)
			params := tokenParams{url: address, ca: ca, clientID: "app", secretFile: writeFile(t, "s3cret")}
			token, err := params.open(slog.New(slog.DiscardHandler))
			must(t, err)
			_, err = token(t.Context())
			if err == nil || !strings.Contains(err.Error(), tc.says) || strings.Contains(err.Error(), "s3cret") {
				t.Fatalf("got %v", err)
			}
			if _, away := errors.AsType[*dial.AwayError](err); away != tc.away {
				t.Errorf("away is %t: %v", away, err)
			}
		})
	}
	address, _ := startService(t, answer(200, `{}`))
	params := tokenParams{url: address, clientID: "app", secretFile: writeFile(t, "s3cret")}
	token, err := params.open(slog.New(slog.DiscardHandler))
	must(t, err)
	_, err = token(t.Context())
	if _, away := errors.AsType[*dial.AwayError](err); err == nil || away {
		t.Errorf("an unknown certificate: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := token(ctx); err == nil {
		t.Error("a wait that the context does not end")
	}
}

// TestSignedToken recomputes the signature of a token by the rules of AWS
// (Signature Version 4, in the query): no broker of Amazon was seen.
func TestSignedToken(t *testing.T) {
	const id, secret = "AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
	t.Setenv("AWS_ACCESS_KEY_ID", id)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	t.Setenv("AWS_SESSION_TOKEN", "session/+=")
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(t.TempDir(), "none"))
	t.Setenv("AWS_SHARED_CREDENTIALS_FILE", filepath.Join(t.TempDir(), "none"))
	source, err := awsParams{region: "eu-west-1"}.open(t.Context())
	must(t, err)
	token, err := source(t.Context())
	must(t, err)
	text, err := base64.RawURLEncoding.DecodeString(token)
	must(t, err)
	u, err := url.Parse(string(text))
	must(t, err)
	q := u.Query()
	if u.Scheme != "https" || u.Host != "kafka.eu-west-1.amazonaws.com" || u.Path != "/" ||
		q.Get("Action") != "kafka-cluster:Connect" || q.Get("X-Amz-Security-Token") != "session/+=" ||
		q.Get("X-Amz-Expires") != "900" || q.Get("X-Amz-SignedHeaders") != "host" {
		t.Fatalf("signed is %s", u)
	}
	signed, at := q.Get("X-Amz-Signature"), q.Get("X-Amz-Date")
	if made, err := time.Parse("20060102T150405Z", at); err != nil || time.Since(made).Abs() > time.Minute {
		t.Errorf("made at %s: %v", at, err)
	}
	scope := at[:8] + "/eu-west-1/kafka-cluster/aws4_request"
	if got := q.Get("X-Amz-Credential"); got != id+"/"+scope {
		t.Errorf("credential %s", got)
	}
	q.Del("X-Amz-Signature")
	q.Del("User-Agent") // it is added behind the signature
	empty := sha256.Sum256(nil)
	query := strings.ReplaceAll(q.Encode(), "+", "%20")
	canonical := "GET\n/\n" + query + "\nhost:" + u.Host + "\n\nhost\n" + hex.EncodeToString(empty[:])
	sum := sha256.Sum256([]byte(canonical))
	toSign := "AWS4-HMAC-SHA256\n" + at + "\n" + scope + "\n" + hex.EncodeToString(sum[:])
	key := []byte("AWS4" + secret)
	for _, part := range strings.Split(scope, "/") {
		key = sign(key, part)
	}
	if want := hex.EncodeToString(sign(key, toSign)); signed != want {
		t.Errorf("signature %s, want %s", signed, want)
	}
}

func sign(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

func TestAWSWithoutCredentials(t *testing.T) {
	for name, value := range map[string]string{
		"AWS_CONFIG_FILE": filepath.Join(t.TempDir(), "none"), "AWS_SHARED_CREDENTIALS_FILE": filepath.Join(t.TempDir(), "none"),
		"AWS_EC2_METADATA_DISABLED": "true", "AWS_REGION": "", "AWS_DEFAULT_REGION": "", "AWS_ACCESS_KEY_ID": "",
		"AWS_SECRET_ACCESS_KEY": "",
	} {
		t.Setenv(name, value)
	}
	if _, err := (awsParams{}).open(t.Context()); err == nil || !strings.Contains(err.Error(), "without a region") {
		t.Errorf("got %v", err)
	}
	if _, err := (awsParams{region: "eu-west-1"}).open(t.Context()); err == nil || !strings.Contains(err.Error(), "aws credentials") {
		t.Errorf("got %v", err)
	}
}

// TestFilesAreReadAgain: a certificate, a password and a token that are
// replaced are taken for the next connection, and the mode of a file is told
// once.
func TestFilesAreReadAgain(t *testing.T) {
	var logged bytes.Buffer
	log := slog.New(slog.NewTextHandler(&logged, nil))
	path := writeFile(t, "first\n")
	must(t, os.Chmod(path, 0o644))
	for _, c := range []connection{
		{sasl: "plain", Credentials: endpoint.Credentials{TLS: true, User: "u", PasswordFile: path}},
		{sasl: oauthBearer, tokens: tokenParams{file: path}, Credentials: endpoint.Credentials{TLS: true}},
	} {
		logged.Reset()
		must(t, os.WriteFile(path, []byte("first"), 0o600))
		o, err := c.options(t.Context(), log)
		must(t, err)
		for _, word := range []string{"first", "second", "third"} {
			must(t, os.WriteFile(path, []byte(word), 0o600))
			_, said, err := o.SASL.Start(t.Context())
			if err != nil || !bytes.Contains(said, []byte(word)) {
				t.Errorf("%s: got %q, %v", c.sasl, said, err)
			}
		}
		if n := strings.Count(logged.String(), "can be read by others"); n != 1 {
			t.Errorf("%d warnings: %s", n, logged.String())
		}
	}
}
