package wire

import "sync"

// maxIdle is the most bytes that the pool keeps; more is left to the garbage
// collector.
const maxIdle = 32 << 20

// pool keeps the memory of fetches between two of them.
type pool struct {
	mu   sync.Mutex
	free []*FetchResponse
	size int
}

// get returns nil if there is none.
func (p *pool) get() *FetchResponse {
	p.mu.Lock()
	defer p.mu.Unlock()
	n := len(p.free)
	if n == 0 {
		return nil
	}
	r := p.free[n-1]
	p.free[n-1] = nil
	p.free = p.free[:n-1]
	p.size -= cap(r.exchange.buffer)
	return r
}

func (p *pool) put(r *FetchResponse) {
	poison(r.exchange.buffer)
	p.mu.Lock()
	defer p.mu.Unlock()
	if size := p.size + cap(r.exchange.buffer); size <= maxIdle && len(p.free) < 256 {
		p.free, p.size = append(p.free, r), size
	}
}

// poison lets tests overwrite memory that nobody may use any more.
var poison = func([]byte) {}
