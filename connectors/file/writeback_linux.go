package file

import "syscall"

// syncFileRangeWrite is SYNC_FILE_RANGE_WRITE of sync_file_range(2): begin
// writing, do not wait.
const syncFileRangeWrite = 2

// startWriteback asks the kernel to begin writing a part of a file to the disk,
// so that the sync at the end has little left to do. It promises nothing, so an
// error means nothing.
func startWriteback(h handle, from, size int64) {
	f, ok := h.(syscall.Conn)
	if !ok {
		return
	}
	conn, err := f.SyscallConn()
	if err != nil {
		return
	}
	_ = conn.Control(func(fd uintptr) { _ = syscall.SyncFileRange(int(fd), from, size, syncFileRangeWrite) })
}
