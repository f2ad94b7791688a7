package main

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/streamcrypt/streamcrypt/internal/endpoint/all"
)

// alarmRig is a route between streams that tells a webhook of its alarms.
type alarmRig struct {
	t           *testing.T
	dir, url    string
	js          jetstream.JetStream
	log, alarms *growing
	hook        string
}

func newAlarmRig(t *testing.T) *alarmRig {
	t.Helper()
	r := &alarmRig{t: t, dir: t.TempDir(), log: new(growing), alarms: new(growing)}
	r.url, r.js = startNATS(t)
	for _, name := range []string{"ORDERS", "SEALED", "OPENED"} {
		config := jetstream.StreamConfig{Name: name, Subjects: []string{strings.ToLower(name)}}
		if _, err := r.js.CreateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	hook := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, req *http.Request) {
		_, _ = io.Copy(r.alarms, req.Body)
	}))
	t.Cleanup(hook.Close)
	r.hook = hook.URL
	return r
}

// start starts the route, which goes on until stop is called.
func (r *alarmRig) start(args ...string) (stop func()) {
	r.t.Helper()
	ctx, cancel := context.WithCancel(r.t.Context())
	ended := make(chan int, 1)
	go func() {
		ended <- startProgram(ctx, append(args, "--name", "pay", "--alarm-webhook", r.hook),
			stdio{strings.NewReader(""), new(growing), r.log}, all.Table(), nil)
	}()
	return func() {
		r.t.Helper()
		cancel()
		if code := <-ended; code != exitOK {
			r.t.Errorf("exit code %d: %s", code, r.log)
		}
	}
}

func (r *alarmRig) publish(subject string, value []byte) {
	r.t.Helper()
	if _, err := r.js.Publish(r.t.Context(), subject, value); err != nil {
		r.t.Fatal(err)
	}
}

// await waits for something, two minutes at most: a service that was away is
// asked again after up to a minute.
func (r *alarmRig) await(what string, holds func() bool) {
	r.t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			r.t.Fatalf("never %s; the alarms:\n%s\nthe log:\n%s", what, r.alarms, r.log)
		}
	}
}

func (r *alarmRig) hasAlarm(kind, state string) bool {
	return strings.Contains(r.alarms.String(), `"kind":"`+kind+`","state":"`+state+`","route":"pay"`)
}

func (r *alarmRig) awaitAlarm(kind, state string) {
	r.t.Helper()
	r.await(kind+" "+state, func() bool { return r.hasAlarm(kind, state) })
}

// awaitMessages waits until a stream has n messages.
func (r *alarmRig) awaitMessages(stream string, n uint64) {
	r.t.Helper()
	r.await(stream+" full", func() bool {
		s, err := r.js.Stream(r.t.Context(), stream)
		return err == nil && s.CachedInfo().State.Msgs == n
	})
}

// TestAlarmsOfKeys: a key service that goes away, and then an audit log that
// cannot be written, are told of while messages wait for a key. Each alarm is
// cleared when its cause is gone, and no message is lost.
func TestAlarmsOfKeys(t *testing.T) {
	r := newAlarmRig(t)
	var away atomic.Bool
	kms := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		if away.Load() {
			req.URL.Path = "/away"
		}
		answerKMS(w, req)
	}))
	t.Cleanup(kms.Close)
	for _, variable := range awsVariables {
		name, value, _ := strings.Cut(variable, "=")
		t.Setenv(name, value)
	}
	log := filepath.Join(r.dir, "audit.log")
	stop := r.start("encrypt", "--key", "awskms:"+fakeARN+"?endpoint="+kms.URL+"/ok", "--window-messages", "1",
		"--from", r.url+"/ORDERS?consumer=seal", "--to", r.url+"/SEALED?subject=sealed", "--audit", log)
	r.publish("orders", []byte("widget"))
	r.awaitMessages("SEALED", 1)

	away.Store(true)
	sent := uint64(1)
	r.await("restricted raised", func() bool { // the data key that is there serves some more messages
		r.publish("orders", []byte("widget"))
		sent++
		return r.hasAlarm("restricted", "raised")
	})

	// The log is moved away, and no file can take its place.
	if err := os.Rename(log, log+".old"); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(log, 0o700); err != nil {
		t.Fatal(err)
	}
	away.Store(false)
	r.awaitAlarm("audit-away", "raised")
	r.awaitAlarm("restricted", "cleared")

	if err := os.Remove(log); err != nil {
		t.Fatal(err)
	}
	r.awaitAlarm("audit-away", "cleared")
	r.awaitMessages("SEALED", sent)
	stop()
	mustRunArgs(t, "keys", "audit", "verify", log+".old", log)
}

// TestAlarmOfReplay: an envelope that comes a second time is told of.
func TestAlarmOfReplay(t *testing.T) {
	r := newAlarmRig(t)
	key := filepath.Join(r.dir, "key.jwk")
	mustRunArgs(t, "keygen", "local", "--out", key)
	r.publish("orders", []byte("widget"))
	mustRunArgs(t, "encrypt", "--key", "local:"+key, "--from", r.url+"/ORDERS?consumer=seal&until=latest",
		"--to", r.url+"/SEALED?subject=sealed")
	sealed, err := r.js.Stream(t.Context(), "SEALED")
	if err != nil {
		t.Fatal(err)
	}
	m, err := sealed.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	stop := r.start("decrypt", "--key", "local:"+key, "--from", r.url+"/SEALED?consumer=open", "--to", r.url+"/OPENED?subject=opened")
	r.awaitMessages("OPENED", 1)
	r.publish("sealed", m.Data)
	r.awaitAlarm("replay", "raised")
	stop()
}
