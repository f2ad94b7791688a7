package traces

import (
	"encoding/hex"
	"strings"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

// MaxLinks is how many links the span of a batch has at most: the first ones
// of the batch.
const MaxLinks = 128

// parentHeader is the header that names the span that a message comes from
// (W3C Trace Context). NATS writes names of headers with capitals.
const parentHeader = "traceparent"

// parent names a span of another process.
type parent struct {
	trace [16]byte
	span  [8]byte
	flags byte
}

// remoteFlags says that a link is to a span of another process (SpanFlags of
// OTLP).
const remoteFlags = 0x300

func (p *parent) linkFlags() uint32 { return remoteFlags | uint32(p.flags) }

// listParents returns the spans that messages come from, each once.
func listParents(msgs []pipeline.Message) (parents []*parent) {
	var seen map[parent]bool // by all but the flags
	for i := range msgs {
		for j := range msgs[i].Headers {
			h := &msgs[i].Headers[j]
			if !strings.EqualFold(h.Name, parentHeader) {
				continue
			}
			p, ok := parseParent(h.Value)
			id := parent{trace: p.trace, span: p.span}
			if !ok || seen[id] {
				continue
			}
			if seen == nil {
				seen = make(map[parent]bool)
			}
			seen[id] = true
			if parents = append(parents, &p); len(parents) == MaxLinks {
				return parents
			}
		}
	}
	return parents
}

// Where the fields of a traceparent lie: version-trace-span-flags, in hex.
const (
	traceAt, spanAt, flagsAt = 3, 36, 53
	parentSize               = 55
)

// parseParent reads a traceparent as W3C Trace Context, section 3.2.2, says: of
// a version above 0 the fields of version 0 are read.
func parseParent(b []byte) (p parent, ok bool) {
	if len(b) < parentSize || b[2] != '-' || b[spanAt-1] != '-' || b[flagsAt-1] != '-' {
		return p, false
	}
	if len(b) > parentSize && (string(b[:2]) == "00" || b[parentSize] != '-') {
		return p, false
	}
	var version, flags [1]byte
	fields := decodeHex(version[:], b[:2]) && decodeHex(flags[:], b[flagsAt:parentSize]) &&
		decodeHex(p.trace[:], b[traceAt:spanAt-1]) && decodeHex(p.span[:], b[spanAt:flagsAt-1])
	if !fields || version[0] == 0xff ||
		p.trace == [16]byte{} || p.span == [8]byte{} {
		return parent{}, false
	}
	p.flags = flags[0]
	return p, true
}

// decodeHex decodes small letters and digits alone, as the standard has it.
func decodeHex(dst, src []byte) bool {
	for _, c := range src {
		if 'A' <= c && c <= 'F' {
			return false
		}
	}
	_, err := hex.Decode(dst, src)
	return err == nil
}
