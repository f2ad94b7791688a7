package main

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestSupervisor: systemd hears that a unit has started when its route is open,
// and a route that cannot be opened never says so.
func TestSupervisor(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("NOT CHECKED: there is no systemd here")
	}
	dir := t.TempDir()
	key := filepath.Join(dir, "key.jwk")
	if code, _, stderr := runArgs(t.Context(), "keygen", "local", "--out", key); code != 0 {
		t.Fatal(stderr)
	}
	from := filepath.Join(dir, "orders.ndjson")
	if err := os.WriteFile(from, []byte(`{"key":"o1","value":"widget"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		key  string
		want []string
		code int
	}{
		"open":     {"local:" + key, []string{stateOpening, stateReady}, 0},
		"not open": {"local:" + key + ".absent", []string{stateOpening}, 2},
	} {
		t.Run(name, func(t *testing.T) {
			listener, address := listenForStates(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			code, _, stderr := runBinary(ctx, t, []string{"NOTIFY_SOCKET=" + address},
				"encrypt", "--key", c.key, "--from", "file:"+from, "--to", "file:"+filepath.Join(t.TempDir(), "out.scx"))
			if code != c.code {
				t.Fatalf("exit code %d: %s", code, stderr)
			}
			if got := readStates(t, listener); strings.Join(got, "|") != strings.Join(c.want, "|") {
				t.Errorf("%q, want %q", got, c.want)
			}
		})
	}
}

// TestDeafSupervisor: a service manager that does not read keeps no signal from
// ending the process.
func TestDeafSupervisor(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("NOT CHECKED: there is no systemd here")
	}
	_, address := listenForStates(t)
	fill, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer fill.Close()
	for err == nil { // until there is no room
		if err = fill.SetWriteDeadline(time.Now().Add(10 * time.Millisecond)); err == nil {
			_, err = fill.Write([]byte("STATUS=full"))
		}
	}
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Fatal(err)
	}
	dir := t.TempDir()
	key := filepath.Join(dir, "key.jwk")
	if code, _, stderr := runArgs(t.Context(), "keygen", "local", "--out", key); code != 0 {
		t.Fatal(stderr)
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), self)
	cmd.Args = []string{"streamcrypt", "encrypt", "--key", "local:" + key, "--ops", "127.0.0.1:0",
		"--from", "file:-?format=ndjson", "--to", "file:" + filepath.Join(dir, "out.scx")}
	cmd.Env = []string{"NOTIFY_SOCKET=" + address, "GORACE=" + noExitSleep}
	log, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	for lines := bufio.NewScanner(log); lines.Scan(); {
		if strings.Contains(lines.Text(), `"msg":"ops server"`) { // the first state comes next
			if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
		}
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() < 0 {
		t.Errorf("the process was killed after a minute: %v", err)
	}
}

// listenForStates stands in for systemd. The path of a socket must be short.
func listenForStates(t *testing.T) (*net.UnixConn, string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "sd")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	address := filepath.Join(dir, "notify")
	listener, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: address, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = listener.Close() })
	return listener, address
}

// readStates returns everything that a process has said which has ended: a
// datagram of the test's own comes behind it.
func readStates(t *testing.T, listener *net.UnixConn) []string {
	t.Helper()
	const last = "the process has ended"
	sender, err := net.DialUnix("unixgram", nil, listener.LocalAddr().(*net.UnixAddr))
	if err != nil {
		t.Fatal(err)
	}
	defer sender.Close()
	if _, err := sender.Write([]byte(last)); err != nil {
		t.Fatal(err)
	}
	var states []string
	for buf := make([]byte, 4096); ; {
		n, err := listener.Read(buf)
		if err != nil {
			t.Fatal(err)
		}
		if string(buf[:n]) == last {
			return states
		}
		states = append(states, string(buf[:n]))
	}
}
