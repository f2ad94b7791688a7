package batch

import (
	"unsafe"

	"github.com/streamcrypt/streamcrypt/pipeline"
)

const (
	messageSize = int(unsafe.Sizeof(pipeline.Message{}))
	headerSize  = int(unsafe.Sizeof(pipeline.Header{}))

	chunkSize = 256 << 10 // inflated bytes share arrays of this size; a larger record has its own
	chunkStep = 64 << 10  // sizes of larger ones are multiples of this, so that the next record fits too
	chunkKept = 2 << 20   // larger ones are not kept
	maxNames  = 1024      // distinct header names that are kept
	maxName   = 256       // bytes of the longest that is
)

// Records takes the messages of a Reader, and has the arrays that they lean on.
// It is recycled: Reset gives everything back at once, and nothing that was
// read may be used after it.
//
// Keys, values and header values alias the set that was given to Reader.Reset
// or, if the batch was compressed, memory of Records. Messages.Headers are
// slices of one array; appending to them copies.
type Records struct {
	// Messages has all that was read since Reset, in the order of the reads.
	Messages []pipeline.Message

	headers []pipeline.Header
	names   map[string]string
	size    int
	chunks  [][]byte // inflated bytes; messages alias chunks[:used], of the last of them up to filled
	used    int
	filled  int
}

// Size is the memory that the messages pin, in bytes: their records as they
// were before compression, and the structs.
func (r *Records) Size() int { return r.size }

// Reset forgets all messages and keeps the memory for the next ones.
func (r *Records) Reset() {
	clear(r.Messages) // they point into buffers of others
	clear(r.headers)
	for i := range r.chunks[:r.used] {
		if len(r.chunks[i]) > chunkKept {
			r.chunks[i] = nil
		}
	}
	r.Messages, r.headers = r.Messages[:0], r.headers[:0]
	r.size, r.used, r.filled = 0, 0, 0
}

// internName gives b as a string. Names repeat, so most are known and cost no
// allocation.
func (r *Records) internName(b []byte) string {
	if known, ok := r.names[string(b)]; ok {
		return known
	}
	name := string(b)
	if len(name) > maxName {
		return name
	}
	if r.names == nil || len(r.names) >= maxNames {
		r.names = make(map[string]string)
	}
	r.names[name] = name
	return name
}

// reserveRoom returns free memory for at least n inflated bytes. takeRoom says
// how much of it is used.
func (r *Records) reserveRoom(n int) []byte {
	if r.used > 0 {
		if free := r.chunks[r.used-1][r.filled:]; len(free) >= n {
			return free
		}
	}
	r.filled = 0
	r.used++
	if r.used > len(r.chunks) {
		r.chunks = append(r.chunks, nil)
	}
	chunk := &r.chunks[r.used-1]
	if len(*chunk) < n {
		*chunk = make([]byte, max(chunkSize, (n+chunkStep-1)/chunkStep*chunkStep))
	}
	return *chunk
}

// takeRoom makes the first n bytes of the last room belong to messages.
func (r *Records) takeRoom(n int) { r.filled += n }
