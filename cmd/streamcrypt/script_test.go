package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/stopping"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"streamcrypt": main}) }

// TestScripts runs every script as a user would type it. Besides testscript's
// own commands there are
//
//	exits N program args...     fails unless the program ends with code N
//	live program args...        gives it one line of input, sees one come out,
//	                            and sends a signal
//	reload OLD NEW program args...
//	                            gives it a line, replaces file OLD by NEW, sends
//	                            SIGHUP, and gives it another line
//	stuck program args...       gives it one message that is more than its
//	                            output takes, and sends signals until it ends
//	flip FILE N                 flips the lowest bit of byte N
//	truncate FILE N             cuts FILE to N bytes
//	receipt FILE                keeps the receipt that the last program told of
//	append-header FILE          adds a header to each line of ndjson
//	orders FILE N               writes N lines of ndjson that are much alike
func TestScripts(t *testing.T) {
	// Under nohup a hang-up is ignored, also by the programs that are started
	// here; one that is caught they get as usual.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGHUP)
	testscript.Run(t, testscript.Params{
		Files:               listScripts(t),
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Setup: func(env *testscript.Env) error {
			env.Setenv("GORACE", noExitSleep)
			return nil
		},
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"exits": exits, "live": live, "reload": reload, "stuck": stuck, "flip": flip, "truncate": truncate,
			"receipt": keepReceipt, "append-header": appendHeader,
			"orders": writeOrders,
		},
	})
}

// ofWords are the scripts about words, keys and formats. A short test passes
// them over: all that runs side by side in them does so in others too.
var ofWords = []string{"completion", "configuration", "format", "help", "keygen", "keysaudit", "keyscheck", "limits", "version"}

// listScripts returns the paths of the scripts to run.
func listScripts(t *testing.T) []string {
	t.Helper()
	scripts, err := filepath.Glob("testdata/script/*.txtar")
	if err != nil || len(scripts) < 20 {
		t.Fatalf("%d scripts: %v", len(scripts), err)
	}
	if !testing.Short() {
		return scripts
	}
	return slices.DeleteFunc(scripts, func(path string) bool {
		return slices.Contains(ofWords, strings.TrimSuffix(filepath.Base(path), ".txtar"))
	})
}

// noExitSleep keeps the race detector from sleeping a second at the end of
// every process.
const noExitSleep = "atexit_sleep_ms=0"

func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// process is a command of a script that is talked to while it runs.
type process struct {
	*exec.Cmd
	in       io.WriteCloser
	out, err *bufio.Reader
}

func start(ts *testscript.TestScript, args []string) *process {
	path, err := exec.LookPath(args[0])
	ts.Check(err)
	p := &process{Cmd: exec.Command(path, args[1:]...)}
	p.Dir, p.Env = ts.Getenv("WORK"), []string{"PATH=" + ts.Getenv("PATH"), "GORACE=" + noExitSleep}
	p.in, err = p.StdinPipe()
	ts.Check(err)
	out, err := p.StdoutPipe()
	ts.Check(err)
	stderr, err := p.StderrPipe()
	ts.Check(err)
	p.out, p.err = bufio.NewReader(out), bufio.NewReader(stderr)
	ts.Check(p.Start())
	return p
}

// awaitEnding reads the process's messages up to the one that a signal brings.
func (p *process) awaitEnding(ts *testscript.TestScript) {
	for {
		line, err := p.err.ReadString('\n')
		ts.Check(err)
		if strings.Contains(line, "ending") {
			return
		}
	}
}

func live(ts *testscript.TestScript, _ bool, args []string) {
	p := start(ts, args)
	_, err := io.WriteString(p.in, `{"value":"one"}`+"\n")
	ts.Check(err)
	line, err := p.out.ReadString('\n')
	ts.Check(err)
	ts.Check(p.Process.Signal(syscall.SIGTERM))
	p.awaitEnding(ts)
	rest, err := io.ReadAll(p.out)
	ts.Check(err)
	messages, err := io.ReadAll(p.err)
	ts.Check(err)
	if err := p.Wait(); err != nil {
		ts.Fatalf("%v\n%s", err, messages)
	}
	ts.Check(os.WriteFile(ts.MkAbs("live.out"), append([]byte(line), rest...), 0o600))
}

func reload(ts *testscript.TestScript, _ bool, args []string) {
	p := start(ts, args[2:])
	var lines []string
	carry := func(value string) {
		_, err := io.WriteString(p.in, `{"value":"`+value+`"}`+"\n")
		ts.Check(err)
		line, err := p.out.ReadString('\n')
		ts.Check(err)
		lines = append(lines, line)
	}
	carry("one")
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(ts.ReadFile(args[1])), 0o600))
	ts.Check(p.Process.Signal(syscall.SIGHUP))
	said, err := p.err.ReadString('\n')
	for err == nil && !strings.Contains(said, "loaded anew") {
		said, err = p.err.ReadString('\n')
	}
	ts.Check(err)
	carry("two")
	ts.Check(p.in.Close())
	_, err = io.Copy(io.Discard, p.err)
	ts.Check(err)
	ts.Check(p.Wait())
	for i, line := range lines {
		ts.Check(os.WriteFile(ts.MkAbs("reload"+strconv.Itoa(i+1)), []byte(line), 0o600))
	}
	ts.Check(os.WriteFile(ts.MkAbs("reload.said"), []byte(said), 0o600))
}

func stuck(ts *testscript.TestScript, _ bool, args []string) {
	p := start(ts, args)
	const much = 1 << 20 // no pipe holds as much, so that the process is in the middle of writing it from now on
	_, err := io.WriteString(p.in, `{"value":"`+strings.Repeat("x", much)+`"}`+"\n")
	ts.Check(err)
	_, err = p.out.Peek(1)
	ts.Check(err)
	ts.Check(p.Process.Signal(syscall.SIGINT))
	p.awaitEnding(ts)
	ended := make(chan error)
	go func() { ended <- p.Wait() }()
	for signals := 1; ; signals++ { // those of the first second are one and the same
		if err := p.Process.Signal(syscall.SIGINT); !errors.Is(err, os.ErrProcessDone) {
			ts.Check(err)
		}
		select {
		case err := <-ended:
			var exit *exec.ExitError
			if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
				ts.Fatalf("ended with %v, not by the signal", err)
			}
			if signals < 2 {
				ts.Fatalf("ended by a signal that came at once")
			}
			return
		case <-time.After(stopping.Same / 5):
		}
	}
}

func flip(ts *testscript.TestScript, _ bool, args []string) {
	at, err := strconv.Atoi(args[1])
	ts.Check(err)
	b := []byte(ts.ReadFile(args[0]))
	b[at] ^= 1
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

func truncate(ts *testscript.TestScript, _ bool, args []string) {
	size, err := strconv.Atoi(args[1])
	ts.Check(err)
	ts.Check(os.Truncate(ts.MkAbs(args[0]), int64(size)))
}

var receiptPattern = regexp.MustCompile(`"receipt":"([^"]*)"`)

func keepReceipt(ts *testscript.TestScript, _ bool, args []string) {
	found := receiptPattern.FindStringSubmatch(ts.ReadFile("stderr"))
	if found == nil {
		ts.Fatalf("no receipt was told of")
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), []byte(found[1]+"\n"), 0o600))
}

func appendHeader(ts *testscript.TestScript, _ bool, args []string) {
	var out []byte
	for line := range strings.Lines(ts.ReadFile(args[0])) {
		var fields map[string]any
		ts.Check(json.Unmarshal([]byte(line), &fields))
		headers, _ := fields["headers"].([]any)
		fields["headers"] = append(headers, []any{"extra", "x"})
		b, err := json.Marshal(fields)
		ts.Check(err)
		out = append(append(out, b...), '\n')
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), out, 0o600))
}

func writeOrders(ts *testscript.TestScript, _ bool, args []string) {
	n, err := strconv.Atoi(args[1])
	ts.Check(err)
	var out []byte
	for i := range n {
		out = fmt.Appendf(out, "{\"value\":\"order %d, customer customer-%d, status paid, currency euro\"}\n", i*7919, i%37)
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), out, 0o600))
}
