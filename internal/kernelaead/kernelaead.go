//go:build afalg && linux

package kernelaead

import (
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"runtime"
	"sync"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// KeySize is the size of a key in bytes.
	KeySize   = 32
	nonceSize = 12
	tagSize   = 16
	// MaxMessage is how many bytes of additional data and plaintext one call
	// takes. The kernel holds a whole message before it begins, within the
	// usual size of a socket's buffers (net.core.wmem_default).
	MaxMessage = 160 << 10
)

var (
	// ErrOpen says that a tag did not verify.
	ErrOpen = errors.New("kernelaead: message authentication failed")
	// ErrTooLong says that a message is above MaxMessage.
	ErrTooLong = errors.New("kernelaead: the message is longer than the kernel takes at once")
)

// AEAD is AES-256-GCM under one key. It is safe for concurrent use: each call
// has a socket of its own from a pool. The sockets are closed when nothing
// refers to the AEAD any more.
type AEAD struct{ sockets *sockets }

var _ cipher.AEAD = (*AEAD)(nil)

// sockets are those of one key.
type sockets struct {
	mu   sync.Mutex
	bind int   // has the key
	idle []int // have no operation under way
}

// New makes an AEAD. The kernel keeps a copy of key while the AEAD is in use.
func New(key []byte) (*AEAD, error) {
	if len(key) != KeySize {
		return nil, fmt.Errorf("kernelaead: a key of %d bytes", len(key))
	}
	fd, err := unix.Socket(unix.AF_ALG, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, fmt.Errorf("kernelaead: socket: %w", err)
	}
	s := &sockets{bind: fd}
	if err := s.bindKey(key); err != nil {
		s.closeAll()
		return nil, err
	}
	a := &AEAD{s}
	runtime.AddCleanup(a, (*sockets).closeAll, s)
	return a, nil
}

func (s *sockets) bindKey(key []byte) error {
	if err := unix.Bind(s.bind, &unix.SockaddrALG{Type: "aead", Name: "gcm(aes)"}); err != nil {
		return fmt.Errorf("kernelaead: bind: %w", err)
	}
	// Package unix would copy the key. The size of the tag is the length of an
	// option without a value.
	if err := s.setOption(unix.ALG_SET_KEY, unsafe.Pointer(unsafe.SliceData(key)), len(key)); err != nil {
		return fmt.Errorf("kernelaead: set the key: %w", err)
	}
	if err := s.setOption(unix.ALG_SET_AEAD_AUTHSIZE, nil, tagSize); err != nil {
		return fmt.Errorf("kernelaead: set the size of the tag: %w", err)
	}
	fd, err := s.takeSocket()
	if err == nil {
		s.giveBack(fd)
	}
	return err
}

func (s *sockets) setOption(option int, value unsafe.Pointer, size int) error {
	_, _, code := unix.Syscall6(unix.SYS_SETSOCKOPT, uintptr(s.bind), unix.SOL_ALG, uintptr(option), uintptr(value),
		uintptr(size), 0)
	if code != 0 {
		return code
	}
	return nil
}

func (s *sockets) closeAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, fd := range append(s.idle, s.bind) {
		_ = unix.Close(fd) // nothing is to be written
	}
	s.idle = nil
}

// takeSocket returns a socket for one operation.
func (s *sockets) takeSocket() (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := len(s.idle); n > 0 {
		fd := s.idle[n-1]
		s.idle = s.idle[:n-1]
		return fd, nil
	}
	// The address of the peer must be null, which package unix does not do.
	fd, _, code := unix.Syscall6(unix.SYS_ACCEPT4, uintptr(s.bind), 0, 0, unix.SOCK_CLOEXEC, 0, 0)
	if code != 0 {
		return 0, fmt.Errorf("kernelaead: accept: %w", code)
	}
	return int(fd), nil
}

func (s *sockets) giveBack(fd int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.idle = append(s.idle, fd)
}

// NonceSize implements cipher.AEAD.
func (a *AEAD) NonceSize() int { return nonceSize }

// Overhead implements cipher.AEAD.
func (a *AEAD) Overhead() int { return tagSize }

// Seal implements cipher.AEAD. It panics where the kernel fails; TrySeal does
// not.
func (a *AEAD) Seal(dst, nonce, plaintext, additionalData []byte) []byte {
	out, err := a.TrySeal(dst, nonce, plaintext, additionalData)
	if err != nil {
		panic("kernelaead: seal: " + err.Error())
	}
	return out
}

// TrySeal is Seal with an error, with which dst is returned as it was.
func (a *AEAD) TrySeal(dst, nonce, plaintext, additionalData []byte) ([]byte, error) {
	return a.runOperation(dst, nonce, plaintext, additionalData, unix.ALG_OP_ENCRYPT, len(plaintext)+tagSize)
}

// Open implements cipher.AEAD. On an error dst is returned as it was, and its
// spare capacity has nothing of the plaintext. The error is ErrOpen if the tag
// does not verify, and another one if the kernel failed.
func (a *AEAD) Open(dst, nonce, ciphertext, additionalData []byte) ([]byte, error) {
	if len(ciphertext) < tagSize {
		return dst, ErrOpen
	}
	out, err := a.runOperation(dst, nonce, ciphertext, additionalData, unix.ALG_OP_DECRYPT, len(ciphertext)-tagSize)
	if errors.Is(err, unix.EBADMSG) {
		err = ErrOpen
	}
	return out, err
}

// runOperation has the kernel do one operation. The kernel wants the additional
// data in front of the text, and answers with both.
func (a *AEAD) runOperation(dst, nonce, text, additionalData []byte, op uint32, size int) ([]byte, error) {
	switch {
	case len(nonce) != nonceSize:
		return dst, fmt.Errorf("kernelaead: a nonce of %d bytes", len(nonce))
	case len(additionalData)+max(len(text), size) > MaxMessage+tagSize:
		return dst, ErrTooLong
	}
	defer runtime.KeepAlive(a) // its sockets are in use
	fd, err := a.sockets.takeSocket()
	if err != nil {
		return dst, err
	}
	message := append(append(make([]byte, 0, len(additionalData)+len(text)), additionalData...), text...)
	// As long as the answer: the kernel would wait to fill the rest. It does
	// not look at the tag at all where it is asked for no byte.
	answer := make([]byte, max(1, len(additionalData)+size))
	defer clear(message)
	defer clear(answer)
	n, err := sendAndRead(fd, nonce, message, len(additionalData), op, answer)
	if err != nil {
		// The socket may hold a rest of the operation: it is not used again.
		return dst, errors.Join(err, unix.Close(fd))
	}
	a.sockets.giveBack(fd)
	if n != len(additionalData)+size {
		return dst, fmt.Errorf("kernelaead: an answer of %d bytes, not %d", n, len(additionalData)+size)
	}
	return append(dst, answer[len(additionalData):n]...), nil
}

// sendAndRead sends one message with its parameters, and reads the answer.
func sendAndRead(fd int, nonce, message []byte, associated int, op uint32, answer []byte) (int, error) {
	sent, err := sendMessage(fd, message, encodeParams(nonce, associated, op))
	switch {
	case err != nil:
		return 0, fmt.Errorf("kernelaead: send: %w", err)
	case sent != len(message):
		return 0, fmt.Errorf("kernelaead: %d of %d bytes were taken", sent, len(message))
	}
	for {
		// The kernel makes the answer within this call, and never later.
		n, _, err := unix.Recvfrom(fd, answer, unix.MSG_DONTWAIT)
		if err == nil {
			return n, nil
		}
		if !errors.Is(err, unix.EINTR) {
			return 0, fmt.Errorf("kernelaead: read: %w", err)
		}
	}
}

// sendMessage sends a message, which may be empty: package unix would put a
// byte in its place. It does not wait for room, since nobody reads before it
// has ended.
func sendMessage(fd int, message, params []byte) (int, error) {
	part := unix.Iovec{Base: unsafe.SliceData(message)}
	part.SetLen(len(message))
	head := unix.Msghdr{Iov: &part, Control: unsafe.SliceData(params)}
	head.SetIovlen(1)
	head.SetControllen(len(params))
	n, _, code := unix.Syscall(unix.SYS_SENDMSG, uintptr(fd), uintptr(unsafe.Pointer(&head)), unix.MSG_DONTWAIT)
	runtime.KeepAlive(message)
	runtime.KeepAlive(params)
	if code != 0 {
		return 0, code
	}
	return int(n), nil
}

// encodeParams encodes the control messages of one operation: which one it is,
// the nonce, and how much of the message is additional data.
func encodeParams(nonce []byte, associated int, op uint32) []byte {
	number := func(n uint32) []byte { return binary.NativeEndian.AppendUint32(nil, n) }
	iv := append(number(uint32(len(nonce))), nonce...)
	var out []byte
	for _, part := range []struct {
		kind  int32
		value []byte
	}{
		{unix.ALG_SET_OP, number(op)}, {unix.ALG_SET_IV, iv}, {unix.ALG_SET_AEAD_ASSOCLEN, number(uint32(associated))},
	} {
		b := make([]byte, unix.CmsgSpace(len(part.value)))
		head := (*unix.Cmsghdr)(unsafe.Pointer(&b[0])) //nolint:gosec // aligned, and long enough
		head.Level, head.Type = unix.SOL_ALG, part.kind
		head.SetLen(unix.CmsgLen(len(part.value)))
		copy(b[unix.CmsgLen(0):], part.value)
		out = append(out, b...)
	}
	return out
}

// TrySealing seals and opens a message with the kernel, under a key of zeros.
// It returns why that is not possible.
func TrySealing() error {
	a, err := New(make([]byte, KeySize))
	if err != nil {
		return err
	}
	nonce := make([]byte, nonceSize) // the key seals nothing but this
	sealed, err := a.TrySeal(nil, nonce, []byte("message"), nil)
	if err != nil {
		return err
	}
	opened, err := a.Open(nil, nonce, sealed, nil)
	if err == nil && string(opened) != "message" {
		err = errors.New("kernelaead: another message came back")
	}
	return err
}
