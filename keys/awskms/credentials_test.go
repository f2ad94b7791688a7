package awskms

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keys/guard"
)

// issuer makes credentials that differ each time, as a container's agent does.
func issuer(t *testing.T) *atomic.Int32 {
	t.Helper()
	var issued atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		fmt.Fprintf(w, `{"AccessKeyId":"AKID%d","SecretAccessKey":"secret","Token":"t","Expiration":%q}`,
			issued.Add(1), time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	t.Cleanup(server.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "")
	t.Setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", server.URL+"/")
	return &issued
}

// Credentials that KMS calls expired are not used again, whatever date they
// bear.
func TestExpiredCredentialsAreRenewed(t *testing.T) {
	issued := issuer(t)
	f := newFake(t)
	k := f.key(Options{Key: first}, guard.Options{})
	generate := func() (string, error) {
		_, _, err := k.Generate(t.Context(), kc, nil)
		asked, _ := f.last()
		return asked.caller, err
	}
	for range 2 {
		if caller, err := generate(); err != nil || !strings.Contains(caller, "AKID1/") {
			t.Fatalf("%s, %v", caller, err)
		}
	}
	f.set(func() { f.fault = answerWith(400, "ExpiredTokenException") })
	if _, err := generate(); !isClass(err, keys.Away) {
		t.Errorf("got %v", err)
	}
	f.set(func() { f.fault = nil })
	if caller, err := generate(); err != nil || !strings.Contains(caller, "AKID2/") {
		t.Errorf("%s, %v", caller, err)
	}
	if n := issued.Load(); n != 2 {
		t.Errorf("%d were issued", n)
	}
}

func TestRole(t *testing.T) {
	const role = "arn:aws:iam::111122223333:role/enc"
	var refusal atomic.Pointer[func(http.ResponseWriter)]
	var asked atomic.Pointer[http.Request]
	sts := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = r.ParseForm()
		asked.Store(r)
		if refuse := refusal.Load(); refuse != nil {
			(*refuse)(w)
			return
		}
		fmt.Fprintf(w, `<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><Credentials>
			<AccessKeyId>AKIDROLE</AccessKeyId><SecretAccessKey>s</SecretAccessKey><SessionToken>t</SessionToken>
			<Expiration>%s</Expiration></Credentials></AssumeRoleResult></AssumeRoleResponse>`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	}))
	defer sts.Close()
	t.Setenv("AWS_ENDPOINT_URL_STS", sts.URL)
	f := newFake(t)
	refuseWith := func(status int, code string) {
		refuse := func(w http.ResponseWriter) {
			w.WriteHeader(status)
			fmt.Fprintf(w, `<ErrorResponse><Error><Code>%s</Code><Message>no</Message></Error></ErrorResponse>`, code)
		}
		refusal.Store(&refuse)
	}
	refuseWith(403, "AccessDenied")
	if _, err := New(t.Context(), Options{Key: first, Role: role, Endpoint: f.url}); !errors.Is(err, ErrCredentials) {
		t.Errorf("a role that may not be assumed: %v", err)
	}
	refusal.Store(nil)
	k := f.key(Options{Key: first, Role: role}, guard.Options{})
	if form := asked.Load().Form; form.Get("RoleArn") != role || form.Get("RoleSessionName") != "streamcrypt" {
		t.Errorf("asked for %v", form)
	}
	if _, _, err := k.Generate(t.Context(), kc, nil); err != nil {
		t.Fatal(err)
	}
	if call, _ := f.last(); !strings.Contains(call.caller, "AKIDROLE/") {
		t.Errorf("signed as %s", call.caller)
	}
	for _, tc := range []struct {
		status int
		code   string
		want   keys.Class
	}{
		{503, "ServiceUnavailable", keys.Away},
		{500, "Oops", keys.Away},
		{400, "Throttling", keys.Away},
		{403, "AccessDenied", keys.Gone},
		{400, "ExpiredTokenException", keys.Away}, // it was good a moment ago
		{400, "Oops", keys.Away},
	} {
		k.client.credentials.dropStale()
		refuseWith(tc.status, tc.code)
		_, before := f.last()
		_, _, err := k.Generate(t.Context(), kc, nil)
		if _, n := f.last(); !isClass(err, tc.want) || !errors.Is(err, ErrCredentials) || n != before {
			t.Errorf("%d %s: %v", tc.status, tc.code, err)
		}
	}
	sts.Close()
	k.client.credentials.dropStale()
	if _, _, err := k.Generate(t.Context(), kc, nil); !isClass(err, keys.Away) {
		t.Errorf("no STS: %v", err)
	}
}
