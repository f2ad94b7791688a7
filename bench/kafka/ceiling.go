package main

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net"
	"strings"
)

// The composed ceiling is the limit of the machine: the steps that no carrier
// of records can leave out, in one goroutine, beside a peer that moves as many
// bytes as a broker does. Nothing else is done: records have a fixed length and
// stand one behind the other, and there are no groups, positions or answers.

// ceilingKey is the length of a record's key, in bytes; the rest is its value.
const ceilingKey = 9

// Associated data is as long as that of an envelope in the usual bench.
const ceilingBound = 118

// ceilingBlock is how many bytes are read at once, if a record is not larger.
// Smaller and larger blocks take more time.
const ceilingBlock = 128 << 10

const tagSize = 16

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ceilingStep turns one block of records into another, appended to dst.
type ceilingStep func(dst, block []byte) ([]byte, error)

// ceilingSteps are the steps of a job, and the length of a record as it comes.
func (j *job) ceilingSteps() (ceilingStep, int, error) {
	block, err := aes.NewCipher(make([]byte, 32))
	if err != nil {
		return nil, 0, err
	}
	gcm, err := cipher.NewGCM(block)
	if err != nil {
		return nil, 0, err
	}
	plain, sealed := ceilingKey+j.size, ceilingKey+j.size+j.growth
	head, bound := make([]byte, j.growth-tagSize), make([]byte, ceilingBound)
	var counter uint64
	nonce := make([]byte, gcm.NonceSize())
	next := func() []byte {
		counter++
		binary.BigEndian.PutUint64(nonce[4:], counter)
		return nonce
	}
	switch j.does {
	case "ceiling-copy":
		return func(dst, block []byte) ([]byte, error) { return append(dst, block...), nil }, plain, nil
	case "ceiling-seal":
		return func(dst, block []byte) ([]byte, error) {
			for ; len(block) > 0; block = block[plain:] {
				dst = append(append(dst, block[:ceilingKey]...), head...)
				dst = gcm.Seal(dst, next(), block[ceilingKey:plain], bound)
			}
			return dst, nil
		}, plain, nil
	case "ceiling-open":
		return func(dst, block []byte) (_ []byte, err error) {
			for ; len(block) > 0 && err == nil; block = block[sealed:] {
				dst = append(dst, block[:ceilingKey]...)
				dst, err = gcm.Open(dst, next(), block[ceilingKey+len(head):sealed], bound)
			}
			return dst, err
		}, sealed, nil
	}
	return nil, 0, fmt.Errorf("no job %q", j.does)
}

// carryBlocks reads blocks from the peer, makes their sums, as a reader of
// batches has to, does the steps, makes the sums of the result and writes it.
// The sums are compared with nothing: they are here for their time.
func carryBlocks(ctx context.Context, j *job) error {
	step, length, err := j.ceilingSteps()
	if err != nil {
		return err
	}
	addresses := strings.Split(j.broker, ",")
	if len(addresses) != 2 {
		return fmt.Errorf("%q: want two addresses", j.broker)
	}
	var d net.Dialer
	in, err := d.DialContext(ctx, "tcp", addresses[0])
	if err != nil {
		return err
	}
	defer in.Close() //nolint:errcheck // nothing was sent
	out, err := d.DialContext(ctx, "tcp", addresses[1])
	if err != nil {
		return err
	}
	stop := context.AfterFunc(ctx, func() { _ = errors.Join(in.Close(), out.Close()) })
	defer stop()
	block := make([]byte, max(1, ceilingBlock/length)*length)
	var done []byte
	for left := j.records; left > 0; {
		n := min(left, len(block)/length)
		if _, err := io.ReadFull(in, block[:n*length]); err != nil {
			return errors.Join(err, out.Close())
		}
		_ = crc32.Checksum(block[:n*length], castagnoli)
		if done, err = step(done[:0], block[:n*length]); err != nil {
			return errors.Join(err, out.Close())
		}
		_ = crc32.Checksum(done, castagnoli)
		if _, err := out.Write(done); err != nil {
			return errors.Join(err, out.Close())
		}
		left -= n
	}
	return out.Close()
}
