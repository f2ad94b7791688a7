package deploy

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
)

// dialAs connects to each address of reach as a user, and returns "open" or
// "refused" for each.
func dialAs(t *testing.T, user uint32) []string {
	t.Helper()
	addresses := make([]string, 0, len(reach))
	for _, r := range reach {
		addresses = append(addresses, r.address)
	}
	// By this name the test can be run by a user who may not search its folder.
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe")
	cmd.Env = append(os.Environ(), dialVariable+"="+strings.Join(addresses, ","))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: user, Gid: user}}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	answers := strings.Fields(string(out))
	if len(answers) != len(reach) {
		t.Fatalf("%d answers for %d addresses", len(answers), len(reach))
	}
	return answers
}
