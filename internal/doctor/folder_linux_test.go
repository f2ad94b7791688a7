package doctor

import (
	"os"
	"path/filepath"
	"runtime"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// TestAuditFolderOfAnother: an audit log that does not exist yet, in a folder
// in which this user makes no file.
func TestAuditFolderOfAnother(t *testing.T) {
	folder := t.TempDir()
	for path, mode := range map[string]os.FileMode{filepath.Dir(folder): 0o755, folder: 0o555} {
		if err := os.Chmod(path, mode); err != nil { // it is to be read by another user
			t.Fatal(err)
		}
	}
	if os.Geteuid() == 0 { // may make files everywhere: this thread is somebody else for a moment
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		setThreadUser(t, 65534)
		defer setThreadUser(t, 0)
	}
	want(t, CheckAudit(filepath.Join(folder, "audit.log")), AuditLog, findings.Fail, "no file can be made in "+folder)
}

// setThreadUser sets the effective user of this thread alone.
func setThreadUser(t *testing.T, user uintptr) {
	t.Helper()
	const same = ^uintptr(0)
	if _, _, err := unix.RawSyscall(unix.SYS_SETRESUID, same, user, same); err != 0 {
		t.Fatal(err)
	}
}
