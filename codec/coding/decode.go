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

// NewDecoder returns a Decoder of payloads of up to limit bytes, at least 1.
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
		if int64(len(coded)) > d.limit {
			return dst, errPayload(d.limit)
		}
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
	out, err := d.zstd.DecodeAll(frame, dst)
	clear(d.frame)
	switch {
	case err == nil && isWhole && int64(len(out)-len(dst)) <= d.limit:
		return out, nil
	case err == nil && int64(len(out)-len(dst)) > d.limit || errors.Is(err, zstd.ErrDecoderSizeExceeded):
		err = errPayload(d.limit)
	default: // it may show bytes of the payload
		err = errFrame
	}
	if len(out) > len(dst) {
		clear(out[len(dst):])
	}
	clear(dst[len(dst):cap(dst)])
	return dst, err
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
