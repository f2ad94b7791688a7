package keycheck

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/streamcrypt/streamcrypt/chunker"
	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// maxWhole is more than an envelope in the single form takes, in bytes.
const maxWhole = cms.MaxHead + cms.MaxSingle + chunker.TagSize + cms.MaxRecipientSize + 1

// Raw looks at the one payload that r holds, in any of its forms
// (docs/envelope.md, section 9). It reads all of it in constant memory:
// recipients stand behind the ciphertext.
func (c *Checker) Raw(ctx context.Context, name string, r io.Reader) error {
	in := bufio.NewReaderSize(r, maxWhole)
	h, recipients, err := readEnvelope(in)
	if err == nil {
		err = readRest(in, h)
	}
	c.looked.Add(1)
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.placeOf(name)
	if err != nil {
		if reasonOf(err) == "" {
			return err
		}
		p.addMessage(0, c.countRefused(err))
		return nil
	}
	n, err := c.findNeed(ctx, h, recipients)
	switch {
	case err != nil:
		return err
	case n.malformed != nil:
		p.addMessage(0, c.countRefused(n.malformed))
	default:
		p.addMessage(0, c.countEnvelope(n))
	}
	return nil
}

// readEnvelope reads an envelope and keeps its head and recipients.
func readEnvelope(in *bufio.Reader) (*cms.Header, []byte, error) {
	b, err := peekBytes(in, cms.MaxHead)
	if err != nil {
		return nil, nil, err
	}
	var h cms.Header
	n, ok := cms.ParseHead(b, &h)
	if !ok {
		return nil, nil, refuseHead(in)
	}
	h.Commitment, h.KID = bytes.Clone(h.Commitment), bytes.Clone(h.KID)
	if err := discardBytes(in, n); err != nil {
		return nil, nil, err
	}
	if h.Chunked {
		err = skipSegments(in, h.ChunkSize)
	} else {
		err = skipSingle(in)
	}
	if err != nil || h.ByReference {
		return &h, nil, err
	}
	if b, err = peekBytes(in, cms.MaxRecipientSize+1); err != nil {
		return nil, nil, err
	}
	recipients, _, err := cms.SplitRecipients(b)
	if err != nil {
		return nil, nil, err
	}
	recipients = bytes.Clone(recipients)
	return &h, recipients, discardBytes(in, len(recipients))
}

// readRest reads the bytes behind the first envelope: none, or if that is a key
// record the payload that it is for.
func readRest(in *bufio.Reader, h *cms.Header) error {
	b, err := peekBytes(in, 1)
	if err != nil || len(b) == 0 {
		return err
	}
	trailing := fmt.Errorf("%w: bytes after the envelope", cms.ErrMalformed)
	if h.ByReference || h.Chunked || b[0] != 0xd0 {
		return trailing
	}
	payload, _, err := readEnvelope(in)
	switch {
	case err != nil:
		return err
	case !bytes.Equal(payload.KID, h.Commitment[:cms.KIDSize]):
		return fmt.Errorf("%w: the key record in front is another key's", cms.ErrMalformed)
	}
	if b, err = peekBytes(in, 1); err == nil && len(b) > 0 {
		return trailing
	}
	return err
}

func skipSingle(in *bufio.Reader) error {
	b, err := peekBytes(in, 5)
	if err != nil {
		return err
	}
	size, head, err := cms.CiphertextHead(b)
	if err != nil {
		return err
	}
	return discardBytes(in, head+size)
}

func skipSegments(in *bufio.Reader, chunkSize int) error {
	for count, last := 0, false; ; count++ {
		b, err := peekBytes(in, 5)
		if err != nil {
			return err
		}
		size, head, end, err := cms.SegmentHead(b, chunkSize)
		switch {
		case err != nil:
			return err
		case end && count < 2, !end && last:
			return fmt.Errorf("%w: segments", cms.ErrMalformed)
		}
		if err := discardBytes(in, head+size); err != nil || end {
			return err
		}
		last = size < cms.SegmentSize(chunkSize)
	}
}

// peekBytes returns the next n bytes, or all there are.
func peekBytes(in *bufio.Reader, n int) ([]byte, error) {
	b, err := in.Peek(n)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b, nil
}

func discardBytes(in *bufio.Reader, n int) error {
	_, err := in.Discard(n)
	if errors.Is(err, io.EOF) {
		return cms.ErrTruncated
	}
	return err
}

// refuseHead returns the reason why a head was refused; the strict parser wants
// the whole.
func refuseHead(in *bufio.Reader) error {
	b, err := peekBytes(in, maxWhole)
	if err != nil {
		return err
	}
	return cms.HeadError(b)
}
