package doctor

import "golang.org/x/sys/unix"

// drawReady returns an error where the system's generator would have to wait.
func drawReady(b []byte) error {
	_, err := unix.Getrandom(b, unix.GRND_NONBLOCK)
	return err
}
