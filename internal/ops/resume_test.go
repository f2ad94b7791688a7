package ops

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// TestResume: only a request with the token as a bearer resumes a route, and
// only the one that it names.
func TestResume(t *testing.T) {
	const token = "0123456789abcdef0123"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(token+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	resumed := 0
	open, shut := busyRoute(), busyRoute()
	open.Name, open.Resume = "open/orders", func() { resumed++ }
	shut.Name = "shut"
	routes := func() []Route { return []Route{shut, open} }
	guarded := serve(t, Options{Address: "127.0.0.1:0", TokenFile: file}, routes)
	bare := serve(t, Options{Address: "127.0.0.1:0"}, routes)
	bearer := func(r *http.Request) { r.Header.Set("Authorization", "Bearer "+token) }
	for _, test := range []struct {
		name, path string
		server     *Server
		change     func(*http.Request)
		code       int
	}{
		{"no token", "/routes/open%2Forders/resume", guarded, func(*http.Request) {}, http.StatusUnauthorized},
		{"a password", "/routes/open%2Forders/resume", guarded, func(r *http.Request) { r.SetBasicAuth("x", token) }, http.StatusForbidden},
		{"a server without a token", "/routes/open%2Forders/resume", bare, bearer, http.StatusForbidden},
		{"another route", "/routes/open/resume", guarded, bearer, http.StatusNotFound},
		{"a route without a breaker", "/routes/shut/resume", guarded, bearer, http.StatusConflict},
		{"GET", "/routes/open%2Forders/resume", guarded, func(r *http.Request) { bearer(r); r.Method = http.MethodGet }, http.StatusMethodNotAllowed},
		{"right", "/routes/open%2Forders/resume", guarded, bearer, http.StatusAccepted},
	} {
		want := 0
		if test.code == http.StatusAccepted {
			want = 1
		}
		res, body := ask(t, http.DefaultClient, "http://"+test.server.Address()+test.path, func(r *http.Request) {
			r.Method = http.MethodPost
			test.change(r)
		})
		if res.StatusCode != test.code || resumed != want {
			t.Errorf("%s: %s %q, resumed %d times", test.name, res.Status, body, resumed)
		}
	}
}
