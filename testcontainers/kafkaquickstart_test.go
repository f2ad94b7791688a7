package testcontainers

import (
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"
)

// readQuickstart returns the commands of the quickstart in docs/kafka.md, in
// order.
func readQuickstart(t *testing.T) (commands []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/kafka.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(page), "\n## Quickstart\n")
	section, _, _ = strings.Cut(section, "\n## ")
	for _, block := range regexp.MustCompile("(?s)```sh\n(.*?)```").FindAllStringSubmatch(section, -1) {
		for line := range strings.Lines(strings.ReplaceAll(block[1], "\\\n", " ")) {
			commands = append(commands, strings.TrimSpace(line))
		}
	}
	return commands
}

// splitWords takes a command line apart, of which only some words are in quotes.
func splitWords(line string) []string {
	var words []string
	for _, word := range strings.Fields(line) {
		words = append(words, strings.Trim(word, "'"))
	}
	return words
}

// TestKafkaQuickstart runs the quickstart of docs/kafka.md as it stands there,
// with Kafka's own tools beside the broker.
func TestKafkaQuickstart(t *testing.T) {
	commands := readQuickstart(t)
	k := kafkaTest{kafkaServer: startKafka(t, map[string]string{"KAFKA_LOG_RETENTION_MS": "604800000"})}
	t.Chdir(t.TempDir())
	var running []*process
	shown := map[string]string{}
	for _, command := range commands {
		args := splitWords(strings.ReplaceAll(strings.TrimSuffix(command, "&"), "localhost:9092", k.address))
		switch {
		case strings.Contains(command, "kafka-"):
			switch {
			case strings.Contains(command, "kafka-console-consumer"):
				command += " --max-messages 1 --timeout-ms 240000"
			case strings.Contains(command, "--describe"):
				k.awaitShares(t, "seal", 2)
			}
			tool := regexp.MustCompile(`kafka-[a-z-]*\.sh`).FindString(command)
			shown[tool] += k.runTool(t, strings.ReplaceAll(command, "localhost:9092", "localhost:9094"))
		case args[0] != "streamcrypt":
			t.Fatalf("the test cannot run %q", command)
		case args[1] == "keygen", strings.Contains(command, "until="):
			streamcrypt(t.Context(), t, args[1:]...)
		default:
			if args[1] == "decrypt" { // a reader types it when the encryptors run
				k.awaitShares(t, "seal", 2)
			}
			running = append(running, start(t, args[1:]...))
		}
	}
	if out := shown["kafka-console-consumer.sh"]; !strings.Contains(out, `{"id":1,"card":"4111111111111111"}`) {
		t.Errorf("a reader of the opened topic sees %q", out)
	}
	groups := shown["kafka-consumer-groups.sh"]
	if n := strings.Count(groups, "orders"); n < 6 || !strings.Contains(groups, "LAG") {
		t.Errorf("the lag: %s", groups)
	}
	for _, p := range running {
		p.end(t)
	}
	for topic, want := range map[string]int64{"orders.sealed": 1, "orders.nightly": 1, "orders.opened": 1} {
		n := int64(0)
		k.read(t, topic, 6, func(r *kgo.Record) {
			if topic != "orders.opened" && strings.Contains(string(r.Value), "4111") {
				t.Errorf("%s has the plaintext", topic)
			}
			n++
		})
		if n != want {
			t.Errorf("%s has %d messages, not %d", topic, n, want)
		}
	}
}
