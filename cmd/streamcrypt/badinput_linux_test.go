package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/twmb/franz-go/pkg/kfake"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/kmsg"
)

// TestBadInput: a topic and a stream that are empty, and times before the
// beginning and behind the end.
func TestBadInput(t *testing.T) {
	t.Chdir(t.TempDir())
	carry(t, 0, "keygen", "local", "--out", "key.jwk")
	for name, urls := range map[string]func(*testing.T) (empty, full string){
		"topic": func(t *testing.T) (string, string) {
			return "kafka://" + startKafka(t, kfake.SeedTopics(2, "orders")) + "/orders", fillTopic(t) + "/orders"
		},
		"stream": func(t *testing.T) (string, string) {
			url, js := startNATS(t)
			if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "ORDERS", Subjects: []string{"orders"}}); err != nil {
				t.Fatal(err)
			}
			return url + "/ORDERS", fillStream(t) + "/ORDERS"
		},
	} {
		t.Run(name, func(t *testing.T) {
			empty, full := urls(t)
			for _, c := range []struct{ from, to, want string }{
				{empty + "?until=latest", "empty", `"complete":true,"outcome":"complete","exit_code":0,"read":0,"written":0`},
				{full + "?start=2001-01-01T00:00:00Z&until=2001-01-02T00:00:00Z", "before", `"exit_code":0,"read":0,"written":0`},
				{full + "?start=2001-01-01T00:00:00Z&until=latest", "all", `"exit_code":0,"read":20000,"written":20000`},
				{full + "?start=2001-01-01T00:00:00Z&until=2101-01-01T00:00:00Z", "ends-later", `"exit_code":0,"read":20000,"written":20000`},
				{full + "?start=2101-01-01T00:00:00Z&until=latest", "begins-later", `"exit_code":0,"read":0,"written":0,"nothing_to_do":true`},
			} {
				out, _ := exec.Command("streamcrypt", "encrypt", "--key", "local:key.jwk",
					"--from", c.from, "--to", "file:"+name+"-"+c.to+".scx", "--checkpoint", name+"-"+c.to+".ck").CombinedOutput()
				if !bytes.Contains(out, []byte(c.want)) {
					t.Errorf("%s: want %s in\n%s", c.from, c.want, out)
				}
			}
		})
	}
}

// TestDeletedWhileRead: messages that the source deletes while a backfill is on
// are counted, and the run is not complete.
func TestDeletedWhileRead(t *testing.T) {
	for name, fill := range map[string]func(*testing.T) (from string, purge func() error){
		"topic": func(t *testing.T) (string, func() error) {
			from := fillTopic(t)
			return from + "/orders?until=latest", func() error {
				c, err := kgo.NewClient(kgo.SeedBrokers(strings.TrimPrefix(from, "kafka://")))
				if err != nil {
					return err
				}
				defer c.Close()
				partition := kmsg.NewDeleteRecordsRequestTopicPartition()
				partition.Offset = killedMessages - 10
				topic := kmsg.NewDeleteRecordsRequestTopic()
				topic.Topic, topic.Partitions = "orders", append(topic.Partitions, partition)
				req := kmsg.NewPtrDeleteRecordsRequest()
				req.Topics = append(req.Topics, topic)
				_, err = req.RequestWith(t.Context(), c)
				return err
			}
		},
		"stream": func(t *testing.T) (string, func() error) {
			from := fillStream(t)
			return from + "/ORDERS?until=latest", func() error {
				s, err := connectNATS(t, from).Stream(t.Context(), "ORDERS")
				if err != nil {
					return err
				}
				return s.Purge(t.Context(), jetstream.WithPurgeSequence(killedMessages-10))
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			carry(t, 0, "keygen", "local", "--out", "key.jwk")
			from, purge := fill(t)
			c := exec.Command("streamcrypt", "encrypt", "--key", "local:key.jwk", "--from", from, "--to", "file:out.scx", "--checkpoint", "ck",
				"--rate", "300kB/s", "--read-ahead", "256KiB")
			var stderr bytes.Buffer
			c.Stderr = &stderr
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			awaitPosition(t)
			if err := purge(); err != nil {
				t.Fatal(err)
			}
			_ = c.Wait()
			if code := c.ProcessState.ExitCode(); code != exitFailed || !strings.Contains(stderr.String(), "were deleted before they were read") ||
				!strings.Contains(stderr.String(), `"complete":false`) {
				t.Errorf("exit code %d\n%s", code, &stderr)
			}
		})
	}
}

// awaitPosition waits until the checkpoint ck has a position.
func awaitPosition(t *testing.T) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(20 * time.Millisecond) {
		text, _ := os.ReadFile("ck")
		switch {
		case bytes.Contains(text, []byte(`"next"`)):
			return
		case time.Now().After(deadline):
			t.Fatal("the checkpoint gets no position")
		}
	}
}

// TestNoSpaceLeft: a run with a checkpoint ends when its disk is full. With
// room again the same command completes the output.
func TestNoSpaceLeft(t *testing.T) {
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m")
	if errors.Is(err, syscall.EPERM) {
		t.Skip("SKIPPED, NOT RUN: only root can mount a small disk; TestFolderOnFullDisk in connectors/file injects the same")
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) })
	t.Chdir(t.TempDir())
	carry(t, 0, "keygen", "local", "--out", "key.jwk")
	args := []string{"encrypt", "--key", "local:key.jwk", "--from", fillFile(t), "--to", "file:" + dir + "/out.scx", "--checkpoint", dir + "/ck"}
	out, err := exec.Command("streamcrypt", args...).CombinedOutput()
	if err == nil || !bytes.Contains(out, []byte("no space left on device")) || !bytes.Contains(out, []byte(`"exit_code":1`)) {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, "size=64m"); err != nil {
		t.Fatal(err)
	}
	carry(t, 0, args...)
	carry(t, 0, "verify", "--key", "local:key.jwk", "--from", "file:in.ndjson", "--against", "file:"+dir+"/out.scx")
}
