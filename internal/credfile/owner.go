package credfile

import (
	"io/fs"
	"os"
)

// Mode returns the mode of a secret's file as it has to be judged: if the file
// is root's and the process is not, its group may read it. Somebody has lent
// the file to the process through the group then, as Kubernetes does with
// Secrets, and could not lend it otherwise.
func Mode(info fs.FileInfo) fs.FileMode {
	owner, known := findOwner(info)
	if !known {
		return info.Mode()
	}
	return judgeMode(info.Mode(), owner, os.Geteuid())
}

const groupReads = 0o040

func judgeMode(mode fs.FileMode, owner, user int) fs.FileMode {
	if owner == 0 && user != 0 {
		return mode &^ groupReads
	}
	return mode
}
