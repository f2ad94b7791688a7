//go:build unix

package keyring

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/streamcrypt/streamcrypt/keys/local"
)

// writeCommand writes a shell script in a new folder and returns its URL.
func writeCommand(t *testing.T, script string) string {
	t.Helper()
	path := t.TempDir() + "/print-key"
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return "exec:" + path
}

func TestExecKeys(t *testing.T) {
	dir := files(t)
	url := writeCommand(t, `cat "$1/$2"`)
	for file, private := range map[string]bool{"k.jwk": true, "x.pem": true, "x.pub": false, "r.pem": true, "r.pub": false} {
		urls := []string{url + "?arg=" + dir + "&arg=" + file}
		wrappers, err := LoadWrappers(t.Context(), urls, Env{Log: silent})
		if err != nil {
			t.Errorf("%s: %v", file, err)
			continue
		}
		unwrappers, err := LoadUnwrappers(t.Context(), urls, Env{Log: silent})
		switch {
		case !private && !errors.Is(err, local.ErrPublicOnly), private && err != nil:
			t.Errorf("%s: %v", file, err)
		case private && unwrappers[0].Name() != wrappers[0].Name():
			t.Errorf("%s: %s and %s", file, unwrappers[0].Name(), wrappers[0].Name())
		}
	}
}

func TestExecRefusals(t *testing.T) {
	for script, want := range map[string]string{
		"echo a-secret >&2; exit 3": "exit status 3",
		"exit 0":                    "printed nothing",
		"echo a-secret":             "printed no key",
		"head -c 100000 /dev/zero | tr '\\0' x; sleep 100": "printed more than",
	} {
		_, err := LoadWrappers(t.Context(), []string{writeCommand(t, script)}, Env{Log: silent})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "a-secret") {
			t.Errorf("%s: %v, want %q in it", script, err, want)
		}
	}
	if _, err := LoadWrappers(t.Context(), []string{"exec:/no/such/command"}, Env{Log: silent}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

// TestExecEndsWithASignal: a command that hangs does not keep a start from
// ending, and no child of it stays behind with its output.
func TestExecEndsWithASignal(t *testing.T) {
	pipe := t.TempDir() + "/pipe"
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	// The child opens the pipe for writing: its other end is at its end when
	// the child has gone.
	url := writeCommand(t, "(echo started; sleep 1000) > "+pipe+" & sleep 1000")
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() {
		_, err := LoadWrappers(ctx, []string{url}, Env{Log: silent})
		ended <- err
	}()
	in, err := os.Open(pipe)
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	reader := bufio.NewReader(in)
	if _, err := reader.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	cancel()
	if err := <-ended; !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	if _, err := reader.ReadByte(); err != io.EOF {
		t.Errorf("the child goes on: %v", err)
	}
}
