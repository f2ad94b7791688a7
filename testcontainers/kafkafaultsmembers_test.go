package testcontainers

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/streamcrypt/streamcrypt/keys/awskms"
)

// The groups: several members seal, and a single one opens what they have
// sealed.
const (
	sealers = "sealers"
	openers = "openers"
)

// faultGrace is the --grace of members: how long they may take to end.
const faultGrace = 10 * time.Second

// faultMembers are the processes under test.
type faultMembers struct {
	cluster *faultCluster
	keys    *proxy // of the key service
	args    func(group, name string) []string
	running []*faultMember
	started int
	slowest time.Duration // that a member took to end
}

// faultMember is one of them. Its name is empty if it has none, and nobody then
// knows it again after a restart.
type faultMember struct {
	*process
	group, name string
}

// startMembers starts a key service, and the members that stay: a and b, one
// without a name, and the one that opens.
func startMembers(t *testing.T, c *faultCluster) *faultMembers {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID": "AKIDTEST", "AWS_SECRET_ACCESS_KEY": "secret", "AWS_CONFIG_FILE": os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull, "AWS_EC2_METADATA_DISABLED": "true",
	} {
		t.Setenv(name, value)
	}
	a := newAccount(t, localKMS(t))
	arn := a.symmetric()
	a.generate(a.key(awskms.Options{Key: arn})) // it is there
	m := &faultMembers{cluster: c, keys: newProxy(t, a.endpoint)}
	password := filepath.Join(t.TempDir(), "password")
	if err := os.WriteFile(password, []byte(appPassword+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := fmt.Sprintf("awskms:%s?endpoint=%s", arn, m.keys.URL)
	login := "sasl=plain&user=" + appUser + "&password-file=" + password
	// A member with a name knows a single broker to begin with: when that one
	// is cut off, it must find out from others, although that one still answers.
	seeds := map[string][]*faultBroker{"a": c.brokers[:1], "b": c.brokers[1:2], "d": c.brokers[2:], "": c.brokers[:]}
	args := func(command string, from, to int, group, name string, more ...string) []string {
		if name != "" {
			more = append(more, "--instance", name)
		}
		return append([]string{
			command, "--key", key, "--progress", "none", "--grace", faultGrace.String(),
			"--from", c.url(faultTopics[from], seeds[name]...) + "?group=" + group + "&" + login,
			"--to", c.url(faultTopics[to], seeds[name]...) + "?delivery=exactly-once&" + login,
		}, more...)
	}
	m.args = func(group, name string) []string {
		if group == sealers {
			return args("encrypt", 0, 1, group, name, "--window", "5s") // so that keys are asked for all the time
		}
		return args("decrypt", 1, 2, group, name)
	}
	for _, one := range []faultMember{{group: sealers, name: "a"}, {group: sealers, name: "b"}, {group: sealers}, {group: openers, name: "d"}} {
		m.running = append(m.running, m.start(t, one.group, one.name))
	}
	return m
}

// start starts a member.
func (m *faultMembers) start(t *testing.T, group, name string) *faultMember {
	t.Helper()
	m.started++
	one := &faultMember{process: start(t, m.args(group, name)...), group: group, name: name}
	if dir := os.Getenv(faultsLogs); dir != "" {
		path := filepath.Join(dir, fmt.Sprintf("%s-%s-%d.log", group, name, m.started))
		t.Cleanup(func() { _ = os.WriteFile(path, []byte(one.logs.String()), 0o600) })
	}
	return one
}

// of returns the running members of a group, with a name or without.
func (m *faultMembers) of(group string, named bool) []*faultMember {
	return slices.DeleteFunc(slices.Clone(m.running), func(o *faultMember) bool {
		return o.group != group || (o.name != "") != named
	})
}

// replace starts a member in the place of one that has ended.
func (m *faultMembers) replace(t *testing.T, old *faultMember) *faultMember {
	t.Helper()
	again := m.start(t, old.group, old.name)
	m.running[slices.Index(m.running, old)] = again
	return again
}

// end tells a member to end, and waits. However things are, it ends well, or as
// one that was interrupted before it began; the signal may also end a process
// that has not come as far as to hear it.
func (m *faultMembers) end(t *testing.T, one *faultMember) {
	t.Helper()
	begin := time.Now()
	one.signal(t, syscall.SIGTERM)
	select {
	case <-one.ended:
	case <-time.After(faultGrace + time.Minute):
		t.Fatal("a member does not end")
	}
	unheard := one.logs.String() == "" && one.cmd.ProcessState.ExitCode() == -1
	if code := one.cmd.ProcessState.ExitCode(); code != 0 && !unheard && (code != 3 || one.hasLogged("route open") > 0) {
		t.Errorf("a member of %s (%s) ended with %v", one.group, one.name, one.err)
	}
	m.slowest = max(m.slowest, time.Since(begin))
}

func (o *faultMember) signal(t *testing.T, s syscall.Signal) {
	t.Helper()
	if err := o.cmd.Process.Signal(s); err != nil {
		t.Fatal(err)
	}
}

// alive checks that no member has ended by itself.
func (m *faultMembers) alive(t *testing.T) {
	t.Helper()
	for _, one := range m.running {
		select {
		case <-one.ended:
			t.Fatalf("a member of %s (%s) has ended by itself: %v", one.group, one.name, one.err)
		default:
		}
	}
}
