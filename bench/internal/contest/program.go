package contest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
)

// FindModule returns the folder of this module for the bench in its folder
// name. The program must run in one of the two.
func FindModule(name string) (string, error) {
	for _, dir := range []string{".", ".."} {
		if _, err := os.Stat(filepath.Join(dir, name, "main.go")); err == nil {
			return filepath.Abs(dir)
		}
	}
	return "", fmt.Errorf("run it in bench/ or bench/%s/: it builds the command it measures", name)
}

// Program is the streamcrypt command under measurement, and its key.
type Program struct {
	Path     string
	Key      string   // URL
	flags    []string // behind those of a turn, without profiles
	profiles string   // folder of processor profiles; empty for none
	written  int
}

// BuildProgram builds the command into dir as it is shipped or, with a folder
// for profiles, around the same route, which takes no flags. root is the folder
// of this module.
func BuildProgram(ctx context.Context, root, dir, profiles string, flags ...string) (*Program, error) {
	p := &Program{flags: flags}
	var err error
	if p.Path, p.Key, err = system.BuildWithKey(ctx, filepath.Join(root, ".."), dir); err != nil {
		return nil, err
	}
	if profiles == "" {
		return p, nil
	}
	profiles, err = filepath.Abs(profiles)
	p.Path = filepath.Join(dir, "profiled")
	p.ProfileInto(profiles)
	return p, errors.Join(err, system.BuildCommand(ctx, root, p.Path, "./internal/profiled"))
}

// ProfileInto has each turn write a profile into a folder, as the profiled
// program does.
func (p *Program) ProfileInto(folder string) { p.profiles = folder }

// MakeCommand returns the command of a turn. Its profile is named by the
// contender and the size of a payload.
func (p *Program) MakeCommand(ctx context.Context, contender string, size int, args ...string) *exec.Cmd {
	if p.profiles == "" {
		args = append(args, p.flags...)
	} else {
		p.written++
		name := strings.NewReplacer(" ", "-", ",", "").Replace(contender)
		name = fmt.Sprintf("%s-%d-%d.pprof", name, size, p.written)
		args = append([]string{filepath.Join(p.profiles, name)}, args...)
	}
	return exec.CommandContext(ctx, p.Path, args...) //nolint:gosec // just built
}
