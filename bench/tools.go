package main

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"

	"filippo.io/age"

	"github.com/streamcrypt/streamcrypt/bench/internal/system"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// tool is a command that encrypts files to an X25519 recipient, and decrypts
// them.
type tool struct {
	name string
	// Both return the command that reads in and writes out, or standard output
	// if out is empty.
	encrypt, decrypt func(ctx context.Context, in, out string) *exec.Cmd
}

// buildTools makes streamcrypt and age in dir, an absolute path, each with a
// new key. It must run in the folder of this module.
func buildTools(ctx context.Context, dir string) (streamcrypt, other tool, err error) {
	if streamcrypt, err = buildStreamcrypt(ctx, dir); err != nil {
		return tool{}, tool{}, err
	}
	other, err = buildAge(ctx, dir)
	return streamcrypt, other, err
}

func buildStreamcrypt(ctx context.Context, dir string) (tool, error) {
	program, keyFile := filepath.Join(dir, "streamcrypt"), filepath.Join(dir, "key.pem")
	if err := system.BuildCommand(ctx, "..", program, "./cmd/streamcrypt"); err != nil {
		return tool{}, err
	}
	key, err := local.GenerateX25519()
	if err != nil {
		return tool{}, err
	}
	if err := os.WriteFile(keyFile, key, 0o600); err != nil {
		return tool{}, err
	}
	command := func(verb string) func(context.Context, string, string) *exec.Cmd {
		return func(ctx context.Context, in, out string) *exec.Cmd {
			if out == "" {
				out = "-"
			}
			//nolint:gosec // just built; files of this run
			return exec.CommandContext(ctx, program, verb, "--key", "x25519:"+keyFile,
				"--from", "file:"+in+"?format=raw", "--to", "file:"+out+"?format=raw")
		}
	}
	return tool{name: "streamcrypt", encrypt: command("encrypt"), decrypt: command("decrypt")}, nil
}

func buildAge(ctx context.Context, dir string) (tool, error) {
	program, keyFile := filepath.Join(dir, "age"), filepath.Join(dir, "key.age")
	if err := system.BuildCommand(ctx, ".", program, "filippo.io/age/cmd/age"); err != nil {
		return tool{}, err
	}
	key, err := age.GenerateX25519Identity()
	if err != nil {
		return tool{}, err
	}
	if err := os.WriteFile(keyFile, []byte(key.String()+"\n"), 0o600); err != nil {
		return tool{}, err
	}
	command := func(how ...string) func(context.Context, string, string) *exec.Cmd {
		return func(ctx context.Context, in, out string) *exec.Cmd {
			args := append([]string{}, how...)
			if out != "" {
				args = append(args, "-o", out)
			}
			return exec.CommandContext(ctx, program, append(args, in)...) //nolint:gosec // as above
		}
	}
	return tool{
		name: "age", encrypt: command("-r", key.Recipient().String()), decrypt: command("-d", "-i", keyFile),
	}, nil
}
