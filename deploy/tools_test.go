package deploy

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// isReleaseCheck tells whether "make release-check" runs.
func isReleaseCheck() bool { return os.Getenv("TEST_RELEASE") != "" }

// skipUnlessRelease skips a check that takes minutes.
func skipUnlessRelease(t *testing.T) {
	t.Helper()
	if !isReleaseCheck() {
		t.Skip("NOT CHECKED here: it takes minutes, and only make release-check runs it")
	}
}

// skipWithout skips a check that cannot be made here. In a release check that
// is a failure.
func skipWithout(t *testing.T, what string) {
	t.Helper()
	if isReleaseCheck() {
		t.Fatalf("%s is needed for a release", what)
	}
	t.Skipf("NOT CHECKED: %s is missing", what)
}

// needTools skips without these programs.
func needTools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err != nil {
			skipWithout(t, name)
		}
	}
}

// runTool runs a program in the project's folder and returns everything that it
// prints.
func runTool(ctx context.Context, t *testing.T, env []string, name string, args ...string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = ".."
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// mustRun is runTool for a program that must not fail.
func mustRun(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := runTool(t.Context(), t, nil, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// buildModule builds a tool from the module proxy and returns its path.
func buildModule(t *testing.T, module string) string {
	t.Helper()
	dir := os.Getenv("TEST_RELEASE_TOOLS")
	if dir == "" {
		dir = t.TempDir()
	}
	path, _, _ := strings.Cut(module, "@")
	tool := filepath.Join(dir, filepath.Base(path))
	if _, err := os.Stat(tool); err == nil {
		return tool
	}
	out, err := runTool(t.Context(), t, []string{"GOBIN=" + dir, "GOFLAGS="}, "go", "install", module)
	if err != nil {
		t.Fatalf("%s: %v\n%s", module, err, out)
	}
	return tool
}
