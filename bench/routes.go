package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

const (
	idleRoutes     = 50
	idlePartitions = 4
	// idleLimit is the most memory that they may take in one process, in MiB.
	idleLimit = 128
	// settleTime is how long they run before the memory is read.
	settleTime = 20 * time.Second
)

// measureRoutes measures the memory of a process with many routes that have
// nothing to do. The broker is in this process, and the routes in another.
func measureRoutes(ctx context.Context, settle time.Duration) (_ []Figure, err error) {
	dir, err := os.MkdirTemp("", "streamcrypt-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program, key, err := system.BuildWithKey(ctx, "..", dir)
	if err != nil {
		return nil, err
	}
	settings, closeBroker, err := writeRoutes(dir, key)
	if err != nil {
		return nil, err
	}
	defer closeBroker()
	started := time.Now()
	process, err := startRoutes(ctx, program, settings, nil)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, process.end()) }()
	if err := process.awaitReady(ctx); err != nil {
		return nil, err
	}
	ready := time.Since(started)
	if err := sleep(ctx, settle); err != nil {
		return nil, err
	}
	now, peak, err := system.ReadMemory(process.command.Process.Pid)
	if err != nil {
		return nil, err
	}
	return []Figure{{
		Part:  "routes",
		Name:  fmt.Sprintf("resident memory, %d routes x %d partitions, idle", idleRoutes, idlePartitions),
		Value: now, Unit: "MiB", Limit: newLimit(idleLimit),
		Beside: map[string]float64{"peak": peak, "seconds to ready": ready.Seconds()},
		Note:   fmt.Sprintf("at most %.1f MiB; all were ready after %.1f s", peak, ready.Seconds()),
	}}, nil
}

// startBroker starts an imitation of a broker in this process, which takes the
// largest messages of a route.
func startBroker(partitions int32, topics ...string) (*kfake.Cluster, error) {
	return kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(partitions, topics...),
		kfake.BrokerConfigs(map[string]string{"message.max.bytes": "2097152"}))
}

// writeRoutes starts a broker, and writes a configuration with key, a URL.
func writeRoutes(dir, key string) (settings string, stop func(), err error) {
	topics := make([]string, 2*idleRoutes)
	for i := range idleRoutes {
		topics[2*i], topics[2*i+1] = fmt.Sprintf("orders-%d", i), fmt.Sprintf("sealed-%d", i)
	}
	broker, err := startBroker(idlePartitions, topics...)
	if err != nil {
		return "", nil, err
	}
	var text strings.Builder
	fmt.Fprintf(&text, "ops: 127.0.0.1:0\ndefaults:\n  key: %s\nroutes:\n", key)
	for i := range idleRoutes {
		fmt.Fprintf(&text, "  route-%d:\n    do: encrypt\n    from: kafka://%[2]s/%[3]s?group=bench-%[1]d\n"+
			"    to: kafka://%[2]s/%[4]s?oversize=reject\n", i, broker.ListenAddrs()[0], topics[2*i], topics[2*i+1])
	}
	settings = filepath.Join(dir, "run.yaml")
	if err := os.WriteFile(settings, []byte(text.String()), 0o600); err != nil {
		broker.Close()
		return "", nil, err
	}
	return settings, broker.Close, nil
}

// routesProcess is the process with the routes.
type routesProcess struct {
	command *exec.Cmd
	address string // of its ops server
}

// startRoutes starts it, and reads the address from its log. Each line of the
// log that comes later has said called; it may be nil.
func startRoutes(ctx context.Context, tool, settings string, said func(line string)) (*routesProcess, error) {
	//nolint:gosec // just built
	p := &routesProcess{command: exec.CommandContext(ctx, tool, "run", "-c", settings)}
	log, err := p.command.StderrPipe()
	if err != nil {
		return nil, err
	}
	if err := p.command.Start(); err != nil {
		return nil, err
	}
	lines := bufio.NewScanner(log)
	for p.address == "" && lines.Scan() {
		var line struct{ Msg, Address, Error string }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Msg == "ops server" {
			p.address = line.Address
		} else if line.Error != "" {
			return nil, errors.Join(errors.New(line.Error), p.end())
		}
	}
	go func() { // until the process ends
		for lines.Scan() {
			if said != nil {
				said(lines.Text())
			}
		}
		_, _ = io.Copy(io.Discard, log) // behind a line that is too long
	}()
	return p, nil
}

func (p *routesProcess) end() error {
	if err := p.command.Process.Signal(os.Interrupt); err != nil {
		return err
	}
	return p.command.Wait()
}

// awaitReady waits until all routes run.
func (p *routesProcess) awaitReady(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 2*time.Minute)
	defer cancel()
	for {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+"/readyz", http.NoBody)
		if err != nil {
			return err
		}
		answer, err := http.DefaultClient.Do(request)
		if err != nil {
			return err
		}
		_ = answer.Body.Close()
		if answer.StatusCode == http.StatusOK {
			return nil
		}
		select {
		case <-ctx.Done():
			return errors.New("the routes are not ready after two minutes")
		case <-time.After(100 * time.Millisecond):
		}
	}
}
