package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/all"
)

// runBinary runs the program as a process of its own, in the current folder,
// with these variables beside the path. TestMain has the test be the program
// when it is called so.
func runBinary(ctx context.Context, t *testing.T, env []string, args ...string) (code int, stdout, stderr string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(ctx, self)
	cmd.Args = append([]string{"streamcrypt"}, args...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + t.TempDir(), "GORACE=" + noExitSleep}, env...)
	cmd.Stdin = strings.NewReader("")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0, out.String(), errs.String()
	case errors.As(err, &exit):
		return exit.ExitCode(), out.String(), errs.String()
	}
	t.Fatal(err)
	return 0, "", ""
}

// runArgs runs the program in this process.
func runArgs(ctx context.Context, args ...string) (code int, stdout, stderr string) {
	return runWith(ctx, all.Table(), args...)
}

// runWith runs the program in this process with these kinds of end.
func runWith(ctx context.Context, ends endpoint.Table, args ...string) (code int, stdout, stderr string) {
	var out, errs bytes.Buffer
	code = startProgram(ctx, args, stdio{strings.NewReader(""), &out, &errs}, ends, nil)
	return code, out.String(), errs.String()
}
