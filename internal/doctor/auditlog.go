package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/streamcrypt/streamcrypt/internal/audit"
	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// largeLog is the size in bytes from which on an audit log should be rotated,
// and beyond which it is not checked here.
const largeLog = 256 << 20

// CheckAudit looks at the audit log: whether its chain is whole, and whether it
// can be written. It changes nothing.
func CheckAudit(path string) findings.Line {
	line := findings.Line{Check: AuditLog, Subject: path, Level: findings.Fail}
	file, err := os.OpenFile(path, os.O_RDWR, 0) // neither made nor cut
	if errors.Is(err, fs.ErrNotExist) {
		return checkAuditFolder(line, filepath.Dir(path))
	}
	if err != nil {
		line.Found = "it cannot be written: " + err.Error()
		line.Remedy = "without it no data key is made: give the user of the service the file, with mode 0600"
		return line
	}
	defer file.Close() //nolint:errcheck // nothing was written
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		line.Found, line.Remedy = err.Error(), "name a file: --audit FILE"
		return line
	}
	if info.Size() > largeLog {
		line.Level = findings.Warn
		line.Found = fmt.Sprintf("it has %d MiB, and was not checked here", info.Size()>>20)
		line.Remedy = "rotate it (docs/audit.md), and check it with streamcrypt keys audit verify"
		return line
	}
	var v audit.Verifier
	if err := errors.Join(v.AddFile(path, file), v.CheckEnd()); err != nil {
		line.Found = "its chain is broken: " + err.Error()
		line.Remedy = "keep the file as evidence, find out who changed it, and begin a new one (keys audit verify)"
		return line
	}
	line.Level, line.Found = findings.OK, fmt.Sprintf("%d lines, the chain is whole", v.Summary().Lines)
	return line
}

// checkAuditFolder looks at the folder in which a run would make the log.
func checkAuditFolder(line findings.Line, folder string) findings.Line {
	info, err := os.Stat(folder)
	if err == nil && !info.IsDir() {
		err = errors.New(folder + " is not a folder")
	}
	if err != nil {
		line.Found, line.Remedy = "it cannot be made: "+err.Error(), "make the folder, for the user of the service"
		return line
	}
	if err := canMakeFiles(folder); err != nil {
		line.Found = fmt.Sprintf("it cannot be made: no file can be made in %s: %v", folder, err)
		line.Remedy = "give the folder to the user of the service, or name another one; " +
			"in a unit of systemd, name it in ReadWritePaths= or LogsDirectory="
		return line
	}
	line.Level, line.Found = findings.OK, "a run makes it"
	return line
}
