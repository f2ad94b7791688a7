package route

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	natsgo "github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/micro"
)

// TestNATSService: a route answers ping, info and stats with its own figures
// and nothing secret, and no more when it is closed.
func TestNATSService(t *testing.T) {
	testDir(t)
	b := startBroker(t)
	fillStreams(t, b, 10)
	nc := b.js.Conn()
	c := Config{
		From: b.url + "/ORDERS,BILLS?consumer=enc&service=sealer", To: b.url + sealedTemplate,
		Keys: []string{"local:k.jwk"}, Instance: "a",
	}
	r, err := Encrypt(t.Context(), c, Env{Log: quiet})
	must(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	ended := make(chan error, 1)
	go func() { ended <- r.Run(ctx) }()

	ask := func(subject string, into any) string {
		t.Helper()
		m, err := nc.Request(subject, nil, 10*time.Second)
		must(t, err)
		must(t, json.Unmarshal(m.Data, into))
		return string(m.Data)
	}
	var stats struct {
		Endpoints []struct {
			Data struct{ Read, Written, Lanes int64 }
		}
	}
	for stats.Endpoints == nil || stats.Endpoints[0].Data.Written < 20 {
		ask("$SRV.STATS.sealer", &stats)
	}
	if d := stats.Endpoints[0].Data; d.Read != 20 || d.Lanes != 2 {
		t.Errorf("%+v", d)
	}
	var info micro.Info
	text := ask("$SRV.INFO.sealer", &info)
	if info.Metadata["instance"] != "a" || info.Metadata["work"] != "encrypt" || info.Metadata["from"] != "ORDERS,BILLS" {
		t.Errorf("%s", text)
	}
	var ping micro.Ping
	text += ask("$SRV.PING.sealer", &ping)
	var figures map[string]any
	text += ask("sealer.status", &figures)
	if figures["written"] != 20.0 || len(figures["parked"].([]any)) > 0 {
		t.Errorf("%v", figures)
	}
	for _, secret := range []string{"k.jwk", "ORDERS 1", "orders.1", "local:"} {
		if strings.Contains(text, secret) {
			t.Errorf("%q is told: %s", secret, text)
		}
	}
	cancel()
	must(t, <-ended)
	must(t, r.Close())
	// The server may hear of the end of the connection a little later.
	for deadline := time.Now().Add(10 * time.Second); ; {
		_, err := nc.Request("$SRV.PING.sealer", nil, time.Second)
		if errors.Is(err, natsgo.ErrNoResponders) {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("after its end: %v", err)
		}
	}
	refuses(t, Encrypt, Config{From: b.url + "/ORDERS?until=latest&service=a.b", To: "file:o.scx"}, "name of a service")
}
