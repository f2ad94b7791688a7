package main

import (
	"context"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"os"
	"sync"
)

// servePeer does with bytes as a broker does with records, for one carrier: it
// sends a file, which Linux does without a copy, and takes the bytes that
// return, makes its sum and writes it into another file. It prints the two
// addresses.
func servePeer(ctx context.Context, j *job, stdout io.Writer) error {
	var l net.ListenConfig
	sending, err := l.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	taking, err := l.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return errors.Join(err, sending.Close())
	}
	stop := context.AfterFunc(ctx, func() { _ = errors.Join(sending.Close(), taking.Close()) })
	defer stop()
	if _, err := fmt.Fprintf(stdout, "%s,%s\n", sending.Addr(), taking.Addr()); err != nil {
		return errors.Join(err, sending.Close(), taking.Close())
	}
	var both sync.WaitGroup
	var sent, taken error
	both.Go(func() { sent = sendFile(sending, j.from) })
	both.Go(func() { taken = takeFile(taking, j.to) })
	both.Wait()
	return errors.Join(sent, taken)
}

func sendFile(l net.Listener, name string) (err error) {
	f, err := os.Open(name)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer f.Close() //nolint:errcheck // it was only read
	c, err := l.Accept()
	if err != nil {
		return err
	}
	_, err = io.Copy(c, f)
	return errors.Join(err, c.Close(), l.Close())
}

func takeFile(l net.Listener, name string) (err error) {
	f, err := os.Create(name)
	if err != nil {
		return errors.Join(err, l.Close())
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	c, err := l.Accept()
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Close(), l.Close()) }()
	buf := make([]byte, 1<<20)
	for {
		n, err := io.ReadAtLeast(c, buf, len(buf)/2)
		_ = crc32.Checksum(buf[:n], castagnoli)
		if _, err := f.Write(buf[:n]); err != nil {
			return err
		}
		switch {
		case err == io.EOF || errors.Is(err, io.ErrUnexpectedEOF):
			return nil
		case err != nil:
			return err
		}
	}
}
