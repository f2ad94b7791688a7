package awskms

import (
	"errors"
	"io"
	"net/http"
	"strings"
	"testing"
)

// closedBody is a body that cannot be read once it is closed.
type closedBody struct {
	io.Reader
	closed bool
}

func (b *closedBody) Read(p []byte) (int, error) {
	if b.closed {
		return 0, errors.New("read after it was closed")
	}
	return b.Reader.Read(p)
}

func (b *closedBody) Close() error {
	b.closed = true
	return nil
}

// doFunc is an aws.HTTPClient that is a function.
type doFunc func(*http.Request) (*http.Response, error)

func (f doFunc) Do(r *http.Request) (*http.Response, error) { return f(r) }

// TestBodyOutlivesAnswer: the SDK closes its body when the answer begins, and
// the connection may still read it then.
func TestBodyOutlivesAnswer(t *testing.T) {
	body := &closedBody{Reader: strings.NewReader("a request")}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://kms.example/", body)
	if err != nil {
		t.Fatal(err)
	}
	client := confidentially{HTTPClient: doFunc(func(r *http.Request) (*http.Response, error) {
		if err := body.Close(); err != nil {
			t.Error(err)
		}
		if sent, err := io.ReadAll(r.Body); err != nil || string(sent) != "a request" {
			t.Errorf("%.20q, %v", sent, err)
		}
		return nil, io.EOF
	})}
	do := func(r *http.Request) error {
		res, err := client.Do(r)
		if err == nil {
			defer res.Body.Close()
		}
		return err
	}
	if err := do(r); !errors.Is(err, io.EOF) {
		t.Error(err)
	}
	long, err := http.NewRequestWithContext(t.Context(), http.MethodPost, "https://kms.example/",
		strings.NewReader(strings.Repeat("x", maxRequest+1)))
	if err != nil {
		t.Fatal(err)
	}
	if err := do(long); err == nil || errors.Is(err, io.EOF) {
		t.Error(err)
	}
}
