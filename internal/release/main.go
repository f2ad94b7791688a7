// Command release builds everything that is shipped, below one folder:
//
//	streamcrypt_VERSION_OS_ARCH.tar.gz   binary, manual, completions, licences
//	..._OS_ARCH_fips140.tar.gz           the same in FIPS mode
//	streamcrypt_VERSION_ARCH.deb, .rpm   the same for Linux, with the unit
//	streamcrypt_VERSION.cdx.json         bill of materials (CycloneDX)
//	image/ARCH/                          the files of deploy/image/Dockerfile
//	SHA256SUMS                           the digests of the files
//
// Two runs over one commit make equal bytes: every time in an archive is that
// of the commit, no path of this machine is in a binary, and names, owners and
// order are fixed. deploy/release_test.go compares two runs.
//
//	build.go      the go command, and the words that are linked in
//	variants.go   systems and modes
//	stage.go      the files beside the binary
//	archive.go    tar.gz
//	packages.go   nfpm and cyclonedx-gomod, each at a fixed version
//
// The program must not know how streamcrypt works; it asks the built command
// for its manual and completions.
package main

import (
	"context"
	"crypto/sha256"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var o options
	flag.StringVar(&o.version, "version", "", "the `version`, such as v1.2.3; otherwise one made of the commit")
	flag.StringVar(&o.out, "out", "dist", "the `folder` to write; it must not exist")
	only := flag.String("only", "", "build these `variants` alone, such as linux/amd64,linux/arm64/fips140")
	flag.BoolVar(&o.packages, "packages", true, "make deb, rpm and the bill of materials")
	flag.Parse()
	if err := run(ctx, o, *only); err != nil {
		fmt.Fprintln(os.Stderr, "release:", err)
		os.Exit(1)
	}
}

type options struct {
	version, out string
	packages     bool
}

func run(ctx context.Context, o options, only string) error {
	variants, err := selectVariants(only)
	if err != nil {
		return err
	}
	source, err := describeSource(ctx, o.version)
	if err != nil {
		return err
	}
	if err := os.Mkdir(o.out, 0o755); err != nil { //nolint:gosec // everybody may read it
		return err
	}
	stage, err := os.MkdirTemp("", "streamcrypt-release-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage) //nolint:errcheck // it is only in the way
	r := &release{options: o, source: source, stage: stage}
	if err := r.stageCommon(ctx); err != nil {
		return err
	}
	for _, v := range variants {
		if err := r.buildVariant(ctx, v); err != nil {
			return fmt.Errorf("%s: %w", v, err)
		}
	}
	if o.packages {
		if err := r.writeBill(ctx, filepath.Join(stage, variants[0].suffix(), "streamcrypt")); err != nil {
			return err
		}
	}
	return writeSums(o.out)
}

// release is one run.
type release struct {
	options
	source *source
	stage  string // a temporary folder
}

// fileName returns the path of a file that is shipped.
func (r *release) fileName(rest string) string {
	return filepath.Join(r.out, "streamcrypt_"+strings.TrimPrefix(r.source.version, "v")+rest)
}

// buildVariant makes everything for one system.
func (r *release) buildVariant(ctx context.Context, v variant) error {
	fmt.Println("release:", v)
	binary := filepath.Join(r.stage, v.suffix(), "streamcrypt")
	if err := r.build(ctx, v, binary); err != nil {
		return err
	}
	files, err := r.listFiles(binary)
	if err != nil {
		return err
	}
	if err := writeArchive(r.fileName("_"+v.suffix()+".tar.gz"), r.source.time, files); err != nil {
		return err
	}
	if v.system != "linux" || v.fips {
		return nil
	}
	if err := r.stageImage(v, binary); err != nil {
		return err
	}
	if !r.packages {
		return nil
	}
	return r.writePackages(ctx, v, binary)
}

// writeSums writes the digests of the files, as sha256sum does.
func writeSums(folder string) error {
	names, err := filepath.Glob(filepath.Join(folder, "streamcrypt_*"))
	if err != nil {
		return err
	}
	var sums strings.Builder
	for _, name := range names { // in the order of their names
		digest, err := digestFile(name)
		if err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", digest, filepath.Base(name))
	}
	return writeShared(filepath.Join(folder, "SHA256SUMS"), []byte(sums.String()))
}

func digestFile(name string) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close() //nolint:errcheck // opened for reading
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return nil, err
	}
	return h.Sum(nil), nil
}

// writeShared writes a file that everybody may read.
func writeShared(name string, text []byte) error {
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil { //nolint:gosec // everybody may read it
		return err
	}
	return os.WriteFile(name, text, 0o644) //nolint:gosec // everybody may read it
}
