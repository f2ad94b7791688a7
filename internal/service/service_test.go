package service

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/ops"
	"github.com/streamcrypt/streamcrypt/internal/retry"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// ends notes how routes ended.
type ends struct {
	mu    sync.Mutex
	notes []string
}

func (e *ends) note(m route.Member, r *route.Route, _ time.Time, err error, _ *slog.Logger) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.notes = append(e.notes, fmt.Sprintf("%s opened=%t ok=%t", m.Name, r != nil, err == nil))
}

func (e *ends) String() string {
	e.mu.Lock()
	defer e.mu.Unlock()
	return strings.Join(e.notes, "; ")
}

func newService(o Options) (*Service, *ends) {
	ended := new(ends)
	o.Env.Log, o.Ended = slog.New(slog.DiscardHandler), ended.note
	o.Pause = retry.Policy{First: time.Millisecond, Longest: time.Millisecond}
	return New(o), ended
}

// missing is a route that cannot be opened.
func missing(t *testing.T, name string) route.Member {
	t.Helper()
	dir := t.TempDir()
	return route.Member{Name: name, Direction: "encrypt", Config: route.Config{
		From: "file:" + filepath.Join(dir, "none.ndjson"), To: "file:" + filepath.Join(dir, "out.scx"),
		Keys: []string{"local:" + filepath.Join(dir, "none.jwk")},
	}}
}

// away is a route that waits for a broker for ever.
func away(t *testing.T, name string) route.Member {
	t.Helper()
	key := filepath.Join(t.TempDir(), "key.jwk")
	if err := os.WriteFile(key, []byte(`{"kty":"oct","k":"`+strings.Repeat("a", 42)+`A"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	return route.Member{Name: name, Direction: "encrypt", Config: route.Config{
		From: "nats://127.0.0.1:1/" + name + "?consumer=c", To: "nats://127.0.0.1:1/S?subject=s.>",
		Keys: []string{"local:" + key},
	}}
}

// TestNoRouteIsLeft: the service ends with all failures when no route can go
// on, and each is told of once.
func TestNoRouteIsLeft(t *testing.T) {
	s, ended := newService(Options{})
	err := s.Run(t.Context(), []route.Member{missing(t, "a"), missing(t, "b")})
	var failed *RouteError
	if !errors.As(err, &failed) || !failed.NotStarted() || strings.Count(err.Error(), "route ") != 2 {
		t.Errorf("%v", err)
	}
	if strings.Count(ended.String(), "opened=false ok=false") != 2 {
		t.Error(ended)
	}
	if _, err := s.Replace(nil); !errors.Is(err, errEnding) {
		t.Errorf("Replace after the end: %v", err)
	}
	for _, r := range s.Routes() {
		if r.Phase != ops.Failed || r.Failure == nil {
			t.Errorf("%+v", r)
		}
	}
}

// TestReplace: a route that is the same goes on, one that has failed is started
// again, and the last one may be taken out and another one put in its place. A
// route that was told to end is not done.
func TestReplace(t *testing.T) {
	s, ended := newService(Options{})
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan error, 1)
	waits, lost := away(t, "A"), missing(t, "lost")
	go func() { done <- s.Run(ctx, []route.Member{waits, lost}) }()
	change, err := s.Replace([]route.Member{waits})
	if err != nil || len(change.Started) != 0 || strings.Join(change.Ended, " ") != "lost" {
		t.Errorf("one is taken out: %+v, %v", change, err)
	}
	change, err = s.Replace([]route.Member{waits})
	if err != nil || !change.IsEmpty() {
		t.Errorf("nothing changes: %+v, %v", change, err)
	}
	other := waits
	other.Config.Window = time.Minute
	change, err = s.Replace([]route.Member{other})
	if err != nil || strings.Join(change.Started, " ") != "A" || strings.Join(change.Ended, " ") != "A" {
		t.Errorf("the only one changes: %+v, %v", change, err)
	}
	s.ReloadKeys(ctx) // none is open
	cancel()
	if err := <-done; err != nil {
		t.Error(err)
	}
	if all := s.Routes(); len(all) != 1 || all[0].Phase != ops.Ended {
		t.Errorf("a route that was told to end: %+v", all)
	}
	if strings.Contains(ended.String(), "A ") || strings.Contains(ended.String(), "opened=true") {
		t.Error(ended)
	}
}

// awaitEnd waits until a route has ended.
func awaitEnd(s *Service, name string) {
	<-s.begun
	s.mu.Lock()
	i := slices.IndexFunc(s.runners, func(r *runner) bool { return r.member.Name == name })
	ended := s.runners[i].ended
	s.mu.Unlock()
	<-ended
}

// TestFailedIsStartedAgain: a route that has failed is started again although
// it has not changed, and the service ends when the last one is taken out.
func TestFailedIsStartedAgain(t *testing.T) {
	s, ended := newService(Options{})
	done := make(chan error, 1)
	members := []route.Member{away(t, "A"), missing(t, "lost")}
	go func() { done <- s.Run(t.Context(), members) }()
	awaitEnd(s, "lost")
	change, err := s.Replace(members)
	if err != nil || strings.Join(change.Started, " ") != "lost" || strings.Join(change.Ended, " ") != "lost" {
		t.Errorf("%+v, %v", change, err)
	}
	awaitEnd(s, "lost")
	if strings.Count(ended.String(), "lost opened=false ok=false") != 2 {
		t.Error(ended)
	}
	if change, err = s.Replace(nil); err != nil || len(change.Ended) != 2 {
		t.Errorf("all are taken out: %+v, %v", change, err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// TestExitOnFailure: the first failure ends the other routes, and is told of
// once.
func TestExitOnFailure(t *testing.T) {
	s, _ := newService(Options{ExitOnFailure: true})
	err := s.Run(t.Context(), []route.Member{away(t, "A"), missing(t, "lost")})
	if err == nil || strings.Count(err.Error(), "route ") != 1 || !strings.HasPrefix(err.Error(), "route lost: ") {
		t.Errorf("%v", err)
	}
	if all := s.Routes(); all[0].Phase != ops.Ended || all[1].Phase != ops.Failed {
		t.Errorf("%+v", all)
	}
}
