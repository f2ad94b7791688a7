package deploy

import (
	"os"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

const unitFile = "systemd/streamcrypt@.service"

// worstExposure is the most that systemd-analyze may say of the unit, of 10.
const worstExposure = 2.0

// TestUnitExposure asks systemd how much of the machine the unit could reach.
func TestUnitExposure(t *testing.T) {
	needTools(t, "systemd-analyze")
	out := mustRun(t, "systemd-analyze", "security", "--offline=true", "--no-pager", "deploy/"+unitFile)
	found := regexp.MustCompile(`Overall exposure level for \S+: ([0-9.]+)`).FindStringSubmatch(out)
	if found == nil {
		t.Fatal(out)
	}
	exposure, err := strconv.ParseFloat(found[1], 64)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("exposure %v", exposure)
	if exposure > worstExposure {
		t.Errorf("exposure %v, and at most %v is meant\n%s", exposure, worstExposure, out)
	}
}

// TestUnitRules: systemd hears that the route is open, and does not start again
// a process that a restart cannot mend.
func TestUnitRules(t *testing.T) {
	unit := readFile(t, unitFile)
	for _, want := range []string{
		"\nType=notify\n", "\nTimeoutStartSec=infinity\n", "\nRestartPreventExitStatus=2 4 5\n",
		"\nRestrictAddressFamilies=AF_UNIX AF_INET AF_INET6\n", "\nLimitCORE=0\n",
	} {
		if !strings.Contains(unit, want) {
			t.Errorf("the unit lacks %q", strings.TrimSpace(want))
		}
	}
	codes := readFile(t, "../docs/errors.md")
	for _, code := range []string{"2", "4", "5"} {
		if !strings.Contains(codes, "\n| "+code+" | ") {
			t.Errorf("docs/errors.md knows no exit code %s", code)
		}
	}
}

// TestShownInDocuments: docs/operate.md shows the unit and the rules that are
// here.
func TestShownInDocuments(t *testing.T) {
	page := readFile(t, "../docs/operate.md")
	for _, name := range []string{unitFile, "firewall/streamcrypt.nft", "chart/values-kafka.yaml"} {
		if !strings.Contains(page, "\n"+readFile(t, name)+"```\n") {
			t.Errorf("docs/operate.md shows another deploy/%s", name)
		}
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
