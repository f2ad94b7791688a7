package testcontainers

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
)

// natsNode is a nats-server in a process of its own.
type natsNode struct {
	name, address string // of clients
	cluster       string // address of routes
	dir, config   string
	skew          time.Duration // of its clock
	cmd           *exec.Cmd
	logs          logBuffer
}

// natsCluster is nodes that know each other. One alone is no cluster.
type natsCluster struct {
	t     *testing.T
	nodes []*natsNode
}

// natsServer builds the server once, beside the command: TestMain removes both.
var natsServer = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(filepath.Dir(binary), "nats")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", err
	}
	program := filepath.Join(dir, "nats-server")
	overlay, err := writeSkewedTime(dir)
	if err != nil {
		return "", err
	}
	build := exec.Command("go", "build", "-overlay", overlay, "-o", program, "github.com/nats-io/nats-server/v2")
	if out, err := build.CombinedOutput(); err != nil {
		return "", fmt.Errorf("nats-server: %w: %s", err, out)
	}
	return program, nil
})

// clockSkew is the variable that tells a server how many seconds its clock is
// wrong.
const clockSkew = "STREAMCRYPT_TEST_CLOCK_SKEW"

// writeSkewedTime writes an overlay for the build in which time.Now is off by as
// many seconds as clockSkew says. It changes no monotonic time. libfaketime
// would not do: Go asks the kernel without the C library.
func writeSkewedTime(dir string) (overlay string, err error) {
	root, err := exec.Command("go", "env", "GOROOT").Output()
	if err != nil {
		return "", err
	}
	source := filepath.Join(strings.TrimSpace(string(root)), "src", "time", "time.go")
	text, err := os.ReadFile(source)
	if err != nil {
		return "", err
	}
	const line = "\tsec, nsec, mono := runtimeNow()\n"
	if bytes.Count(text, []byte(line)) != 1 {
		return "", fmt.Errorf("%s has another form than expected", source)
	}
	text = bytes.Replace(text, []byte(line), []byte(line+"\tsec += clockSkew\n"), 1)
	added := `package time

import "syscall"

var clockSkew = readClockSkew()

func readClockSkew() (n int64) {
	text, _ := syscall.Getenv("` + clockSkew + `")
	digits, minus := text, false
	if len(text) > 0 && text[0] == '-' {
		digits, minus = text[1:], true
	}
	for i := range len(digits) {
		n = 10*n + int64(digits[i]-'0')
	}
	if minus {
		return -n
	}
	return n
}
`
	replace := map[string]string{}
	for name, content := range map[string][]byte{"time.go": text, "clockskew.go": []byte(added)} {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, content, 0o600); err != nil {
			return "", err
		}
		replace[filepath.Join(filepath.Dir(source), name)] = path
	}
	content, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	overlay = filepath.Join(dir, "overlay.json")
	return overlay, os.WriteFile(overlay, content, 0o600)
}

// startNATSCluster starts so many nodes on the loopback interface.
func startNATSCluster(t *testing.T, nodes int) *natsCluster {
	t.Helper()
	if _, err := natsServer(); err != nil {
		t.Fatal(err)
	}
	c := &natsCluster{t: t}
	var routes []string
	for i := range nodes {
		n := &natsNode{name: fmt.Sprint("n", i), address: freeAddress(t), cluster: freeAddress(t), dir: t.TempDir()}
		n.config = filepath.Join(n.dir, "server.conf")
		c.nodes = append(c.nodes, n)
		routes = append(routes, "nats-route://"+n.cluster)
	}
	for _, n := range c.nodes {
		text := fmt.Sprintf("listen: %s\nserver_name: %s\njetstream { store_dir: %q, max_file: 8G }\n"+
			"lame_duck_duration: 30s\nlame_duck_grace_period: 1s\n", n.address, n.name, n.store())
		if nodes > 1 {
			text += fmt.Sprintf("cluster { name: c, listen: %s, no_advertise: true, routes: [%s] }\n",
				n.cluster, strings.Join(routes, ", "))
		}
		if err := os.WriteFile(n.config, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		n.start(t)
	}
	t.Cleanup(func() {
		for _, n := range c.nodes {
			n.stop(t, syscall.SIGKILL)
			if t.Failed() {
				t.Logf("%s: %s", n.name, lastLines(n.logs.String(), 40))
			}
		}
	})
	return c
}

func lastLines(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func (n *natsNode) store() string { return filepath.Join(n.dir, "store") }

func freeAddress(t *testing.T) string {
	t.Helper()
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(freePort(t)))
}

func (n *natsNode) start(t *testing.T) {
	t.Helper()
	program, err := natsServer()
	if err != nil {
		t.Fatal(err)
	}
	n.cmd = exec.Command(program, "-c", n.config)
	n.cmd.Stderr = &n.logs
	n.cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d", clockSkew, int64(n.skew/time.Second)))
	if err := n.cmd.Start(); err != nil {
		t.Fatal(err)
	}
}

// natsStopTime is how long a server may take to end after a signal: longer than
// its lame duck mode. One that takes longer has hung, and says where.
const natsStopTime = 2 * time.Minute

// stop ends the node with a signal and waits until it is gone.
func (n *natsNode) stop(t *testing.T, s syscall.Signal) {
	t.Helper()
	if n.cmd == nil {
		return
	}
	if err := n.cmd.Process.Signal(s); err != nil {
		t.Errorf("%s: %v", n.name, err)
	}
	cmd := n.cmd
	hung := time.AfterFunc(natsStopTime, func() { _ = cmd.Process.Signal(syscall.SIGQUIT) })
	_ = cmd.Wait() // the signal's code
	if !hung.Stop() {
		t.Errorf("%s did not end after %v", n.name, s)
	}
	n.cmd = nil
}

// restart ends a node and starts it again.
func (c *natsCluster) restart(n *natsNode, s syscall.Signal) {
	c.t.Helper()
	n.stop(c.t, s)
	n.start(c.t)
}

// saveBlocks copies the messages of a stream on a node that is stopped. putBack
// puts them in the place of those that are there then. What the server knows of
// consumers stays as it is.
func (n *natsNode) saveBlocks(t *testing.T, stream string) (putBack func()) {
	t.Helper()
	blocks := filepath.Join(n.store(), "jetstream", "$G", "streams", stream, "msgs")
	saved := filepath.Join(t.TempDir(), "msgs")
	if err := os.CopyFS(saved, os.DirFS(blocks)); err != nil {
		t.Fatal(err)
	}
	return func() {
		if err := os.RemoveAll(blocks); err != nil {
			t.Fatal(err)
		}
		if err := os.CopyFS(blocks, os.DirFS(saved)); err != nil {
			t.Fatal(err)
		}
	}
}

// url names all nodes.
func (c *natsCluster) url() string {
	var addresses []string
	for _, n := range c.nodes {
		addresses = append(addresses, n.address)
	}
	return "nats://" + strings.Join(addresses, ",")
}

// connect returns a client that looks at the servers, and comes back to them.
func (c *natsCluster) connect() *nats.Conn {
	c.t.Helper()
	var urls []string
	for _, n := range c.nodes {
		urls = append(urls, "nats://"+n.address)
	}
	nc, err := nats.Connect(strings.Join(urls, ","), nats.MaxReconnects(-1), nats.ReconnectWait(100*time.Millisecond),
		nats.RetryOnFailedConnect(true), nats.IgnoreDiscoveredServers())
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(nc.Close)
	return nc
}

// eventually waits until something is so.
func eventually(ctx context.Context, t *testing.T, what string, is func() error) {
	t.Helper()
	for {
		err := is()
		if err == nil {
			return
		}
		select {
		case <-time.After(100 * time.Millisecond): // asked again; the answer decides
		case <-ctx.Done():
			t.Fatalf("%s: %v", what, err)
		}
	}
}
