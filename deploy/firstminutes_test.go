package deploy

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
)

// mostCommands is how many a person with Go and a broker may have to type until
// a topic is sealed.
const mostCommands = 5

// firstMinutes are the commands of README.md on the way to sealed records: the
// one that installs and those of a quickstart.
func firstMinutes(t *testing.T, title string) []string {
	t.Helper()
	page := readFile(t, "../README.md")
	install := regexp.MustCompile(`(?m)^go install \S+`).FindString(page)
	_, section, _ := strings.Cut(page, "\n### "+title+"\n")
	section, _, _ = strings.Cut(section, "\n### ")
	commands := []string{install}
	for _, block := range regexp.MustCompile("(?s)```\n(.*?)```").FindAllStringSubmatch(section, -1) {
		for line := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", " ")) {
			commands = append(commands, strings.TrimSpace(line))
		}
	}
	return commands
}

// person types commands at a prompt, in a folder with nothing in it.
type person struct {
	t   *testing.T
	dir string
	env []string
}

// newPerson has Go, and nothing else.
func newPerson(t *testing.T) *person {
	t.Helper()
	dir := t.TempDir()
	bin := filepath.Join(dir, "go", "bin")
	return &person{t, dir, append(os.Environ(), "GOBIN="+bin, "PATH="+bin+":"+os.Getenv("PATH"))}
}

// command returns a command line of README.md.
func (p *person) command(line string) *exec.Cmd {
	cmd := exec.Command("sh", "-c", "exec "+line) // it ends by a signal, as a person ends it
	cmd.Dir, cmd.Env = p.dir, p.env
	return cmd
}

// do types a command that ends by itself.
func (p *person) do(line string) {
	p.t.Helper()
	if out, err := p.command(line).CombinedOutput(); err != nil {
		p.t.Fatalf("$ %s\n%s%v", line, out, err)
	}
}

// begin types a command that runs until the test ends, and then by SIGTERM.
func (p *person) begin(line string) {
	p.t.Helper()
	var said bytes.Buffer
	cmd := p.command(line)
	cmd.Stdout, cmd.Stderr = &said, &said
	if err := cmd.Start(); err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		if err := cmd.Wait(); err != nil || p.t.Failed() {
			p.t.Errorf("$ %s\n%s%v", line, said.String(), err)
		}
	})
}

// TestFirstMinutes types the commands of README.md from "go install" to sealed
// and opened records, on a broker that exists: kfake, an imitation of Kafka's.
// docs/kafka.md has another quickstart, which the container tests type against
// a broker of Kafka's own.
func TestFirstMinutes(t *testing.T) {
	if testing.Short() {
		t.Skip("NOT CHECKED with -short: it builds the program as a person would. The run without it does")
	}
	cluster, err := kfake.NewCluster(kfake.NumBrokers(1), kfake.SeedTopics(3, "orders"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(cluster.Close)
	broker := cluster.ListenAddrs()[0]
	const records = 30
	sendOrders(t.Context(), t, broker, records)

	person, typed := newPerson(t), 0
	for _, line := range firstMinutes(t, "A Kafka topic") {
		t.Logf("$ %s", line)
		typed++
		line = strings.ReplaceAll(line, "localhost:9092", broker)
		switch words := strings.Fields(line); words[0] + " " + words[1] {
		case "go install":
			// This commit, and not the latest release. A busy machine may take minutes.
			if out, err := runTool(t.Context(), t, person.env, "go", "install", "./cmd/streamcrypt"); err != nil {
				t.Fatalf("%v\n%s", err, out)
			}
		case "streamcrypt keygen":
			person.do(line)
		case "streamcrypt encrypt":
			if typed > mostCommands {
				t.Errorf("%d commands until a topic is sealed", typed)
			}
			person.begin(line)
			for _, value := range readTopic(t, broker, "orders.sealed", records) {
				if bytes.Contains(value, []byte("4111")) {
					t.Errorf("%q is plaintext", value)
				}
			}
		case "streamcrypt decrypt":
			person.begin(line)
			for _, value := range readTopic(t, broker, "orders.open", records) {
				var order struct{ Card string }
				if err := json.Unmarshal(value, &order); err != nil || order.Card != card {
					t.Errorf("%q comes back", value)
				}
			}
		default:
			t.Errorf("the test cannot type %s", line)
		}
	}
	if typed != 4 {
		t.Errorf("%d commands in README.md", typed)
	}
}

const card = "4111111111111111"

// sendOrders writes records to the topic orders.
func sendOrders(ctx context.Context, t *testing.T, broker string, n int) {
	t.Helper()
	client := dialKafka(t, broker, kgo.DefaultProduceTopic("orders"))
	for range n {
		if err := client.ProduceSync(ctx, &kgo.Record{Value: []byte(`{"card":"` + card + `"}`)}).FirstErr(); err != nil {
			t.Fatal(err)
		}
	}
}

// readTopic waits until a topic has so many records, and returns their values.
func readTopic(t *testing.T, broker, topic string, n int) [][]byte {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
	defer cancel()
	client := dialKafka(t, broker, kgo.ConsumeTopics(topic), kgo.FetchIsolationLevel(kgo.ReadCommitted()),
		kgo.MetadataMinAge(10*time.Millisecond))
	var values [][]byte
	for len(values) < n {
		fetches := client.PollFetches(ctx)
		if ctx.Err() != nil {
			t.Fatalf("%s has %d records of %d", topic, len(values), n)
		}
		fetches.EachRecord(func(r *kgo.Record) { values = append(values, r.Value) })
	}
	return values
}

func dialKafka(t *testing.T, broker string, options ...kgo.Opt) *kgo.Client {
	t.Helper()
	client, err := kgo.NewClient(append(options, kgo.SeedBrokers(broker))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(client.Close)
	return client
}
