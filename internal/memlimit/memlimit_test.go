package memlimit

import (
	"runtime/debug"
	"testing"
	"testing/fstest"
)

func TestCgroup(t *testing.T) {
	file := func(s string) *fstest.MapFile { return &fstest.MapFile{Data: []byte(s)} }
	tests := []struct {
		name string
		fs   fstest.MapFS
		want int64
	}{
		{"none", fstest.MapFS{}, unlimited},
		{"v2", fstest.MapFS{"proc/self/cgroup": file("0::/a/b\n"), "sys/fs/cgroup/a/b/memory.max": file("1048576\n")}, 1 << 20},
		{"v2 no limit", fstest.MapFS{"proc/self/cgroup": file("0::/a\n"), "sys/fs/cgroup/a/memory.max": file("max\n")}, unlimited},
		{"v2 parent is lower", fstest.MapFS{
			"proc/self/cgroup":             file("0::/a/b\n"),
			"sys/fs/cgroup/a/b/memory.max": file("max\n"), "sys/fs/cgroup/a/memory.max": file("4096\n"),
		}, 4096},
		{"v2 in a container", fstest.MapFS{"proc/self/cgroup": file("0::/\n"), "sys/fs/cgroup/memory.max": file("8192\n")}, 8192},
		{"v1", fstest.MapFS{
			"proc/self/cgroup": file("9:cpu,cpuacct:/x\n5:memory:/docker/1\n"),
			"sys/fs/cgroup/memory/docker/1/memory.limit_in_bytes": file("65536\n"),
		}, 65536},
		{"v1 the host's path", fstest.MapFS{
			"proc/self/cgroup":                           file("5:memory:/docker/1\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("65536\n"),
		}, 65536},
		{"v1 default", fstest.MapFS{
			"proc/self/cgroup":                           file("5:memory:/\n"),
			"sys/fs/cgroup/memory/memory.limit_in_bytes": file("9223372036854771712\n"),
		}, 9223372036854771712},
		{"escaping path", fstest.MapFS{"proc/self/cgroup": file("0::/../..\n"), "sys/fs/cgroup/memory.max": file("7\n")}, 7},
		{"nonsense", fstest.MapFS{"proc/self/cgroup": file("x\n0::/\n"), "sys/fs/cgroup/memory.max": file("-3\n")}, unlimited},
	}
	for _, tc := range tests {
		if got := ReadCgroup(tc.fs); got != tc.want {
			t.Errorf("%s: got %d, want %d", tc.name, got, tc.want)
		}
	}
}

func TestReserve(t *testing.T) {
	t.Setenv("GOMEMLIMIT", "") // restores it
	before := debug.SetMemoryLimit(-1)
	limit := func() int64 { return debug.SetMemoryLimit(-1) }
	one := Reserve(1 << 30)
	two := Reserve(2 << 30)
	if got := limit(); got != 3<<30 {
		t.Errorf("both: %d", got)
	}
	one()
	one() // a second release releases nothing
	if got := limit(); got != 2<<30 {
		t.Errorf("after one was released: %d", got)
	}
	two()
	if got := limit(); got != before {
		t.Errorf("at the end: %d, want %d", got, before)
	}
	t.Setenv("GOMEMLIMIT", "1GiB")
	defer Reserve(1 << 30)()
	if got := limit(); got != before {
		t.Errorf("the user's GOMEMLIMIT is overruled: %d", got)
	}
}
