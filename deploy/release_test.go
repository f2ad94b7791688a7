package deploy

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
)

// checkedVersion is the version of the releases that these tests build.
const checkedVersion = "v1.2.3"

// built is one release for all tests, since a build takes minutes.
var built struct {
	sync.Once
	dir string
	err string
}

// buildRelease returns the folder of a release for this machine.
func buildRelease(t *testing.T) string {
	t.Helper()
	built.Do(func() {
		dir, err := os.MkdirTemp("", "release")
		if err != nil {
			t.Fatal(err)
		}
		built.dir = filepath.Join(dir, "dist")
		built.err = makeRelease(t, built.dir)
	})
	if built.err != "" {
		t.Fatal(built.err)
	}
	return built.dir
}

// makeRelease returns a text if the release failed.
func makeRelease(t *testing.T, dir string) string {
	t.Helper()
	variants := os.Getenv("TEST_RELEASE_VARIANTS")
	if variants == "" {
		variants = "linux/" + runtime.GOARCH + ",linux/" + runtime.GOARCH + "/fips140,darwin/arm64"
	}
	if variants == "all" {
		variants = ""
	}
	out, err := runTool(t.Context(), t, nil, "go", "run", "./internal/release", "-version", checkedVersion,
		"-out", dir, "-only", variants)
	if err != nil {
		return err.Error() + "\n" + out
	}
	return ""
}

// TestReproducible makes a release twice: every file has the same bytes.
func TestReproducible(t *testing.T) {
	skipUnlessRelease(t)
	first, second := buildRelease(t), filepath.Join(t.TempDir(), "dist")
	if failed := makeRelease(t, second); failed != "" {
		t.Fatal(failed)
	}
	files := 0
	err := filepath.WalkDir(first, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		name, err := filepath.Rel(first, path)
		if err != nil {
			return err
		}
		one, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		two, err := os.ReadFile(filepath.Join(second, name))
		if err != nil {
			return err
		}
		if !bytes.Equal(one, two) {
			t.Errorf("%s differs", name)
		}
		return nil
	})
	if err != nil || files < 10 {
		t.Errorf("%d files, %v", files, err)
	}
}

// TestReleaseFiles: the digests are right, the binaries say which version they
// are, and the bill of materials has the modules.
func TestReleaseFiles(t *testing.T) {
	skipUnlessRelease(t)
	needTools(t, "sha256sum", "tar")
	dist := buildRelease(t)
	mustRun(t, "sh", "-c", "cd "+dist+" && sha256sum --check --strict SHA256SUMS")
	for suffix, want := range map[string]string{"": `"fips140":"off"`, "_fips140": `"fips140":"on"`} {
		dir := t.TempDir()
		archive := filepath.Join(dist, "streamcrypt_1.2.3_linux_"+runtime.GOARCH+suffix+".tar.gz")
		mustRun(t, "tar", "xzf", archive, "-C", dir)
		said := mustRun(t, filepath.Join(dir, "streamcrypt"), "version", "--json")
		if !strings.Contains(said, `"version":"`+checkedVersion+`"`) || !strings.Contains(said, want) {
			t.Errorf("%s says %s", archive, said)
		}
		for _, name := range []string{"LICENSE", "NOTICE", "LICENCES.txt", "streamcrypt.1", "streamcrypt.bash"} {
			if info, err := os.Stat(filepath.Join(dir, name)); err != nil || info.Size() == 0 {
				t.Errorf("%s in %s: %v", name, archive, err)
			}
		}
		if suffix != "" {
			checkRandomNonces(t, filepath.Join(dir, "streamcrypt"))
		}
	}
	var bill struct {
		BOMFormat  string
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(dist, "streamcrypt_1.2.3.cdx.json"))), &bill); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, component := range bill.Components {
		names = append(names, component.Name)
	}
	if bill.BOMFormat != "CycloneDX" || !slices.Contains(names, "github.com/fxamacker/cbor/v2") ||
		slices.Contains(names, "github.com/nats-io/nats-server/v2") {
		t.Errorf("%s %v", bill.BOMFormat, names)
	}
}

// checkRandomNonces has a FIPS binary seal and open in the mode that allows
// nothing else.
func checkRandomNonces(t *testing.T, binary string) {
	t.Helper()
	dir := t.TempDir()
	orders := filepath.Join(dir, "orders.ndjson")
	if err := os.WriteFile(orders, []byte(`{"key":"o1","value":"widget"}`+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key := "local:" + filepath.Join(dir, "key.jwk")
	for _, args := range [][]string{
		{"keygen", "local", "--out", filepath.Join(dir, "key.jwk")},
		{"encrypt", "--nonce", "random", "--key", key, "--from", "file:" + orders, "--to", "file:" + filepath.Join(dir, "o.scx")},
		{"decrypt", "--key", key, "--from", "file:" + filepath.Join(dir, "o.scx"), "--to", "file:" + filepath.Join(dir, "back.ndjson")},
	} {
		if out, err := runTool(t.Context(), t, []string{"GODEBUG=fips140=only"}, binary, args...); err != nil {
			t.Fatalf("%v: %v\n%s", args, err, out)
		}
	}
	if back := readFile(t, filepath.Join(dir, "back.ndjson")); !strings.Contains(back, "widget") {
		t.Error(back)
	}
}

// packaged are the files that both packages must have.
var packaged = []string{
	"/usr/bin/streamcrypt", "/usr/lib/systemd/system/streamcrypt.service", "/usr/lib/systemd/system/streamcrypt@.service",
	"/usr/lib/sysusers.d/streamcrypt.conf",
	"/usr/share/man/man1/streamcrypt.1.gz", "/usr/share/bash-completion/completions/streamcrypt",
	"/usr/share/doc/streamcrypt/LICENCES.txt", "/usr/share/doc/streamcrypt/examples/streamcrypt.yaml", "/etc/streamcrypt",
}

// TestPackages looks into the packages as dpkg and rpm do.
func TestPackages(t *testing.T) {
	skipUnlessRelease(t)
	needTools(t, "dpkg-deb", "rpm")
	dist := buildRelease(t)
	base := filepath.Join(dist, "streamcrypt_1.2.3_"+runtime.GOARCH)
	deb := mustRun(t, "dpkg-deb", "--contents", base+".deb")
	rpm := mustRun(t, "rpm", "--query", "--list", "--package", base+".rpm")
	for _, name := range packaged {
		if !strings.Contains(deb, " ."+name) {
			t.Errorf("the deb lacks %s", name)
		}
		if !strings.Contains(rpm, name+"\n") {
			t.Errorf("the rpm lacks %s", name)
		}
	}
	for _, line := range strings.Split(deb, "\n") {
		if strings.HasSuffix(line, " ./usr/bin/streamcrypt") && !strings.HasPrefix(line, "-rwxr-xr-x root/root") {
			t.Error(line)
		}
	}
	about := mustRun(t, "dpkg-deb", "--field", base+".deb", "Package", "Version", "Architecture")
	for _, want := range []string{"Package: streamcrypt", "Version: 1.2.3", "Architecture: " + runtime.GOARCH} {
		if !strings.Contains(about, want) {
			t.Errorf("the deb says %s", about)
		}
	}
	said := mustRun(t, "rpm", "--query", "--queryformat", "%{NAME} %{VERSION} %{LICENSE}", "--package", base+".rpm")
	if said != "streamcrypt 1.2.3 Apache-2.0" {
		t.Errorf("the rpm says %s", said)
	}
}
