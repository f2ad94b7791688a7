package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/pem"
	"os"
	"path/filepath"
	"runtime"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

// stageCommon makes the files that are the same in all variants.
func (r *release) stageCommon(ctx context.Context) error {
	here := filepath.Join(r.stage, "here", "streamcrypt")
	if err := r.build(ctx, variant{system: runtime.GOOS, arch: runtime.GOARCH}, here); err != nil {
		return err
	}
	for name, args := range map[string][]string{
		"streamcrypt.1":    {"__manual"},
		"streamcrypt.bash": {"completion", "bash"},
		"streamcrypt.fish": {"completion", "fish"},
		"streamcrypt.zsh":  {"completion", "zsh"},
	} {
		text, err := runTool(ctx, nil, here, args...)
		if err != nil {
			return err
		}
		if err := writeShared(filepath.Join(r.stage, name), text); err != nil {
			return err
		}
	}
	if err := compressFile(filepath.Join(r.stage, "streamcrypt.1")); err != nil {
		return err
	}
	_, err := runTool(ctx, nil, "go", "run", "./internal/notices", "-texts", filepath.Join(r.stage, "LICENCES.txt"))
	return err
}

// compressFile writes a file with the ending .gz beside one, as packages have
// manuals.
func compressFile(name string) error {
	text, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	var out bytes.Buffer
	packed, err := gzip.NewWriterLevel(&out, gzip.BestCompression)
	if err != nil {
		return err
	}
	if _, err := packed.Write(text); err != nil {
		return err
	}
	if err := packed.Close(); err != nil {
		return err
	}
	return writeShared(name+".gz", out.Bytes())
}

// listFiles returns the files of an archive, in its order.
func (r *release) listFiles(binary string) ([]shippedFile, error) {
	files := []shippedFile{{"streamcrypt", binary, 0o755}}
	for _, name := range []string{"LICENSE", "NOTICE", "README.md"} {
		files = append(files, shippedFile{name, name, 0o644})
	}
	for _, name := range []string{
		"LICENCES.txt", "streamcrypt.1", "streamcrypt.bash", "streamcrypt.fish", "streamcrypt.zsh",
	} {
		files = append(files, shippedFile{name, filepath.Join(r.stage, name), 0o644})
	}
	units, err := filepath.Glob("deploy/systemd/*")
	for _, name := range units {
		files = append(files, shippedFile{filepath.ToSlash(name), name, 0o644})
	}
	return files, err
}

// stageImage makes the folder that deploy/image/Dockerfile copies from.
func (r *release) stageImage(v variant, binary string) error {
	folder := filepath.Join(r.out, "image", v.arch)
	program, err := os.ReadFile(binary)
	if err != nil {
		return err
	}
	if err := writeShared(filepath.Join(folder, "ca-certificates.crt"), listRoots()); err != nil {
		return err
	}
	for _, name := range []string{"LICENSE", "NOTICE", filepath.Join(r.stage, "LICENCES.txt")} {
		text, err := os.ReadFile(name)
		if err != nil {
			return err
		}
		if err := writeShared(filepath.Join(folder, filepath.Base(name)), text); err != nil {
			return err
		}
	}
	return os.WriteFile(filepath.Join(folder, "streamcrypt"), program, 0o755) //nolint:gosec // everybody may run it
}

// listRoots returns the certificates of the authorities that browsers trust, in
// PEM. The module's version fixes them. A root that is trusted for some names
// only is left out: a file cannot say so.
func listRoots() []byte {
	var text bytes.Buffer
	for root := range bundle.Roots() {
		if root.Constraint == nil {
			_ = pem.Encode(&text, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}) // into memory
		}
	}
	return text.Bytes()
}
