package ops

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"io"
	"net/http"
	"strings"
)

// page shows /status.json. It loads nothing from anywhere else.
//
//go:embed page.html
var page string

// pagePolicy allows the page its own script and style, by their hashes, and
// nothing else: names of topics cannot become code.
var pagePolicy = "default-src 'none'; connect-src 'self'; base-uri 'none'; form-action 'none'; " +
	"frame-ancestors 'none'; script-src '" + hashBetween(page, "<script>", "</script>") + "'; " +
	"style-src '" + hashBetween(page, "<style>", "</style>") + "'"

// hashBetween returns the hash of an element's content as a policy has it.
func hashBetween(text, begin, end string) string {
	_, rest, _ := strings.Cut(text, begin)
	content, _, _ := strings.Cut(rest, end)
	sum := sha256.Sum256([]byte(content))
	return "sha256-" + base64.StdEncoding.EncodeToString(sum[:])
}

func servePage(w http.ResponseWriter, _ *http.Request) {
	h := w.Header()
	h.Set("Content-Security-Policy", pagePolicy)
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	_, _ = io.WriteString(w, page) // the client may have gone
}
