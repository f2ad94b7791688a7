package deploy

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// The test runs itself again: in a network namespace, and there as the user of
// the service.
const (
	insideVariable = "DEPLOY_TEST_INSIDE" // the rules that are loaded
	dialVariable   = "DEPLOY_TEST_DIAL"   // addresses, with commas between them
)

// serviceUser stands for the user of the unit, which this machine may not have.
const serviceUser = 65534

func TestMain(m *testing.M) {
	if addresses := os.Getenv(dialVariable); addresses != "" {
		for address := range strings.SplitSeq(addresses, ",") {
			fmt.Println(dialOnce(address))
		}
		return
	}
	code := m.Run()
	if built.dir != "" {
		_ = os.RemoveAll(filepath.Dir(built.dir))
	}
	os.Exit(code)
}

// dialOnce returns "open" if an address can be reached, and else "refused".
func dialOnce(address string) string {
	conn, err := (&net.Dialer{Timeout: time.Minute}).DialContext(context.Background(), "tcp", address)
	if err != nil {
		return "refused"
	}
	_ = conn.Close()
	return "open"
}

// reach are addresses of the namespace, all with a listener.
var reach = []struct {
	address string
	want    string // for the service, under the rules
}{
	{"192.0.2.10:9092", "open"},
	{"192.0.2.12:4222", "open"},
	{"192.0.2.10:22", "refused"},
	{"192.0.2.99:9092", "refused"},
	{"198.51.100.5:443", "open"},
	{"198.51.100.5:80", "refused"},
	{"198.51.100.77:443", "refused"},
	{"203.0.113.7:443", "refused"},
	{"169.254.169.254:80", "refused"}, // a cloud's metadata
	{"127.0.0.1:9092", "refused"},
	{"192.0.2.53:53", "open"},
	{"[2001:db8::10]:9093", "open"},
	{"[2001:db8::11]:9093", "refused"},
	{"[2001:db8:1::5]:443", "open"},
	{"[2001:db8:2::5]:443", "refused"},
}

// TestFirewall loads each set of rules in a network namespace, and connects as
// the service and as another user.
func TestFirewall(t *testing.T) {
	if os.Geteuid() != 0 {
		skipWithout(t, "root, for a network namespace")
	}
	needTools(t, "unshare", "ip")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	rules := filepath.Join(t.TempDir(), "streamcrypt.nft")
	text := strings.Replace(readFile(t, "firewall/streamcrypt.nft"), "define service = streamcrypt ",
		"define service = "+strconv.Itoa(serviceUser)+" ", 1)
	if err := os.WriteFile(rules, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct{ tool, load string }{
		"nftables": {"nft", "nft -f " + rules},
		"iptables": {"iptables", "SERVICE=" + strconv.Itoa(serviceUser) + " sh firewall/streamcrypt-iptables.sh"},
	} {
		t.Run(name, func(t *testing.T) {
			needTools(t, c.tool)
			ctx, cancel := context.WithTimeout(t.Context(), 5*time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "unshare", "-n", self, "-test.run=^TestFirewallInside$", "-test.v")
			cmd.Env = append(os.Environ(), insideVariable+"="+c.load)
			out, err := cmd.CombinedOutput()
			if err != nil || !strings.Contains(string(out), "--- PASS: TestFirewallInside") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// TestFirewallInside is a part of TestFirewall, in a namespace.
func TestFirewallInside(t *testing.T) {
	load := os.Getenv(insideVariable)
	if load == "" {
		t.Skip("not by itself: TestFirewall runs it in a network namespace, or says that it cannot")
	}
	runShell(t, "ip link set lo up")
	for _, r := range reach {
		host, _, err := net.SplitHostPort(r.address)
		if err != nil {
			t.Fatal(err)
		}
		if host != "127.0.0.1" {
			flag := ""
			if strings.Contains(host, ":") {
				flag = " nodad" // or it cannot be used at once
			}
			runShell(t, "ip addr replace "+host+" dev lo"+flag)
		}
		listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", r.address)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = listener.Close() }) // the kernel accepts by itself
	}
	awaitOpen(t)
	for range 2 { // rules are loaded again when they have changed
		runShell(t, load)
		for i, got := range dialAs(t, serviceUser) {
			if got != reach[i].want {
				t.Errorf("the service finds %s %s, want %s", reach[i].address, got, reach[i].want)
			}
		}
		for i, got := range dialAs(t, 0) {
			if got != "open" {
				t.Errorf("another user finds %s %s", reach[i].address, got)
			}
		}
	}
}

// awaitOpen waits until every address can be reached: the kernel makes the
// routes of new addresses in its own time.
func awaitOpen(t *testing.T) {
	t.Helper()
	deadline := time.Now().Add(time.Minute)
	for {
		answers := dialAs(t, serviceUser)
		refused := slices.Index(answers, "refused")
		if refused < 0 {
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("without rules %s is refused, so that nothing can be learnt here", reach[refused].address)
		}
	}
}

func runShell(t *testing.T, command string) {
	t.Helper()
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", command).CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
}
