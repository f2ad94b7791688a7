package deploy

import (
	"os/exec"
	"runtime"
	"strings"
	"testing"
)

// TestKernelSeals runs "make afalg": the optional engine, in a virtual machine
// whose kernel has AF_ALG. No release contains the engine, so a machine without
// the tools skips it, and says which ones are missing.
func TestKernelSeals(t *testing.T) {
	skipUnlessRelease(t)
	var missing []string
	if runtime.GOOS+"/"+runtime.GOARCH != "linux/amd64" {
		missing = append(missing, "Linux on amd64")
	}
	for _, name := range []string{"qemu-system-x86_64", "busybox", "apt-get", "apt-cache", "dpkg-deb"} {
		if _, err := exec.LookPath(name); err != nil {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		t.Skipf("NOT CHECKED: sealing through the kernel, for want of %s", strings.Join(missing, ", "))
	}
	out := mustRun(t, "make", "afalg")
	t.Log(out[strings.Index(out, "== "):])
	if strings.Count(out, "--- PASS") < 20 || strings.Contains(out, "--- FAIL") {
		t.Error("too few tests passed")
	}
}
