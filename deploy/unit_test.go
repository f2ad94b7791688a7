package deploy

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// unitFile runs all routes of a file, and is the usual one; templateFile runs
// one route by itself.
const (
	unitFile     = "systemd/streamcrypt.service"
	templateFile = "systemd/streamcrypt@.service"
)

// worstExposure is the most that systemd-analyze may say of a unit, of 10.
const worstExposure = 2.0

// TestUnitExposure asks systemd how much of the machine the units could reach.
func TestUnitExposure(t *testing.T) {
	needTools(t, "systemd-analyze")
	for _, name := range []string{unitFile, templateFile} {
		out := mustRun(t, "systemd-analyze", "security", "--offline=true", "--no-pager", "deploy/"+name)
		found := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
		if found == nil {
			t.Fatal(out)
		}
		exposure, err := strconv.ParseFloat(found[1], 64)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: exposure %v", name, exposure)
		if exposure > worstExposure {
			t.Errorf("exposure %v, and at most %v is meant\n%s", exposure, worstExposure, out)
		}
	}
}

// TestUnitRules: systemd hears that a route is open, and does not start again a
// process that a restart cannot mend. The units have the same rules: they are
// equal from Type= on.
func TestUnitRules(t *testing.T) {
	_, unit := cutUnit(t, unitFile)
	if _, template := cutUnit(t, templateFile); unit != template {
		t.Error("from Type= on the units are not the same")
	}
	for _, want := range []string{
		"Type=notify\n", "\nTimeoutStartSec=infinity\n", "\nRestartPreventExitStatus=2 4 5\n",
		"\nRestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n", "\nLimitCORE=0\n",
	} {
		if !strings.Contains(unit, want) {
			t.Errorf("the units lack %q", strings.TrimSpace(want))
		}
	}
	codes := readFile(t, "../docs/errors.md")
	for _, code := range []string{"2", "4", "5"} {
		if !strings.Contains(codes, "\n| "+code+" | ") {
			t.Errorf("docs/errors.md knows no exit code %s", code)
		}
	}
}

// cutUnit returns a unit up to Type=, with the comment above it, and from there
// on.
func cutUnit(t *testing.T, name string) (head, rest string) {
	t.Helper()
	head, rest, found := strings.Cut(readFile(t, name), "Type=")
	if !found {
		t.Fatalf("%s has no Type=", name)
	}
	return head, "Type=" + rest
}

// TestShownInDocuments: docs/operate.md shows the units, the rules and the
// values that are here.
func TestShownInDocuments(t *testing.T) {
	page := readFile(t, "../docs/operate.md")
	for _, name := range []string{unitFile, "firewall/streamcrypt.nft", "chart/values-kafka.yaml", "chart/values-run.yaml"} {
		if !strings.Contains(page, "\n"+readFile(t, name)+"```\n") {
			t.Errorf("docs/operate.md shows another deploy/%s", name)
		}
	}
	if head, _ := cutUnit(t, templateFile); !strings.Contains(page, "```\n"+head+"```\n") {
		t.Errorf("docs/operate.md shows another deploy/%s", templateFile)
	}
}

func readFile(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
