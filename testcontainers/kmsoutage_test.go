package testcontainers

import (
	"bytes"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys/awskms"
)

// TestKMSOutage has the command wait for a KMS that is away at its start, and
// go on by itself when it is back.
func TestKMSOutage(t *testing.T) {
	faults := map[string]http.HandlerFunc{
		"503": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusServiceUnavailable) },
		"429": func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusTooManyRequests) },
		"throttled": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusBadRequest)
			fmt.Fprint(w, `{"__type":"ThrottlingException"}`)
		},
		"cut off": func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
	}
	emulators(t, func(t *testing.T, e *emulator) {
		for name, fault := range faults {
			t.Run(name, func(t *testing.T) { kmsOutage(newAccount(t, e), fault) })
		}
	})
}

func kmsOutage(a *account, fault http.HandlerFunc) {
	arn := a.symmetric()
	a.generate(a.key(awskms.Options{Key: arn})) // it is there
	dir := a.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	plain := bytes.Repeat([]byte("plain\n"), 1000)
	if err := os.WriteFile(file("in"), plain, 0o600); err != nil {
		a.Fatal(err)
	}
	for _, command := range [][]string{
		{"encrypt", "--from", "file:" + file("in"), "--to", "file:" + file("sealed")},
		{"decrypt", "--from", "file:" + file("sealed"), "--to", "file:" + file("out")},
	} {
		p := newProxy(a.T, a.endpoint)
		p.setFault(fault)
		running := start(a.T, append(command, "--key", fmt.Sprintf("awskms:%s?endpoint=%s", arn, p.URL))...)
		await(a.T, command[0], running.ended, func() bool { return len(p.failed()) >= 3 })
		p.setFault(nil)
		<-running.ended
		if running.err != nil {
			a.Fatalf("%s: %v", command[0], running.err)
		}
	}
	if got := readFile(a.T, file("out")); !bytes.Equal(got, plain) {
		a.Errorf("%d bytes, not those that went in", len(got))
	}
}
