package main

import (
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"
)

// startBinary starts the run as a process of its own.
func (r *runRig) startBinary() *exec.Cmd {
	r.t.Helper()
	self, err := os.Executable()
	if err != nil {
		r.t.Fatal(err)
	}
	cmd := exec.CommandContext(r.t.Context(), self)
	cmd.Args = []string{"streamcrypt", "run", "-c", r.settings}
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + r.t.TempDir(), "GORACE=" + noExitSleep}
	cmd.Stderr = r.log
	if err := cmd.Start(); err != nil {
		r.t.Fatal(err)
	}
	r.awaitOps()
	return cmd
}

// TestRunHangup sends SIGHUP to a process: the route that has changed begins
// again, the others keep their lanes and the member of their group and load
// their keys again, and a file with a mistake changes nothing.
func TestRunHangup(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("NOT CHECKED: there is no SIGHUP here, and a changed file has the same effect: see TestRunReloads")
	}
	r := newRunRig(t)
	r.reload = "0s"
	r.put("", "")
	r.send()
	cmd := r.startBinary()
	hangUp := func() {
		t.Helper()
		if err := cmd.Process.Signal(syscall.SIGHUP); err != nil {
			t.Fatal(err)
		}
	}
	r.awaitAll("SEALED", "SECRET")
	member, lanes := r.describeMember(), r.describeLanes()

	r.put(", window: 5m", "")
	hangUp()
	r.waitUntil("the change", func() bool {
		return strings.Contains(r.log.String(), `"started":["refunds"],"ended":["refunds"]`)
	})
	r.waitUntil("keys of the others", func() bool { return strings.Count(r.log.String(), `"keys loaded anew"`) >= 2 })
	r.send()
	r.awaitAll("SEALED", "SECRET")

	r.put(", window: soon", "")
	hangUp()
	r.waitUntil("the refusal", func() bool { s := r.readStatus(); return s.Configuration.Refused != "" })
	r.send()
	r.awaitAll("SEALED", "SECRET")
	if got := r.describeMember() + r.describeLanes(); got != member+lanes {
		t.Errorf("member and lanes\n%sand before\n%s", got, member+lanes)
	}
	if n := strings.Count(r.log.String(), "kafka: partitions assigned"); n != 1 {
		t.Errorf("partitions were assigned %d times", n)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	limit := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
	defer limit.Stop()
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v:\n%s", err, r.log)
	}
}
