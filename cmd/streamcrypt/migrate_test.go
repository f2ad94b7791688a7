package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/internal/endpoint/all"
	"github.com/streamcrypt/streamcrypt/internal/migrate"
	"github.com/streamcrypt/streamcrypt/internal/proof"
)

// stepLine is a line of migrate --json.
type stepLine struct {
	Step   migrate.Step    `json:"step"`
	Lag    int64           `json:"lag"`
	Places []migrate.Place `json:"places"`
}

// listSteps returns the steps of migrate --json.
func listSteps(t *testing.T, stdout string) (steps []stepLine) {
	t.Helper()
	for line := range strings.Lines(stdout) {
		var s stepLine
		if err := json.Unmarshal([]byte(line), &s); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		if s.Step != "" {
			steps = append(steps, s)
		}
	}
	return steps
}

func nameSteps(lines []stepLine) string {
	var names []string
	for _, s := range lines {
		names = append(names, string(s.Step))
	}
	return strings.Join(names, " ")
}

// TestMigrate seals a topic, says when it has caught up, and compares both
// sides. A second run goes on where the first one ended.
func TestMigrate(t *testing.T) {
	inMistakesFolder(t)
	g, kafka := newGroups(t, "orders")
	g.put("orders", 3, 40)
	args := []string{
		"migrate", "--key", "local:key.jwk", "--from", kafka + "orders?group=seal",
		"--to", kafka + "orders.sealed?create=true", "--reader", "billing",
	}

	// Nobody is there to be asked, and nothing is made.
	_, stderr := g.run(exitNotStarted, args...)
	if !strings.Contains(stderr, "--yes") {
		t.Errorf("%s", stderr)
	}
	stdout, _ := g.run(exitOK, append([]string{args[0], "--plan"}, args[1:]...)...)
	for _, text := range []string{
		"topic orders.sealed, with 3 partitions", "Nothing was made or written", "Cut over", "The way back",
		"streamcrypt offsets --group billing --from " + kafka + "orders --via '" + kafka + "orders.sealed?create=true' --to COPY --apply billing",
	} {
		if !strings.Contains(stdout, text) {
			t.Errorf("the plan does not have %q:\n%s", text, stdout)
		}
	}
	g.run(exitOK, "keygen", "ed25519", "--out", "sign.pem")
	t.Setenv("STREAMCRYPT_PAD", "padme")
	stdout, _ = g.run(exitOK, append([]string{args[0], "--plan", "--context", "it's", "--sign", "sign.pem", "--bind", "header:a",
		"--bind", "header:b", "--window", "20m", "--chunk-size", "8KiB", "--rate", "5MB/s", "--nonce", "random", "--profile", "self",
		"--ops", "127.0.0.1:0", "--alarm-log"}, args[1:]...)...)
	for _, text := range []string{
		"streamcrypt encrypt --from '" + kafka + "orders?group=seal' --to '" + kafka + "orders.sealed?create=true' --key local:key.jwk " +
			`--context 'it'\''s' --bind header:a --bind header:b --rate 5000000B/s --ops 127.0.0.1:0 --alarm-log --sign sign.pem ` +
			"--pad padme --nonce random --chunk-size 8192 --window 20m0s\n",
		`streamcrypt decrypt --from SEALED --to COPY --key local:key.jwk --context 'it'\''s' --bind header:a --bind header:b --signer SIGNER` + "\n",
		"SIGNER is the public key of sign.pem",
	} {
		if !strings.Contains(stdout, text) {
			t.Errorf("the plan does not have %q:\n%s", text, stdout)
		}
	}
	if err := os.Unsetenv("STREAMCRYPT_PAD"); err != nil {
		t.Fatal(err)
	}
	if g.countSealed(kafka+"orders.sealed") != 0 {
		t.Error("a plan has sealed records")
	}

	end := append([]string{args[0], "--yes", "--json", "--end"}, args[1:]...)
	stdout, _ = g.run(exitOK, end...)
	steps := listSteps(t, stdout)
	if nameSteps(steps) != "copying caught-up verified" || steps[0].Lag != 120 || steps[1].Lag != 0 ||
		len(steps[1].Places) != 3 || steps[1].Places[0].Position != 40 {
		t.Errorf("%+v", steps)
	}
	if n := g.countSealed(kafka + "orders.sealed"); n != 120 {
		t.Errorf("%d records are sealed", n)
	}
	g.put("orders", 3, 10)
	stdout, _ = g.run(exitOK, end...)
	if steps = listSteps(t, stdout); nameSteps(steps) != "copying caught-up verified" || steps[0].Lag != 30 {
		t.Errorf("%+v", steps)
	}
	if n := g.countSealed(kafka + "orders.sealed"); n != 150 {
		t.Errorf("%d records are sealed", n)
	}

	// Without --end it follows until a signal comes.
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	var out bytes.Buffer
	log, ended := new(growing), make(chan int, 1)
	go func() {
		ended <- startProgram(ctx, append([]string{args[0], "--yes"}, args[1:]...), stdio{strings.NewReader(""), &out, log}, all.Table(), nil)
	}()
	awaitText(t, log, "both sides are equal")
	g.put("orders", 3, 10)
	for deadline := time.Now().Add(time.Minute); g.countSealed(kafka+"orders.sealed") < 180; {
		if time.Now().After(deadline) {
			t.Fatalf("it does not follow:\n%s", log)
		}
	}
	stop()
	if code := <-ended; code != exitOK {
		t.Errorf("exit code %d:\n%s", code, log)
	}
	if !strings.Contains(out.String(), "Cut over\n") {
		t.Errorf("%s", &out)
	}
}

func awaitText(t *testing.T, log *growing, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !strings.Contains(log.String(), text); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%q is not in the log:\n%s", text, log)
		}
	}
}

// TestMigrateStreams does the same with a stream and its durable consumer.
func TestMigrateStreams(t *testing.T) {
	inMistakesFolder(t)
	url := "nats://" + startNATSWith(t, &server.Options{JetStream: true, StoreDir: t.TempDir()})
	js := connectNATS(t, url)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders.>"}}); err != nil {
		t.Fatal(err)
	}
	for range 20 {
		if _, err := js.Publish(t.Context(), "orders.a", []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	g := groups{t: t}
	stdout, _ := g.run(exitOK, "migrate", "--yes", "--json", "--end", "--key", "local:key.jwk",
		"--from", url+"/ORDERS?consumer=seal", "--to", url+"/SEALED?subject=sealed.>&create=true")
	steps := listSteps(t, stdout)
	if nameSteps(steps) != "copying caught-up verified" || steps[1].Lag != 0 || steps[1].Places[0].Position != 21 {
		t.Errorf("%+v", steps)
	}
	stream, err := js.Stream(t.Context(), "SEALED")
	if err != nil || stream.CachedInfo().State.Msgs != 20 {
		t.Errorf("%+v, %v", stream, err)
	}

	// The last message of the stream is not for the route.
	if _, err := js.Publish(t.Context(), "orders.b", []byte("{}")); err != nil {
		t.Fatal(err)
	}
	stdout, _ = g.run(exitOK, "migrate", "--yes", "--json", "--end", "--near", "0", "--key", "local:key.jwk",
		"--from", url+"/ORDERS?consumer=some&subject=orders.a", "--to", url+"/SOME?subject=some.>&create=true")
	steps = listSteps(t, stdout)
	if nameSteps(steps) != "copying caught-up verified" || steps[1].Lag != 0 || steps[1].Places[0].Position != 22 {
		t.Errorf("%+v", steps)
	}
}

func TestMigrateMistakes(t *testing.T) {
	inMistakesFolder(t)
	g := groups{t: t}
	for want, args := range map[string][]string{
		"only topics and streams": {"--from", "in.ndjson", "--to", "kafka://127.0.0.1:1/sealed"},
		"--near must not":         {"--from", "kafka://127.0.0.1:1/a?group=g", "--to", "kafka://127.0.0.1:1/b", "--near=-1"},
	} {
		_, stderr := g.run(exitNotStarted, append([]string{"migrate", "--yes", "--json", "--key", "local:key.jwk"}, args...)...)
		if !strings.Contains(stderr, want) {
			t.Errorf("%q is not in %s", want, stderr)
		}
	}
}

// TestMigrateDiffers has a destination with an envelope that comes twice: the
// step says so, no cut-over is shown, and the exit code is 1.
func TestMigrateDiffers(t *testing.T) {
	inMistakesFolder(t)
	g, kafka := newGroups(t, "orders")
	g.put("orders", 3, 10)
	route := []string{"--key", "local:key.jwk", "--from", kafka + "orders?group=seal", "--to", kafka + "sealed?create=true"}
	g.run(exitOK, append([]string{"migrate", "--yes", "--json", "--end"}, route...)...)
	reader, err := kgo.NewClient(kgo.SeedBrokers(g.client.OptValue(kgo.SeedBrokers).([]string)...), kgo.ConsumeTopics("sealed"),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()))
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	fetched := reader.PollRecords(t.Context(), 1)
	if fetched.Err() != nil || fetched.NumRecords() != 1 {
		t.Fatal(fetched.Err())
	}
	if err := g.client.ProduceSync(t.Context(), fetched.Records()...).FirstErr(); err != nil {
		t.Fatal(err)
	}
	stdout, stderr := g.run(exitFailed, append([]string{"migrate", "--yes", "--end"}, route...)...)
	if strings.Contains(stdout, "Cut over\n") || !strings.Contains(stderr, "do not cut over") {
		t.Errorf("%s%s", stdout, stderr)
	}
}

// TestMigrateNotCompared has a host that can seal and not open: before the
// steps stands that nothing was compared, and how to do it.
func TestMigrateNotCompared(t *testing.T) {
	inMistakesFolder(t)
	g, kafka := newGroups(t, "orders")
	g.put("orders", 3, 10)
	g.run(exitOK, "keygen", "x25519", "--out", "key.pem")
	public, _ := g.run(exitOK, "keygen", "--public", "key.pem")
	if err := os.WriteFile("key.pub", []byte(public), 0o600); err != nil {
		t.Fatal(err)
	}
	stdout, _ := g.run(exitFailed, "migrate", "--yes", "--end", "--key", "x25519:key.pub", "--context", "c",
		"--from", kafka+"orders?group=seal", "--to", kafka+"sealed?create=true")
	command := "streamcrypt verify --from " + kafka + "orders --against " + kafka + "sealed --key KEY --context c"
	warning, _, found := strings.Cut(stdout, "Cut over\n")
	if !found || !strings.Contains(warning, "Both sides were not compared: ") || !strings.Contains(warning, command+"\n") {
		t.Errorf("%s", stdout)
	}
	g.run(exitOK, strings.Fields(strings.Replace(command, "KEY", "x25519:key.pem", 1))[1:]...)
}

// TestComparePasses: a comparison that takes too much memory is made again in
// more passes, and another error is not.
func TestComparePasses(t *testing.T) {
	failed := errors.New("failed")
	for _, test := range []struct {
		enough int
		fault  error
		want   []int
	}{
		{1, nil, []int{1}}, {2, nil, []int{1, 8}}, {9, nil, []int{1, 8, 64}}, {65, proof.ErrMemory, []int{1, 8, 64}},
		{8, failed, []int{1, 8}},
	} {
		var tried []int
		report, err := compareInPasses(func(passes int) (*proof.Report, error) {
			if tried = append(tried, passes); passes < test.enough {
				return nil, fmt.Errorf("comparing: %w", proof.ErrMemory)
			}
			return &proof.Report{}, test.fault
		})
		if !slices.Equal(tried, test.want) || !errors.Is(err, test.fault) || err == nil && report == nil {
			t.Errorf("%+v: %v, %v", test, tried, err)
		}
	}
}

func TestJudgeReport(t *testing.T) {
	missing := func(n, atEnd int64, first ...int64) *proof.Report {
		r := &proof.Report{Counts: proof.Counts{Matched: 5, Missing: n, MissingAtEnd: atEnd}}
		var origins []proof.Origin
		for _, at := range first {
			origins = append(origins, proof.Origin{Place: "a", Offset: at})
		}
		r.Places = []proof.Place{{Place: "a", Counts: r.Counts, Origins: map[string][]proof.Origin{"missing": origins}}}
		return r
	}
	fresh := missing(2, 2, 0, 1)
	fresh.Places[0].Place = "b"
	lacking := missing(2, 1, 0, 1)
	lacking.Places[0].Place = "b"
	for name, test := range map[string]struct {
		report   *proof.Report
		compared bool
		equal    bool
	}{
		"equal":                     {&proof.Report{Identical: true, Counts: proof.Counts{Matched: 5}}, true, true},
		"behind the position":       {missing(2, 2, 10, 11), true, true},
		"before the position":       {missing(2, 2, 9, 10), true, false},
		"in the middle":             {missing(2, 1, 10, 11), true, false},
		"not listed":                {missing(2, 2), true, false},
		"a new place":               {fresh, true, true},
		"a new place lacks one":     {lacking, true, false},
		"twice":                     {&proof.Report{Counts: proof.Counts{Matched: 5, Duplicates: 1}}, true, false},
		"headers":                   {&proof.Report{Counts: proof.Counts{Matched: 5, ExtraHeaders: 1}}, true, false},
		"the plaintext is gone":     {&proof.Report{Counts: proof.Counts{Unverifiable: 5}}, false, false},
		"it failed":                 {&proof.Report{Problem: "x", Counts: proof.Counts{Matched: 5}}, false, false},
		"not identical for a cause": {&proof.Report{Counts: proof.Counts{Matched: 5}}, true, false},
	} {
		v := judgeReport(test.report, map[string]int64{"a": 10})
		if v.Compared != test.compared || v.Equal != test.equal {
			t.Errorf("%s: %+v", name, v)
		}
	}
}
