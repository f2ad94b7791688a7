package ops

import (
	"errors"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys/guard"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// troubledRoute is busyRoute with everything that can go wrong.
func troubledRoute() Route {
	r := busyRoute()
	w, cause := r.Watch, errors.New("no answer")
	w.ObservePlace("orders/1", 9, errors.New("tampered"))
	w.ObserveStuck("orders/0", errors.New("a transaction"))
	for range 5 {
		w.ObserveLane(pipeline.LaneServed, nil)
	}
	w.ObserveLane(pipeline.LaneLost, cause)
	w.ProduceBytes(1100)
	w.EndTransaction(false, time.Second)
	w.RetryRequest("Fetch", cause)
	w.RetryPublish(6, cause)
	w.NoteDuplicates(7, 8)
	w.ChangeConnection(false, cause)
	w.ChangeConnection(false, cause)
	w.ChangeConnection(true, nil)
	w.Gates.Duplicates.Add(10)
	w.Gates.Foreign.Add(11)
	w.KeyEvent(kekcache.KeyEvent{Side: kekcache.Sealing, Context: "orders", Op: kekcache.OpWindowClosed, Messages: 3, Bytes: 12})
	w.KeyEvent(kekcache.KeyEvent{Side: kekcache.Sealing, Context: "orders", Op: kekcache.OpWindowOpened})
	w.KeyEvent(kekcache.KeyEvent{Side: kekcache.Opening, Context: "orders", Op: kekcache.OpUnwrapRefused})
	for context, state := range map[string]kekcache.State{"orders": kekcache.Restricted, "bills": kekcache.Degraded} {
		w.KeyState(kekcache.StateChange{Side: kekcache.Sealing, Context: context, State: state, Cause: cause})
	}
	w.BreakerState("local:abc", guard.Open)
	w.CallRefused("local:abc")
	w.CallDelayed("local:abc", 1500*time.Millisecond)
	return r
}

// TestEveryMetric: each metric that names.go describes has a sample, and those
// that alerts rest on have the labels that deploy/prometheus asks for.
func TestEveryMetric(t *testing.T) {
	s, err := Start(t.Context(), Options{Address: "127.0.0.1:0"}, Source{
		Version: "1.2.3", Routes: one(troubledRoute()), Log: slog.New(slog.DiscardHandler),
		Configuration: func() Configuration { return Configuration{Refused: "line 3: no such field"} },
	})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	_, text := get(t, s, "/metrics")
	for name := range knownMetrics(t) {
		// A histogram has a sample of each of its three endings.
		if !regexp.MustCompile(`(?m)^` + name + `(_count)?(\{.*\})? [0-9]`).MatchString(text) {
			t.Errorf("no sample of %s", name)
		}
	}
	for _, line := range []string{
		`streamcrypt_configuration_refused 1`,
		`streamcrypt_route_ready{route="seal-orders"} 0`,
		`streamcrypt_place_parked{place="orders/0",route="seal-orders"} 0`,
		`streamcrypt_place_parked{place="orders/1",route="seal-orders"} 1`,
		`streamcrypt_stuck{name="orders/0",route="seal-orders"} 1`,
		`streamcrypt_read_bytes_total{place="orders/0",route="seal-orders"} 700`,
		`streamcrypt_written_bytes_total{place="orders/0",route="seal-orders"} 900`,
		`streamcrypt_lanes{route="seal-orders"} 4`,
		`streamcrypt_lanes_lost_total{route="seal-orders"} 1`,
		`streamcrypt_stored_bytes_total{direction="written",route="seal-orders"} 1100`,
		`streamcrypt_transactions_total{outcome="aborted",route="seal-orders"} 1`,
		`streamcrypt_retried_requests_total{route="seal-orders"} 1`,
		`streamcrypt_republished_messages_total{route="seal-orders"} 6`,
		`streamcrypt_already_stored_messages_total{route="seal-orders"} 7`,
		`streamcrypt_disowned_duplicates_total{route="seal-orders"} 8`,
		`streamcrypt_connections_lost_total{route="seal-orders"} 2`,
		`streamcrypt_connections_away{route="seal-orders"} 1`,
		`streamcrypt_findings_total{kind="duplicate",route="seal-orders"} 10`,
		`streamcrypt_findings_total{kind="foreign-record",route="seal-orders"} 11`,
		`streamcrypt_key_sealed_messages_total{context="orders",route="seal-orders",side="sealing"} 53`,
		`streamcrypt_key_sealed_bytes_total{context="orders",route="seal-orders",side="sealing"} 12`,
		`streamcrypt_key_events_total{context="orders",event="unwrap-refused",route="seal-orders",side="opening"} 1`,
		`streamcrypt_key_state{context="orders",route="seal-orders",side="sealing",state="restricted"} 1`,
		`streamcrypt_key_state{context="bills",route="seal-orders",side="sealing",state="degraded"} 1`,
		`streamcrypt_breaker_state{key="local:abc",route="seal-orders",state="open"} 1`,
		`streamcrypt_breaker_refused_total{key="local:abc",route="seal-orders"} 1`,
		`streamcrypt_rate_delayed_total{key="local:abc",route="seal-orders"} 1`,
		`streamcrypt_rate_wait_seconds_total{key="local:abc",route="seal-orders"} 1.5`,
	} {
		if !strings.Contains(text, "\n"+line+"\n") {
			t.Errorf("missing: %s", line)
		}
	}
	if t.Failed() {
		t.Log(text)
	}
}
