package testcontainers

import (
	"context"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"
)

// readNATSCommands returns the commands in the first block or blocks of a
// section of docs/nats.md, in order.
func readNATSCommands(t *testing.T, section string) (commands []string) {
	t.Helper()
	page, err := os.ReadFile("../docs/nats.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "\n## "+section+"\n")
	text, _, _ = strings.Cut(text, "\n## ")
	for i, block := range strings.Split(text, "```") {
		if i%2 == 0 {
			continue
		}
		for line := range strings.Lines(strings.ReplaceAll(block, "\\\n", " ")) {
			if line = strings.TrimSpace(line); line != "" {
				commands = append(commands, line)
			}
		}
	}
	if len(commands) == 0 {
		t.Fatalf("no commands below %q", section)
	}
	return commands
}

// TestNATSQuickstart runs the commands of docs/nats.md as they stand there, both
// ways, for streams, buckets and object stores.
func TestNATSQuickstart(t *testing.T) {
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Minute)
	defer cancel()
	var commands []string
	for _, section := range []string{"Quickstart", "KV buckets", "Object stores"} {
		commands = append(commands, readNATSCommands(t, section)...)
	}
	d := startKVDialogue(t)
	t.Chdir(t.TempDir())
	if err := os.WriteFile("invoice.pdf", []byte("an invoice"), 0o600); err != nil {
		t.Fatal(err)
	}
	// shows is what a command must show in the end, by its first words; others
	// must succeed.
	shows := map[string]string{
		"nats sub --last plain.orders.eu": `{"id":1}`,
		"nats kv get copy apple":          "3",
		"nats kv history copy apple":      "PURGE",
		"nats object get copy":            "",
		"nats stream purge OBJ_copy":      "",
	}
	var running []*process
	for _, command := range commands {
		args := splitWords(strings.ReplaceAll(command, "nats://localhost:4222", d.url()))
		switch {
		case args[0] == "nats-server": // it runs
		case args[0] == "nats":
			d.runShown(ctx, command, args[1:], shows)
		case args[1] == "keygen":
			streamcrypt(ctx, t, args[1:]...)
		default:
			p := start(t, args[1:]...)
			p.awaitLog(t, "nats stream made", 1) // a reader types the next command then
			running = append(running, p)
		}
	}
	if got, err := os.ReadFile("copied.pdf"); err != nil || string(got) != "an invoice" {
		t.Errorf("the copied object: %q, %v", got, err)
	}
	for _, p := range running {
		p.end(t)
	}
}

// runShown runs a command of nats until it has succeeded, and has shown the text
// that shows has for it.
func (d *kvDialogue) runShown(ctx context.Context, command string, args []string, shows map[string]string) {
	d.Helper()
	want := ""
	for begin, text := range shows {
		if strings.HasPrefix(command, begin) {
			want = text
		}
	}
	if args[0] == "sub" {
		args = append(args, "--count=1")
	}
	eventually(ctx, d.T, command, func() error {
		ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
		defer cancel()
		out, err := d.command(ctx, strings.Join(args, " ")).CombinedOutput()
		if err == nil && !strings.Contains(string(out), want) {
			err = fmt.Errorf("it does not show %q", want)
		}
		if err != nil {
			return fmt.Errorf("%w: %s", err, out)
		}
		return nil
	})
}
