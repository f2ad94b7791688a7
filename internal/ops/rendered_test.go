package ops

import (
	"compress/gzip"
	"io"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestStatusIsRenderedOnce: all who ask within a second are told one status,
// compressed or not, and a later one is told another.
func TestStatusIsRenderedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		s := &Server{source: Source{Routes: func() []Route {
			asked.Add(1)
			return []Route{busyRoute()}
		}}}
		read := func(encoding string) string {
			t.Helper()
			req := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/status.json", nil)
			req.Header.Set("Accept-Encoding", encoding)
			w := httptest.NewRecorder()
			s.serveStatus(w, req)
			if w.Header().Get("Content-Encoding") != encoding {
				t.Fatalf("%q for %q", w.Header().Get("Content-Encoding"), encoding)
			}
			body := io.Reader(w.Body)
			if encoding != "" {
				unpacked, err := gzip.NewReader(body)
				if err != nil {
					t.Fatal(err)
				}
				body = unpacked
			}
			text, err := io.ReadAll(body)
			if err != nil || len(text) == 0 {
				t.Fatal(text, err)
			}
			return string(text)
		}
		plain := read("")
		if packed := read("gzip"); packed != plain || asked.Load() != 1 {
			t.Errorf("rendered %d times: %s and %s", asked.Load(), plain, packed)
		}
		time.Sleep(renderedFor)
		read("gzip")
		s.rendered.forget()
		read("")
		if n := asked.Load(); n != 3 {
			t.Errorf("rendered %d times, and should be 3 times", n)
		}
	})
}
