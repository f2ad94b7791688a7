package cluster

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/dial"
)

// TestQuota: a broker is left alone for as long as it asks, for reads and
// writes apart; that is told once a minute, and is no warning.
func TestQuota(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var log strings.Builder
		c := &Cluster{log: slog.New(slog.NewTextHandler(&log, nil))}
		begin := time.Now()
		for _, step := range []struct {
			broker int32
			writes bool
			wait   time.Duration // that the broker asks for
			want   time.Duration // since the beginning, when the next request goes out
		}{
			{1, false, 0, 0}, {1, false, 5 * time.Second, 5 * time.Second}, {1, false, 0, 5 * time.Second},
			{1, true, time.Second, 6 * time.Second}, {2, true, time.Hour, 66 * time.Second}, {2, true, -time.Second, 66 * time.Second},
		} {
			c.NoteThrottle(step.broker, step.writes, step.wait)
			if err := c.AwaitQuota(t.Context(), step.broker, !step.writes); err != nil || time.Since(begin) > step.want {
				t.Errorf("%+v: the other kind waits: %v, %v", step, time.Since(begin), err)
			}
			if err := c.AwaitQuota(t.Context(), step.broker, step.writes); err != nil || time.Since(begin) != step.want {
				t.Errorf("%+v: %v, %v", step, time.Since(begin), err)
			}
		}
		if n := strings.Count(log.String(), "over its quota"); n != 1 || strings.Contains(log.String(), "WARN") {
			t.Errorf("told %d times:\n%s", n, log.String())
		}
		ctx, cancel := context.WithCancel(t.Context())
		c.NoteThrottle(1, false, time.Second)
		cancel()
		if err := c.AwaitQuota(ctx, 1, false); err == nil {
			t.Error("it does not hear of the end")
		}
	})
}

// TestAdvertised: an address that only the brokers have named, and that cannot
// be reached, is told with the one that could be, and the setting.
func TestAdvertised(t *testing.T) {
	t.Parallel()
	away := &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("no route")}
	c := &Cluster{options: Options{Brokers: []string{"known:9092"}}}
	c.dialer = dial.New(dial.Options{Dial: func(context.Context, string, string) (net.Conn, error) { return nil, away }})
	for address, want := range map[string]bool{"known:9092": false, "inside:9093": true} {
		_, err := c.dialAddress(t.Context(), "tcp", address)
		if !errors.Is(err, away) || strings.Contains(err.Error(), "through known:9092 advertise inside:9093: see advertised.listeners") != want {
			t.Errorf("%s: %v", address, err)
		}
	}
}
