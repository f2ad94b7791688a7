package memlimit

import (
	"bufio"
	"bytes"
	"io/fs"
	"path"
	"strconv"
	"strings"
)

// ReadCgroup returns the lowest memory limit, in bytes, of this process's
// cgroup and those above it, in either version. root is the root of the file
// system. Without a limit, or where there are no cgroups, it returns
// math.MaxInt64.
func ReadCgroup(root fs.FS) int64 {
	membership, err := fs.ReadFile(root, "proc/self/cgroup")
	if err != nil {
		return unlimited
	}
	limit := int64(unlimited)
	lines := bufio.NewScanner(bytes.NewReader(membership))
	for lines.Scan() {
		// hierarchy-ID:controllers:path; version 2 has the one line 0::path
		fields := strings.SplitN(lines.Text(), ":", 3)
		switch {
		case len(fields) != 3:
		case fields[0] == "0" && fields[1] == "":
			limit = min(limit, findLowest(root, "sys/fs/cgroup", fields[2], "memory.max"))
		case hasMemory(fields[1]):
			limit = min(limit, findLowest(root, "sys/fs/cgroup/memory", fields[2], "memory.limit_in_bytes"))
		}
	}
	return limit
}

func hasMemory(controllers string) bool {
	for c := range strings.SplitSeq(controllers, ",") {
		if c == "memory" {
			return true
		}
	}
	return false
}

// findLowest reads the limits of a group and its parents. In a container the
// group's path may be the host's while the mount shows the container's own
// group, so the mount itself is always read.
func findLowest(root fs.FS, mount, group, file string) int64 {
	limit := int64(unlimited)
	for group = path.Clean("/" + group); ; group = path.Dir(group) {
		limit = min(limit, readLimit(root, path.Join(mount, group, file)))
		if group == "/" {
			return limit
		}
	}
}

// readLimit returns the number in a limit file. "max", and version 1's huge
// default, mean none.
func readLimit(root fs.FS, name string) int64 {
	text, err := fs.ReadFile(root, name)
	if err != nil {
		return unlimited
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	if err != nil || n <= 0 {
		return unlimited
	}
	return n
}
