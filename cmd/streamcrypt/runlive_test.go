package main

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/ops"
)

// TestRunReloads changes one of three routes: the others keep their lanes and
// the member of their group, and their commits go on. A file with a mistake
// changes nothing, and a route that fails leaves the others alone.
func TestRunReloads(t *testing.T) {
	r := newRunRig(t)
	r.put("", "")
	r.send()
	r.start()
	r.awaitAll("SEALED", "SECRET")
	member, lanes := r.describeMember(), r.describeLanes()
	if strings.Count(lanes, "\n") != 4 {
		t.Fatalf("lanes of two routes, and lost ones: %s", lanes)
	}

	r.put(", window: 5m", "")
	r.waitUntil("the change", func() bool {
		return strings.Contains(r.log.String(), `"started":["refunds"],"ended":["refunds"]`)
	})
	r.send()
	r.awaitAll("SEALED", "SECRET")
	if got := r.describeMember(); got != member {
		t.Errorf("member %s, and before %s", got, member)
	}
	if got := r.describeLanes(); got != lanes {
		t.Errorf("lanes\n%sand before\n%s", got, lanes)
	}

	r.put(", window: soon", "")
	r.waitUntil("the refusal", func() bool { s := r.readStatus(); return s.Configuration.Refused != "" })
	refused := r.readStatus().Configuration.Refused
	if !strings.Contains(refused, "run.yaml:9: routes.refunds.window: ") {
		t.Errorf("refused: %s", refused)
	}
	r.send()
	r.awaitAll("SEALED", "SECRET")

	r.put(", window: 5m", fmt.Sprintf("  failing: {do: encrypt, from: '%s/NONE?consumer=enc', to: '%[1]s/NOWHERE?subject=none.>'}\n", r.nats))
	r.waitUntil("the failure", func() bool { s := r.readStatus(); return s.phaseOf("failing") == ops.Failed })
	if s := r.readStatus(); s.Configuration.Refused != "" {
		t.Errorf("refused: %s", s.Configuration.Refused)
	}
	if code, _ := ask(t, r.ops, "/readyz"); code == 200 {
		t.Error("ready, with a route that has failed")
	}
	r.send()
	r.awaitAll("SEALED", "SECRET")
	if got := r.describeMember() + r.describeLanes(); got != member+lanes {
		t.Errorf("member and lanes\n%sand before\n%s", got, member+lanes)
	}

	r.put(", window: 5m", "")
	if n := strings.Count(r.log.String(), "kafka: partitions assigned"); n != 1 {
		t.Errorf("partitions were assigned %d times: the generation is another one", n)
	}
	r.waitUntil("readiness", func() bool { code, _ := ask(t, r.ops, "/readyz"); return code == 200 })
	r.stop()
	if code := <-r.ended; code != exitOK {
		t.Errorf("exit code %d:\n%s", code, r.log)
	}
}

// TestRunFailures: on-failure=exit ends all routes with the first that fails,
// and a run in which no route is left ends with the failure's code.
func TestRunFailures(t *testing.T) {
	r := newRunRig(t)
	for name, c := range map[string]struct {
		action, routes string
		code           int
	}{
		"exit": {"exit", "  good: {do: encrypt, from: '%s/ORDERS?consumer=enc', to: '%[1]s/SEALED?subject=sealed.>'}\n" +
			"  bad: {do: encrypt, from: '%[1]s/NONE?consumer=enc', to: '%[1]s/SECRET?subject=secret.>'}\n", exitNotStarted},
		"none is left": {"continue", "  bad: {do: encrypt, from: '%s/NONE?consumer=enc', to: '%[1]s/SECRET?subject=secret.>'}\n", exitNotStarted},
		"all are done": {"continue", "  a: {do: encrypt, from: '%s/ORDERS?until=latest', to: '%[1]s/SEALED?subject=sealed.>'}\n" +
			"  b: {do: encrypt, from: '%[1]s/REFUNDS?until=latest', to: '%[1]s/SECRET?subject=secret.>'}\n", exitOK},
	} {
		t.Run(name, func(t *testing.T) {
			text := fmt.Sprintf("on-failure: %s\ndefaults: {key: 'local:%s/key.jwk'}\nroutes:\n", c.action, r.dir) + fmt.Sprintf(c.routes, r.nats)
			file := write(t, t.TempDir(), "run.yaml", []byte(text))
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			code, _, stderr := runArgs(ctx, "run", "-c", file)
			if ctx.Err() != nil || code != c.code {
				t.Errorf("exit code %d, %v:\n%s", code, ctx.Err(), stderr)
			}
		})
	}
}
