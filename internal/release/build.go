package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"
)

// command is the package of the program.
const command = "./cmd/streamcrypt"

// buildTags leave out the servers of the demonstration.
const buildTags = "nodemo"

// smallModules are built without inlining, which takes a megabyte off the
// program. Messages never pass through them: they read the command line, call
// key services, and tell of a route.
var smallModules = []string{
	"github.com/alecthomas/...", "github.com/aws/...", "github.com/gosnmp/...", "github.com/prometheus/...",
	"go.opentelemetry.io/...", "google.golang.org/protobuf/...",
}

// source is the commit that is built.
type source struct {
	version, revision string
	time              time.Time
}

// describeSource asks git for the commit of the current folder. Without a
// version it makes one as Go does for a commit without a tag.
func describeSource(ctx context.Context, version string) (*source, error) {
	shown, err := runTool(ctx, nil, "git", "show", "--no-patch", "--format=%H %ct", "HEAD")
	if err != nil {
		return nil, err
	}
	s := &source{version: version}
	var seconds int64
	if _, err := fmt.Sscan(string(shown), &s.revision, &seconds); err != nil {
		return nil, fmt.Errorf("git show: %w", err)
	}
	s.time = time.Unix(seconds, 0).UTC()
	if s.version == "" {
		s.version = "v0.0.0-" + s.time.Format("20060102150405") + "-" + s.revision[:12]
	}
	if !strings.HasPrefix(s.version, "v") {
		return nil, fmt.Errorf("version %q: it begins with v", s.version)
	}
	return s, nil
}

// build runs the go command. Its output depends on the source, the version and
// the Go release alone.
func (r *release) build(ctx context.Context, v variant, binary string) error {
	linked := []string{"-s", "-w", "-buildid="}
	for name, value := range map[string]string{
		"releaseVersion": r.source.version, "releaseRevision": r.source.revision,
		"releaseTime": r.source.time.Format(time.RFC3339),
	} {
		linked = append(linked, "-X=main."+name+"="+value)
	}
	module := "off"
	if v.fips {
		module = fipsModule
	}
	env := []string{"CGO_ENABLED=0", "GOOS=" + v.system, "GOARCH=" + v.arch, "GOFIPS140=" + module,
		"GOAMD64=v1", "GOARM64=v8.0", "GOFLAGS=", "GOEXPERIMENT="}
	args := []string{"build", "-trimpath", "-buildvcs=false", "-tags", buildTags, "-ldflags", strings.Join(linked, " ")}
	for _, pattern := range smallModules {
		args = append(args, "-gcflags="+pattern+"=-l")
	}
	_, err := runTool(ctx, env, "go", append(args, "-o", binary, command)...)
	return err
}

// runTool runs a program with more environment, and returns its output.
func runTool(ctx context.Context, env []string, name string, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, name, args...) //nolint:gosec // tools that this program names
	cmd.Env = append(os.Environ(), env...)
	out, err := cmd.Output()
	if err != nil {
		var exit *exec.ExitError
		if errors.As(err, &exit) {
			err = fmt.Errorf("%w: %s", err, exit.Stderr)
		}
		return nil, fmt.Errorf("%s %s: %w", name, args[0], err)
	}
	return out, nil
}
