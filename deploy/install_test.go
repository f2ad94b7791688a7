package deploy

import (
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// nextVersion is the version that checkedVersion is upgraded to.
const nextVersion = "v1.2.4"

// installation is a small Debian in a folder, with systemd but without a
// service manager that runs: calls of systemctl are noted instead.
type installation struct {
	t    *testing.T
	root string
}

// newInstallation makes one, from the packages of this machine's release.
func newInstallation(t *testing.T) *installation {
	t.Helper()
	needTools(t, "mmdebstrap", "unshare", "chroot")
	suite := regexp.MustCompile(`(?m)^VERSION_CODENAME=(\w+)$`).FindStringSubmatch(readFile(t, "/etc/os-release"))
	if suite == nil {
		t.Fatal("which release of Debian is this?")
	}
	i := &installation{t, filepath.Join(t.TempDir(), "root")}
	mustRun(t, "mmdebstrap", "--quiet", "--variant=apt", "--include=ca-certificates,systemd", suite[1], i.root)
	i.run("rm /usr/bin/systemctl && mkdir -p /run/systemd/system")
	i.write("/usr/bin/systemctl", "#!/bin/sh\necho \"$@\" >> /systemctl.log\n", 0o755)
	return i
}

// write writes a file.
func (i *installation) write(name, text string, mode os.FileMode) {
	i.t.Helper()
	if err := os.WriteFile(filepath.Join(i.root, name), []byte(text), mode); err != nil {
		i.t.Fatal(err)
	}
}

// put copies a file of this machine into the installation.
func (i *installation) put(name string) {
	i.t.Helper()
	i.write("/tmp/"+filepath.Base(name), readFile(i.t, name), 0o644)
}

// run runs a script in the installation as root, and returns everything that it
// prints.
func (i *installation) run(script string) string {
	i.t.Helper()
	const enter = `mount -t proc proc "$0/proc" && exec env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin ` +
		`DEBIAN_FRONTEND=noninteractive LC_ALL=C.UTF-8 chroot "$0" sh -ec "$1"`
	return mustRun(i.t, "unshare", "--mount", "--propagation=private", "sh", "-ec", enter, i.root, script)
}

// calls returns the calls of systemctl since the last time.
func (i *installation) calls() string {
	i.t.Helper()
	return i.run("cat /systemctl.log; rm /systemctl.log")
}

// keep are files of an administrator's, which no package may touch.
const keep = `umask 077
echo 'routes: {a: {}}' > /etc/streamcrypt/streamcrypt.yaml
echo secret > /etc/streamcrypt/orders.jwk
chown streamcrypt /etc/streamcrypt/*
`

// kept shows them, with their rights.
const kept = "cd /etc/streamcrypt && stat -c '%a %U:%G %n' . * && cat *"

const keptSays = "750 root:streamcrypt .\n600 streamcrypt:root orders.jwk\n600 streamcrypt:root streamcrypt.yaml\n" +
	"secret\nroutes: {a: {}}\n"

// TestPackageInstalls installs the packages as docs/operate.md says, upgrades
// and removes them.
func TestPackageInstalls(t *testing.T) {
	skipUnlessRelease(t)
	dist, next := buildRelease(t), filepath.Join(t.TempDir(), "dist")
	mustRun(t, "go", "run", "./internal/release", "-version", nextVersion, "-out", next, "-only", "linux/"+runtime.GOARCH)
	i := newInstallation(t)
	ending := "_" + runtime.GOARCH
	deb, debNext := "streamcrypt_1.2.3"+ending+".deb", "streamcrypt_1.2.4"+ending+".deb"
	rpm, rpmNext := "streamcrypt_1.2.3"+ending+".rpm", "streamcrypt_1.2.4"+ending+".rpm"
	i.put(filepath.Join(dist, deb))
	i.put(filepath.Join(next, debNext))

	t.Run("deb", func(t *testing.T) {
		i := &installation{t, i.root}
		i.run("apt-get install -qq /tmp/" + deb)
		i.check("v1.2.3")
		i.run(keep)
		if calls := i.calls(); calls != "daemon-reload\n--no-block try-restart streamcrypt.service streamcrypt@*.service\n" {
			t.Errorf("installing called systemctl: %s", calls)
		}
		i.run("apt-get install -qq /tmp/" + debNext)
		i.check(nextVersion)
		if calls := i.calls(); strings.Contains(calls, "stop") || !strings.Contains(calls, "--no-block try-restart streamcrypt.service") {
			t.Errorf("upgrading called systemctl: %s", calls)
		}
		if said := i.run(kept); said != keptSays {
			t.Errorf("after the upgrade: %s", said)
		}
		i.run("apt-get purge -qq streamcrypt && test ! -e /usr/bin/streamcrypt")
		if calls := i.calls(); !strings.HasPrefix(calls, "stop streamcrypt.service streamcrypt@*.service\n") {
			t.Errorf("removing called systemctl: %s", calls)
		}
		if said := i.run(kept); said != keptSays {
			t.Errorf("after the removal: %s", said)
		}
	})

	t.Run("rpm", func(t *testing.T) {
		needTools(t, "rpm")
		i := &installation{t, i.root}
		i.run("rm -rf /etc/streamcrypt /systemctl.log")
		i.rpm("--install", filepath.Join(dist, rpm))
		i.check("v1.2.3")
		i.run(keep)
		i.calls()
		i.rpm("--upgrade", filepath.Join(next, rpmNext))
		i.check(nextVersion)
		if calls := i.calls(); strings.Contains(calls, "stop") || !strings.Contains(calls, "try-restart") {
			t.Errorf("upgrading called systemctl: %s", calls)
		}
		i.rpm("--erase", "streamcrypt")
		i.run("test ! -e /usr/bin/streamcrypt")
		if calls := i.calls(); !strings.HasPrefix(calls, "stop streamcrypt.service streamcrypt@*.service\n") {
			t.Errorf("removing called systemctl: %s", calls)
		}
		if said := i.run(kept); said != keptSays {
			t.Errorf("after the removal: %s", said)
		}
	})
}

// rpm calls this machine's rpm for the installation, whose packages it does not
// know.
func (i *installation) rpm(args ...string) {
	i.t.Helper()
	mustRun(i.t, "rpm", append([]string{"--root", i.root, "--nodeps", "--noplugins"}, args...)...)
}

// check: the program is this version, its user may read its configuration, and
// systemd finds nothing wrong with the units.
func (i *installation) check(version string) {
	i.t.Helper()
	const asUser = "setpriv --reuid=streamcrypt --regid=streamcrypt --clear-groups "
	if said := i.run(asUser + "streamcrypt version --json"); !strings.Contains(said, `"version":"`+version+`"`) {
		i.t.Errorf("installed is %s", said)
	}
	if said := i.run(asUser + "streamcrypt config check /usr/share/doc/streamcrypt/examples/streamcrypt.yaml"); !strings.Contains(said, "no mistake") {
		i.t.Error(said)
	}
	if said := i.run("cd /usr/lib/systemd/system && systemd-analyze verify --man=no ./streamcrypt.service ./streamcrypt@orders.service 2>&1"); said != "" {
		i.t.Errorf("systemd says of the units: %s", said)
	}
	if said := i.run("stat -c '%a %U:%G' /etc/streamcrypt"); said != "750 root:streamcrypt\n" {
		i.t.Errorf("/etc/streamcrypt: %s", said)
	}
}
