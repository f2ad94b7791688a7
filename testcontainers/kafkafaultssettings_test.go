package testcontainers

import (
	"context"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// faultsBrokers are settings of the brokers that replace those of the suite, as
// in request.timeout.ms=15000,replica.lag.time.max.ms=15000. By them a run shows
// which timer of a broker a fault waits for.
const faultsBrokers = "FAULTS_BROKERS"

// brokerSettings returns the settings as the image takes them.
func brokerSettings(t *testing.T) map[string]string {
	t.Helper()
	settings := map[string]string{}
	for _, one := range strings.Split(os.Getenv(faultsBrokers), ",") {
		name, value, ok := strings.Cut(one, "=")
		if one == "" {
			continue
		}
		if !ok {
			t.Fatalf("%s: %q is no setting", faultsBrokers, one)
		}
		settings["KAFKA_"+strings.ToUpper(strings.ReplaceAll(name, ".", "_"))] = value
	}
	return settings
}

// keepLog writes the broker's log to the folder for logs when the test ends.
func (b *faultBroker) keepLog(t *testing.T) {
	dir := os.Getenv(faultsLogs)
	if dir == "" {
		return
	}
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.WithoutCancel(t.Context()), time.Minute)
		defer cancel()
		logs, err := b.container.Logs(ctx)
		if err != nil {
			t.Logf("the log of %s: %v", b.name, err)
			return
		}
		text, _ := io.ReadAll(logs)
		_ = logs.Close()
		if err := os.WriteFile(filepath.Join(dir, b.name+".log"), text, 0o600); err != nil {
			t.Log(err)
		}
	})
}
