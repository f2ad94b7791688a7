package coding

import (
	"errors"

	"github.com/klauspost/compress/zstd"
)

// Coding is what was done to a payload.
type Coding struct {
	Compressed bool
	Padded     bool
	Dictionary *Dictionary // that it was compressed with; nil: none
}

// Decoder decodes payloads in memory. It reuses its memory and is not safe for
// concurrent use.
type Decoder struct {
	limit int64
	zstd  *zstd.Decoder // of the dictionary below; nil before the first frame
	with  *Dictionary
	frame []byte
}

// NewDecoder returns a Decoder that inflates payloads to up to limit bytes, at
// least 1. Payloads that are not compressed are shorter than their coding, and
// have no limit here.
func NewDecoder(limit int64) *Decoder { return &Decoder{limit: max(1, limit)} }

// Append appends the payload of coded to dst. On an error dst comes back as it
// was. It does not change coded.
func (d *Decoder) Append(dst, coded []byte, c Coding) ([]byte, error) {
	if c.Padded {
		var err error
		if coded, err = StripPadding(coded); err != nil {
			return dst, err
		}
	}
	if !c.Compressed {
		return append(dst, coded...), nil
	}
	return d.inflate(dst, coded, c.Dictionary)
}

func (d *Decoder) inflate(dst, frame []byte, dictionary *Dictionary) ([]byte, error) {
	h, ok := parseFrameHead(frame)
	if !ok {
		return dst, errFrame
	}
	if err := h.check(dictionary, d.limit); err != nil {
		return dst, err
	}
	// Bytes behind the frame are a fault only of one that keeps to the limit: a
	// reader of a stream meets the limit first.
	end, isWhole := findFrameEnd(frame, &h)
	isWhole = isWhole && end == len(frame)
	frame = frame[:end]
	if dictionary != nil && h.id == 0 {
		d.frame = h.appendHead(d.frame[:0], frame, dictionary)
		d.frame = append(d.frame, frame[h.size:]...)
		frame = d.frame
	}
	if err := d.useDictionary(dictionary); err != nil {
		return dst, err
	}
	// The library takes bytes that stand in front for a part of the payload.
	spare := dst[len(dst):]
	out, err := d.zstd.DecodeAll(frame, spare)
	clear(d.frame)
	switch {
	case err == nil && isWhole && int64(len(out)) <= d.limit:
		return joinPayload(dst, out), nil
	case err == nil && int64(len(out)) > d.limit || errors.Is(err, zstd.ErrDecoderSizeExceeded):
		err = errPayload(d.limit)
	default: // it may show bytes of the payload
		err = errFrame
	}
	clear(out)
	clear(spare[:cap(spare)])
	return dst, err
}

// joinPayload appends a payload to dst that was decoded behind it, or in memory
// of its own if there was no room. No other copy of it is left.
func joinPayload(dst, payload []byte) []byte {
	spare := dst[len(dst):cap(dst)]
	switch {
	case len(payload) == 0:
		return dst
	case len(spare) > 0 && &spare[0] == &payload[0]:
		return dst[:len(dst)+len(payload)]
	}
	clear(spare) // the library may have begun there
	if len(dst) == 0 {
		return payload
	}
	dst = append(dst, payload...)
	clear(payload)
	return dst
}

// useDictionary makes the library's decoder for a dictionary. Neighbours are
// mostly of one.
func (d *Decoder) useDictionary(dictionary *Dictionary) (err error) {
	if d.zstd != nil && d.with == dictionary {
		return nil
	}
	if d.zstd != nil {
		d.zstd.Close()
	}
	d.zstd, err = zstd.NewReader(nil, decoderOptions(dictionary, d.limit)...)
	d.with = dictionary
	return err
}

func decoderOptions(dictionary *Dictionary, limit int64) []zstd.DOption {
	options := []zstd.DOption{
		zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(MaxWindow),
	}
	if limit > 0 { // the library takes no window that is larger
		options = append(options, zstd.WithDecoderMaxMemory(uint64(max(limit, MaxWindow))))
	}
	if dictionary != nil {
		options = append(options, zstd.WithDecoderDicts(dictionary.bytes))
	}
	return options
}
