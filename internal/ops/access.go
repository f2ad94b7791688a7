package ops

import (
	"crypto/sha256"
	"crypto/subtle"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/credfile"
	"github.com/streamcrypt/streamcrypt/internal/hint"
)

// maxRequests is how many requests are answered at a time. A scraper and a few
// people need less, and each answer takes memory.
const maxRequests = 16

// leastToken is the shortest token, in bytes: a shorter one can be guessed.
const leastToken = 16

// readToken reads the token: the first line of a file.
func readToken(path string) (string, error) {
	b, mode, err := credfile.Read("token", path)
	if err != nil {
		return "", err
	}
	defer clear(b)
	if err := checkMode(path, mode); err != nil {
		return "", err
	}
	token := strings.TrimRight(string(b), "\r\n")
	if len(token) < leastToken || strings.ContainsAny(token, "\r\n") {
		return "", hint.New(fmt.Sprintf("token: %s: not one line of at least %d bytes", path, leastToken),
			"openssl rand -hex 32 > "+path)
	}
	return token, nil
}

// loadCertificate reads the server's certificate, and warns of a key that
// others can read.
func (o *Options) loadCertificate(log *slog.Logger) (*tls.Certificate, error) {
	pair, err := credfile.ReadPair("certificate", o.Certificate, o.Key, log)
	return &pair, err
}

// limit answers maxRequests at a time, and turns the others away: a client that
// reads slowly must not cost memory without a bound.
func limit(next http.Handler) http.Handler {
	places := make(chan struct{}, maxRequests)
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		select {
		case places <- struct{}{}:
			defer func() { <-places }()
			next.ServeHTTP(w, r)
		default:
			w.Header().Set("Retry-After", "1")
			http.Error(w, "too many requests at a time", http.StatusServiceUnavailable)
		}
	})
}

// requireLocalName turns away requests that name another host than this
// machine. A page of a stranger in a browser on this machine could otherwise
// read the figures, by a name of its own that resolves to 127.0.0.1.
func requireLocalName(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		host := r.Host
		if name, _, err := net.SplitHostPort(host); err == nil {
			host = name
		}
		if !isLoopback(strings.Trim(host, "[]")) {
			http.Error(w, "this is not the host that was asked for", http.StatusMisdirectedRequest)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// requireToken turns away requests without the token of a file: as a bearer
// token, or as a password, which is how browsers ask for it.
func requireToken(path string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		want, err := readToken(path)
		if err != nil {
			http.Error(w, "the token cannot be read", http.StatusInternalServerError)
			return
		}
		if !sameToken(givenToken(r), want) {
			w.Header().Set("WWW-Authenticate", `Basic realm="streamcrypt", charset="UTF-8"`)
			http.Error(w, "a token is needed", http.StatusUnauthorized)
			return
		}
		next.ServeHTTP(w, r)
	})
}

func givenToken(r *http.Request) string {
	if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
		return token
	}
	_, password, _ := r.BasicAuth()
	return password
}

// sameToken compares in a time that tells nothing of the token.
func sameToken(given, want string) bool {
	a, b := sha256.Sum256([]byte(given)), sha256.Sum256([]byte(want))
	return subtle.ConstantTimeCompare(a[:], b[:]) == 1
}
