package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// The tools, each at the version that the checks have seen.
const (
	nfpm    = "github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.0"
	billing = "github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.10.0"
)

// writePackages makes the packages of deploy/packages/nfpm.yaml.
func (r *release) writePackages(ctx context.Context, v variant, binary string) error {
	recipe, err := os.ReadFile("deploy/packages/nfpm.yaml")
	if err != nil {
		return err
	}
	config := filepath.Join(r.stage, "nfpm_"+v.arch+".yaml")
	filled := fillRecipe(string(recipe), map[string]string{
		"PACKAGE_ARCH": v.arch, "PACKAGE_VERSION": r.source.version, "PACKAGE_BINARY": binary,
		"PACKAGE_STAGE": r.stage, "PACKAGE_TIME": r.source.time.Format(time.RFC3339),
	})
	if err := os.WriteFile(config, []byte(filled), 0o600); err != nil {
		return err
	}
	tool, err := r.installTool(ctx, nfpm)
	if err != nil {
		return err
	}
	env := []string{"SOURCE_DATE_EPOCH=" + strconv.FormatInt(r.source.time.Unix(), 10)}
	for _, kind := range []string{"deb", "rpm"} {
		target := r.fileName("_" + v.arch + "." + kind)
		if _, err := runTool(ctx, env, tool, "package", "--config", config, "--packager", kind,
			"--target", target); err != nil {
			return fmt.Errorf("%s: %w", kind, err)
		}
	}
	return nil
}

// fillRecipe puts values in place of ${NAME}. Other signs of a dollar stay.
func fillRecipe(recipe string, values map[string]string) string {
	for name, value := range values {
		recipe = strings.ReplaceAll(recipe, "${"+name+"}", value)
	}
	return recipe
}

// writeBill lists the modules that a binary is linked with, as the binary
// itself says, with their licences.
func (r *release) writeBill(ctx context.Context, binary string) error {
	tool, err := r.installTool(ctx, billing)
	if err != nil {
		return err
	}
	_, err = runTool(ctx, nil, tool, "bin", "-json", "-licenses", "-std", "-noserial", "-notimestamp",
		"-version", r.source.version, "-output", r.fileName(".cdx.json"), binary)
	return err
}

// installTool builds a tool for this machine.
func (r *release) installTool(ctx context.Context, tool string) (string, error) {
	folder, err := filepath.Abs(filepath.Join(r.stage, "tools"))
	if err != nil {
		return "", err
	}
	if _, err := runTool(ctx, []string{"GOBIN=" + folder, "GOFLAGS="}, "go", "install", tool); err != nil {
		return "", err
	}
	name, _, _ := strings.Cut(tool, "@")
	return filepath.Join(folder, filepath.Base(name)), nil
}
