package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/endpoint/all"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// said is a log that can be waited for.
type said struct {
	bytes.Buffer
	lines chan string
}

func (s *said) Write(b []byte) (int, error) {
	s.lines <- string(b)
	return s.Buffer.Write(b)
}

// TestHangupAtTheStart: a SIGHUP that comes before the route is open is for the
// route, or ends a run that has no use for it.
func TestHangupAtTheStart(t *testing.T) {
	for name, reloads := range map[string]bool{"in.ndjson": true, "in.txt": false} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			key, in := filepath.Join(dir, "key.jwk"), filepath.Join(dir, name)
			if code, _, stderr := runArgs(t.Context(), "keygen", "local", "--out", key); code != exitOK {
				t.Fatal(stderr)
			}
			if err := os.WriteFile(in, nil, 0o600); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			defer cancel()
			log := &said{lines: make(chan string, 100)}
			ended := false
			hangups := watchHangups(func(os.Signal) { ended = true })
			defer hangups.endWatch()
			p := &program{ends: all.Table(), ctx: ctx, voice: newVoice(log), hangups: hangups, command: "encrypt",
				args: []string{"encrypt", "--key", "local:" + key, "--from", "file:" + in, "--to", "file:" + filepath.Join(dir, "out-"+name)},
			}
			late := func(ctx context.Context, c route.Config, e route.Env) (*route.Route, error) {
				hangups.signals <- syscall.SIGHUP // as if it came: the process may have been started to ignore it
				for line := range log.lines {
					if strings.Contains(line, "when the route is open") {
						break
					}
				}
				return route.Encrypt(ctx, c, e)
			}
			err := p.runRoute(late, route.Config{From: "file:" + in, To: "file:" + filepath.Join(dir, "out-"+name), Keys: []string{"local:" + key}}, &runFlags{})
			if err != nil {
				t.Error(err)
			}
			if got := strings.Contains(log.String(), "keys loaded anew"); got != reloads || ended == reloads {
				t.Errorf("ended: %t; %s", ended, log.String())
			}
		})
	}
}

// TestNothingStays: a program that ran in another one leaves no goroutine
// there, and nothing that it holds.
func TestNothingStays(t *testing.T) {
	for _, command := range []string{"version", "encrypt"} {
		before := runtime.NumGoroutine()
		runArgs(t.Context(), command)
		deadline := time.Now().Add(time.Minute)
		for runtime.NumGoroutine() > before && time.Now().Before(deadline) {
			time.Sleep(time.Millisecond) // asked again; the count decides
		}
		if after := runtime.NumGoroutine(); after > before {
			t.Errorf("%s: %d goroutines, and %d before", command, after, before)
		}
	}
}
