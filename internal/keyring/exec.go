package keyring

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/address"
	"github.com/streamcrypt/streamcrypt/internal/textfile"
	"github.com/streamcrypt/streamcrypt/keys"
)

// commandTime is how long a command has to print a key: it may ask a service.
const commandTime = 30 * time.Second

var errLong = fmt.Errorf("printed more than the %d bytes that a key file has at most", maxFile)

// readExec reads a URL of the form exec:COMMAND.
func readExec(at *address.Address, p *address.Params) (loader, error) {
	args := p.ReadTexts(address.Param{
		Name: "arg", Values: "TEXT", Default: "(none)",
		Text: "an argument of the command, and no place for secrets; may be given several times, in that order",
	})
	if at.Hosts != nil || at.Path == "" {
		return loader{}, errors.New("not of the form exec:COMMAND")
	}
	if err := p.Check(); err != nil {
		return loader{}, err
	}
	return loader{
		wrapper: func(ctx context.Context, _ Env) (keys.Wrapper, error) {
			return readPrinted(ctx, at.Path, args, parseAnyPublic)
		},
		unwrapper: func(ctx context.Context, _ Env) (keys.Unwrapper, error) {
			return readPrinted(ctx, at.Path, args, parseAny)
		},
	}, nil
}

// readPrinted runs a command and parses the key that it prints. The bytes are
// cleared once they are parsed.
func readPrinted[K any](
	ctx context.Context, name string, args []string, parse func([]byte) (K, error),
) (key K, err error) {
	ctx, cancel := context.WithTimeout(ctx, commandTime)
	defer cancel()
	out := &keyBuffer{bytes: make([]byte, 0, maxFile), stop: cancel}
	defer func() { clear(out.bytes[:cap(out.bytes)]) }()
	command := exec.CommandContext(ctx, name, args...) //nolint:gosec // the person who configures keys names it
	command.Stdout = out
	command.WaitDelay = time.Second // for a child that keeps standard output open
	endWithChildren(command)
	switch err := command.Run(); {
	case out.isLong:
		return key, errLong
	case ctx.Err() != nil:
		return key, fmt.Errorf("the command did not end: %w", ctx.Err())
	case err != nil:
		return key, err // its exit status, or why it did not start
	}
	file, err := textfile.Clean(out.bytes)
	if err != nil {
		return key, err
	}
	return parse(file)
}

// keyBuffer takes the output of a command, of which it keeps maxFile bytes. It
// reads straight into its memory, which does not move, so no copy of a key is
// left behind.
type keyBuffer struct {
	bytes  []byte
	stop   func() // ends the command
	isLong bool
}

// ReadFrom implements io.ReaderFrom, which os/exec uses.
func (b *keyBuffer) ReadFrom(r io.Reader) (read int64, err error) {
	for {
		if len(b.bytes) == cap(b.bytes) {
			b.isLong = true
			b.stop()
			return read, errLong
		}
		n, err := r.Read(b.bytes[len(b.bytes):cap(b.bytes)])
		b.bytes = b.bytes[:len(b.bytes)+n]
		read += int64(n)
		if err == io.EOF {
			return read, nil
		}
		if err != nil {
			return read, err
		}
	}
}

// Write implements io.Writer.
func (b *keyBuffer) Write(p []byte) (int, error) {
	if len(p) > cap(b.bytes)-len(b.bytes) {
		b.isLong = true
		b.stop()
		return 0, errLong
	}
	b.bytes = append(b.bytes, p...)
	return len(p), nil
}

// parseAnyPublic takes the public half of a key file of any kind.
func parseAnyPublic(file []byte) (keys.Wrapper, error) {
	kind, err := findKindOf(file)
	if err != nil {
		return nil, err
	}
	return kind.parse(file)
}

// parseAny takes a key file of any kind.
func parseAny(file []byte) (keys.Unwrapper, error) {
	kind, err := findKindOf(file)
	if err != nil {
		return nil, err
	}
	return kind.parsePrivate(file)
}

var errNoKey = errors.New("printed no key: a JWK, PEM, or a curve key of NATS")

// findKindOf tells the kind of key that a file holds.
func findKindOf(file []byte) (*Kind, error) {
	if len(bytes.TrimSpace(file)) == 0 {
		return nil, errors.New("printed nothing")
	}
	for _, k := range Kinds() {
		if k.parse == nil {
			continue
		}
		if _, err := k.parse(file); err == nil {
			return &k, nil
		}
	}
	return nil, errNoKey
}
