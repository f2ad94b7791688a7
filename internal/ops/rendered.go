package ops

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// renderedFor is how long the status is told as it was rendered. Rendering
// takes milliseconds of a processor with a thousand places, and many may look.
const renderedFor = time.Second

// rendered is the last status that was rendered.
type rendered struct {
	mu            sync.Mutex
	at            time.Time
	plain, packed []byte // JSON, as it is and compressed
}

// read returns the status in one of its forms, rendered anew if the last one is
// too old. Requests that come meanwhile wait for it.
func (r *rendered) read(packed bool, render func() *status) []byte {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.at.IsZero() || time.Since(r.at) >= renderedFor {
		r.plain, r.packed = encodeStatus(render())
		r.at = time.Now()
	}
	if packed {
		return r.packed
	}
	return r.plain
}

// forget has the next request render the status anew.
func (r *rendered) forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.at = time.Time{}
}

func encodeStatus(s *status) (plain, packed []byte) {
	var text, small bytes.Buffer
	w, _ := gzip.NewWriterLevel(&small, gzip.BestSpeed) // a level that there is
	_ = json.NewEncoder(&text).Encode(s)                // of plain types, and a buffer takes everything
	_, _ = w.Write(text.Bytes())
	_ = w.Close()
	return text.Bytes(), small.Bytes()
}

// serveStatus serves /status.json. Compressed it fits into the buffers of a
// connection: while all processors are busy, each wait for a client that reads
// would cost a turn of the scheduler.
func (s *Server) serveStatus(w http.ResponseWriter, r *http.Request) {
	packed := strings.Contains(r.Header.Get("Accept-Encoding"), "gzip")
	body := s.rendered.read(packed, s.renderStatus)
	h := w.Header()
	h.Set("Content-Type", "application/json")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Vary", "Accept-Encoding")
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if packed {
		h.Set("Content-Encoding", "gzip")
	}
	_, _ = w.Write(body) // the client may have gone
}
