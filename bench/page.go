package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

const (
	// pageLimit is how long 95 of 100 answers may take, in milliseconds.
	pageLimit = 50
	// pageAsks is how often each path is asked for.
	pageAsks = 400
	// pagePlaces are the places that the page shows, as many as one route can
	// have there.
	pagePlaces = 1000
	// floodBytes is the size of the file that keeps all processors busy. It has
	// no blocks on the disk.
	floodBytes = 1 << 40
)

// measurePage measures how long the status page and its figures take while the
// process seals a file with all processors, and follows a topic of many
// partitions beside that.
func measurePage(ctx context.Context, asks int) (_ []Figure, err error) {
	dir, err := os.MkdirTemp("", "streamcrypt-bench-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	program, key, err := system.BuildWithKey(ctx, "..", dir)
	if err != nil {
		return nil, err
	}
	settings, closeBroker, err := writeFlood(ctx, dir, key)
	if err != nil {
		return nil, err
	}
	defer closeBroker()
	process, err := startRoutes(ctx, program, settings, nil)
	if err != nil {
		return nil, err
	}
	defer func() {
		_ = process.end() // with the code of a route that was interrupted
	}()
	if err := process.awaitPlaces(ctx, pagePlaces); err != nil {
		return nil, err
	}
	before, err := system.ReadProcessorTime(process.command.Process.Pid)
	if err != nil {
		return nil, err
	}
	began := time.Now()
	var figures []Figure
	for _, path := range []string{"/", "/status.json"} {
		took, err := process.timeAnswers(ctx, path, asks)
		if err != nil {
			return nil, err
		}
		half, slowest := took[len(took)/2].Seconds()*1e3, took[len(took)-1].Seconds()*1e3
		figures = append(figures, Figure{
			Part:  "page",
			Name:  fmt.Sprintf("95 of 100 answers of %s, %d places, all processors busy", path, pagePlaces),
			Value: took[len(took)*95/100].Seconds() * 1e3, Unit: "ms", Limit: newLimit(pageLimit),
			Beside: map[string]float64{"half": half, "slowest": slowest},
			Note:   fmt.Sprintf("half of %d within %.1f ms, all within %.1f ms", asks, half, slowest),
		})
	}
	after, err := system.ReadProcessorTime(process.command.Process.Pid)
	if err != nil {
		return nil, err
	}
	busy := (after - before).Seconds() / time.Since(began).Seconds()
	for i := range figures {
		figures[i].Note += fmt.Sprintf("; the process had %.1f processors meanwhile", busy)
	}
	return figures, nil
}

// writeFlood starts a broker with a message in each partition of a topic, and
// writes a configuration of two routes: of that topic, and of a huge file.
func writeFlood(ctx context.Context, dir, key string) (settings string, stop func(), err error) {
	broker, err := startBroker(pagePlaces, "orders", "orders.sealed")
	if err != nil {
		return "", nil, err
	}
	defer func() {
		if err != nil {
			broker.Close()
		}
	}()
	client, err := kgo.NewClient(kgo.SeedBrokers(broker.ListenAddrs()...),
		kgo.RecordPartitioner(kgo.ManualPartitioner()))
	if err != nil {
		return "", nil, err
	}
	defer client.Close()
	var records []*kgo.Record
	for i := range int32(pagePlaces) {
		records = append(records, &kgo.Record{Topic: "orders", Partition: i, Value: make([]byte, messageBytes)})
	}
	if err := client.ProduceSync(ctx, records...).FirstErr(); err != nil {
		return "", nil, err
	}
	big := filepath.Join(dir, "big")
	if err := os.WriteFile(big, nil, 0o600); err != nil {
		return "", nil, err
	}
	if err := os.Truncate(big, floodBytes); err != nil {
		return "", nil, err
	}
	text := fmt.Sprintf(`
ops: 127.0.0.1:0
defaults: {key: '%[1]s'}
routes:
  flood: {do: encrypt, from: 'file:%[2]s', to: 'file:/dev/null'}
  orders:
    do: encrypt
    from: kafka://%[3]s/orders?group=orders
    to: kafka://%[3]s/orders.sealed?oversize=reject
`, key, big, broker.ListenAddrs()[0])
	settings = filepath.Join(dir, "run.yaml")
	return settings, broker.Close, os.WriteFile(settings, []byte(text), 0o600)
}

// awaitPlaces waits until the status has so many places with messages.
func (p *routesProcess) awaitPlaces(ctx context.Context, n int) error {
	shown := 0
	for end := time.Now().Add(3 * time.Minute); time.Now().Before(end); {
		text, err := p.readAnswer(ctx, "/status.json")
		if err != nil {
			return err
		}
		var status struct {
			Routes []struct{ Places []struct{ Messages int64 } }
		}
		if err := json.Unmarshal(text, &status); err != nil {
			return err
		}
		shown = 0
		for _, r := range status.Routes {
			for _, place := range r.Places {
				if place.Messages > 0 {
					shown++
				}
			}
		}
		if shown >= n {
			return nil
		}
		if err := sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	return fmt.Errorf("the status shows %d places of %d after three minutes", shown, n)
}

// timeAnswers returns how long answers of a path took, the shortest first. The
// pauses between them spread them over the moments at which the status is
// rendered anew.
func (p *routesProcess) timeAnswers(ctx context.Context, path string, asks int) ([]time.Duration, error) {
	var took []time.Duration
	for range asks {
		began := time.Now()
		if _, err := p.readAnswer(ctx, path); err != nil {
			return nil, err
		}
		took = append(took, time.Since(began))
		if err := sleep(ctx, 70*time.Millisecond); err != nil {
			return nil, err
		}
	}
	slices.Sort(took)
	return took, nil
}

// readAnswer returns the answer of a path, which must be a good one.
func (p *routesProcess) readAnswer(ctx context.Context, path string) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+p.address+path, http.NoBody)
	if err != nil {
		return nil, err
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	text, err := io.ReadAll(answer.Body)
	if err := errors.Join(err, answer.Body.Close()); err != nil {
		return nil, err
	}
	if answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", path, answer.Status)
	}
	return text, nil
}
