package testcontainers

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// natsCLI is the version of the nats command that the dialogue is held with.
const natsCLI = "github.com/nats-io/natscli/nats@v0.5.1"

// kvDialogue is a user of the nats command, and one server.
type kvDialogue struct {
	*testing.T
	*natsCluster
	program string
}

func startKVDialogue(t *testing.T) *kvDialogue {
	t.Helper()
	d := &kvDialogue{T: t, natsCluster: startNATSCluster(t, 1), program: filepath.Join(t.TempDir(), "nats")}
	build := exec.Command("go", "install", natsCLI)
	build.Env = append(os.Environ(), "GOBIN="+filepath.Dir(d.program))
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("nats command: %v: %s", err, out)
	}
	return d
}

func (d *kvDialogue) command(ctx context.Context, args string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, d.program, append([]string{"--server", d.url(), "--no-context"}, strings.Fields(args)...)...)
	cmd.Env = append(os.Environ(), "HOME="+filepath.Dir(d.program), "XDG_CONFIG_HOME="+filepath.Dir(d.program))
	return cmd
}

// ask runs a command and returns its answer: the last line of an error, or its
// words without the frames of tables, dates, revisions and the bucket's name.
func (d *kvDialogue) ask(ctx context.Context, bucket, args string) string {
	d.Helper()
	out, err := d.command(ctx, fmt.Sprintf("kv "+args, bucket)).CombinedOutput()
	text := strings.TrimSpace(string(out))
	if err != nil {
		return text[strings.LastIndex(text, "\n")+1:]
	}
	return plainAnswer(text, bucket)
}

var (
	kvDate = regexp.MustCompile(`\d{4}-\d\d-\d\d \d\d:\d\d:\d\d`)
	// kvRevision is the second column of a history, which names a sequence of
	// the stream.
	kvRevision = regexp.MustCompile(`(?m)^(\S+) \d+ (PUT|DEL|PURGE)`)
	kvFrame    = regexp.MustCompile(`[─-╿ ]+`)
)

func plainAnswer(text, bucket string) string {
	text = strings.ReplaceAll(text, bucket, "BUCKET")
	text = kvFrame.ReplaceAllString(kvDate.ReplaceAllString(text, ""), " ")
	var lines []string
	for line := range strings.Lines(text) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return kvRevision.ReplaceAllString(strings.Join(lines, "\n"), "$1 $2")
}

// watch returns those of the first n lines that a watcher is told which are in
// kvWatched, by key.
func (d *kvDialogue) watch(ctx context.Context, bucket string, n int) string {
	d.Helper()
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	cmd := d.command(ctx, "kv watch "+bucket)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.StdoutPipe()
	if err != nil {
		d.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		d.Fatal(err)
	}
	var lines []string
	told := 0
	for scanner := bufio.NewScanner(out); told < n && scanner.Scan(); {
		_, line, _ := strings.Cut(scanner.Text(), "] ")
		if told++; !strings.Contains(line, "first") {
			lines = append(lines, strings.ReplaceAll(line, bucket, "BUCKET"))
		}
	}
	cancel()
	_ = cmd.Wait() // killed
	if told < n {
		d.Logf("watch %s: %s", bucket, errs.Bytes())
	}
	slices.Sort(lines)
	return strings.Join(lines, "\n")
}

// kvGolden is the dialogue about a bucket: the questions and the answers.
var kvGolden = []struct{ ask, answer string }{
	{"get %s apple --raw", "4"},
	{"get %s pear --raw", "nats: error: nats: key not found"},
	{"get %s fig --raw", "nats: error: nats: key not found"},
	{"get %s date --raw", "7"},
	{"get %s apple --raw --revision 1", "nats: error: nats: key not found"},
	{"history %s apple", "History for BUCKET > apple\nKey Revision Op Created Length Value\napple PUT 1 3\napple PUT 1 4"},
	{"history %s pear", "History for BUCKET > pear\nKey Revision Op Created Length Value\npear PUT 1 1\npear DELETE 0"},
	{"history %s fig", "History for BUCKET > fig\nKey Revision Op Created Length Value\nfig PURGE 0"},
	// It has expired, and so has the marker of that.
	{"get %s plum --raw", "nats: error: nats: key not found"},
	{"history %s plum", "nats: error: nats: key not found"},
	{"ls %s", "apple\ndate"},
}

// kvWatched is told to a watcher, besides of the key named first.
const kvWatched = "DELETE BUCKET > pear\nPURGE BUCKET > fig\nPUT BUCKET > apple: 4\nPUT BUCKET > date: 7"

// TestNATSKVDialogue: whoever uses the nats command hears of a bucket that went
// through a sealed one the same as of the bucket itself.
func TestNATSKVDialogue(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
	defer cancel()
	d := startKVDialogue(t)
	eventually(ctx, t, "no server", func() error {
		if out, err := d.command(ctx, "kv add prices --history 5 --marker-ttl 1s").CombinedOutput(); err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
	key := filepath.Join(t.TempDir(), "key.jwk")
	if err := os.WriteFile(key, streamcrypt(ctx, t, "keygen", "local"), 0o600); err != nil {
		t.Fatal(err)
	}
	copyBucket := func(command, from, to string, more ...string) *process {
		return start(t, append([]string{command}, append(more, "--key", "local:"+key, "--progress", "none",
			"--from", d.url()+"/KV_"+from+"?consumer="+command,
			"--to", d.url()+"/KV_"+to+"?subject=$KV."+to+".>&strip=$KV."+from+"&create=true")...)...)
	}
	routes := []*process{copyBucket("encrypt", "prices", "sealed")}
	routes[0].awaitLog(t, "KV_sealed", 1) // it was made
	routes = append(routes, copyBucket("decrypt", "sealed", "copy"))

	for _, said := range []string{
		"create prices first 0", "purge prices first -f", // so that no other message has sequence 1
		"put prices apple 3", "put prices apple 4", "put prices pear 1", "del prices pear -f",
		"put prices fig 8", "put prices fig 9", "create prices date 7 --ttl 10m", "create prices plum 2 --ttl 2s",
		"purge prices fig -f",
	} {
		if out, err := d.command(ctx, "kv "+said).CombinedOutput(); err != nil {
			t.Fatalf("kv %s: %v: %s", said, err, out)
		}
	}
	for _, bucket := range []string{"prices", "copy"} {
		for _, step := range kvGolden {
			eventually(ctx, t, bucket, func() error { // a TTL has to end, and a route to come along
				if got := d.ask(ctx, bucket, step.ask); got != step.answer {
					return fmt.Errorf("%s: got\n%s\nwant\n%s", step.ask, got, step.answer)
				}
				return nil
			})
		}
		if got := d.watch(ctx, bucket, 5); got != kvWatched {
			t.Errorf("watch %s: got\n%s\nwant\n%s", bucket, got, kvWatched)
		}
	}
	if got := d.ask(ctx, "sealed", "get %s apple --raw"); strings.Contains(got, "error") || len(got) < 50 {
		t.Errorf("the sealed bucket says %q", got)
	}
	d.checkTTL(ctx)
	for _, p := range routes {
		p.end(t)
	}
}

// checkTTL: a value that is not expired yet lives in the copy for as long as it
// has left.
func (d *kvDialogue) checkTTL(ctx context.Context) {
	d.Helper()
	js, err := jetstream.New(d.connect())
	if err != nil {
		d.Fatal(err)
	}
	for _, bucket := range []string{"sealed", "copy"} {
		stream, err := js.Stream(ctx, "KV_"+bucket)
		if err != nil {
			d.Fatal(err)
		}
		m, err := stream.GetLastMsgForSubject(ctx, "$KV."+bucket+".date")
		if err != nil {
			d.Fatal(err)
		}
		ttl := m.Header.Get("Nats-TTL")
		left, err := time.ParseDuration(ttl)
		if err != nil || left < time.Minute || left > 10*time.Minute {
			d.Errorf("%s: the TTL is %q", bucket, ttl)
		}
	}
}
