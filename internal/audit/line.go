package audit

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/streamcrypt/streamcrypt/kekcache"
)

const (
	// maxLine is the longest line in bytes, its line feed included. 16 KEKs
	// have names of 2,048 bytes at most.
	maxLine = 64 << 10
	// maxWhy is how much of a reason is kept, in bytes.
	maxWhy = 1024
)

// Operations beside those of kekcache.
const (
	// OpKeyGenerated says that a key encryption key was made.
	OpKeyGenerated kekcache.Op = "key-generated"

	// opLineCut is the log's own.
	opLineCut kekcache.Op = "line-cut"
)

// Hash is the SHA-256 of a line.
type Hash [sha256.Size]byte

// String returns the hash in lower-case hex, as lines have it.
func (h Hash) String() string { return hex.EncodeToString(h[:]) }

// ParseHash reads the form that String returns.
func ParseHash(text string) (h Hash, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(h) {
		return h, fmt.Errorf("not %d hex digits", 2*len(h))
	}
	return Hash(b), nil
}

// genesis stands for the line before the first.
var genesis = Hash(sha256.Sum256([]byte("streamcrypt audit 1\n")))

// link is the end of a chain: the next line is written behind it.
type link struct {
	seq  uint64 // of the last line; 0 before the first
	hash Hash   // of the last line
}

var start = link{hash: genesis}

// line is one line. The order of its fields is part of the format.
type line struct {
	Seq      uint64      `json:"seq"`
	Time     string      `json:"time"`
	Op       kekcache.Op `json:"op"`
	KEKs     []string    `json:"keks,omitempty"`
	KID      string      `json:"kid,omitempty"`
	State    string      `json:"state,omitempty"`
	Why      string      `json:"why,omitempty"`
	Requests []string    `json:"requests,omitempty"`
	Store    string      `json:"store,omitempty"`
	Route    string      `json:"route,omitempty"`
	Context  string      `json:"context,omitempty"`
	Host     string      `json:"host,omitempty"`
	User     string      `json:"user,omitempty"`
	PID      int         `json:"pid,omitempty"`
	Version  string      `json:"version,omitempty"`
	Prev     string      `json:"prev"`
}

var errKID = fmt.Errorf("the kid of a data key has %d bytes", kekcache.KIDSize)

// newLine returns the line of e behind l.
func newLine(l link, e *kekcache.Event, who *Who, now time.Time) (*line, error) {
	if len(e.KID) != 0 && len(e.KID) != kekcache.KIDSize {
		return nil, errKID // anything of another size could be a key
	}
	out := &line{
		Seq: l.seq + 1, Time: now.UTC().Format(time.RFC3339Nano), Op: e.Op, KID: hex.EncodeToString(e.KID),
		KEKs: mendAll(e.KEKs), Why: shortenWhy(mendText(e.Why)), Requests: mendAll(e.Requests),
		Store: mendText(who.Store), Route: mendText(who.Route), Context: mendText(who.Context),
		Host: mendText(who.Host), User: mendText(who.User), PID: who.PID, Version: mendText(who.Version),
		Prev: l.hash.String(),
	}
	if e.Op == kekcache.OpState {
		out.State = e.State.String()
	}
	return out, nil
}

// mendText returns s in UTF-8. The JSON package has another encoding for bytes
// that it mends itself than for the same character where it is well formed.
func mendText(s string) string { return strings.ToValidUTF8(s, "\uFFFD") }

func mendAll(texts []string) (mended []string) {
	for _, s := range texts {
		mended = append(mended, mendText(s))
	}
	return mended
}

// shortenWhy cuts s to maxWhy bytes, and not inside a character.
func shortenWhy(s string) string {
	if len(s) <= maxWhy {
		return s
	}
	n := maxWhy
	for n > maxWhy-utf8.UTFMax && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// encodeLine returns the one encoding of a line, its line feed included.
func (l *line) encodeLine() ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(l); err != nil {
		return nil, err
	}
	if b.Len() > maxLine {
		return nil, fmt.Errorf("a line of %d bytes: at most %d are possible", b.Len(), maxLine)
	}
	return b.Bytes(), nil
}

var errNoLine = errors.New("not a line of an audit log")

// parsed is the part of a line that makes the chain.
type parsed struct {
	seq  uint64
	prev Hash
	hash Hash
	op   kekcache.Op
}

func (p *parsed) toLink() link { return link{seq: p.seq, hash: p.hash} }

// isBehind tells whether p stands right behind l.
func (p *parsed) isBehind(l link) bool { return p.seq == l.seq+1 && p.prev == l.hash }

// parseLine reads a line, line feed included. It takes no other encoding than
// that of encodeLine.
func parseLine(b []byte) (parsed, error) {
	var l line
	if len(b) > maxLine || json.Unmarshal(b, &l) != nil {
		return parsed{}, errNoLine
	}
	again, err := l.encodeLine()
	if err != nil || !bytes.Equal(again, b) {
		return parsed{}, errNoLine
	}
	prev, err := ParseHash(l.Prev)
	at, notTime := time.Parse(time.RFC3339Nano, l.Time)
	kid, notHex := hex.DecodeString(l.KID)
	switch {
	case err != nil, prev.String() != l.Prev, l.Seq == 0, l.Op == "":
		return parsed{}, errNoLine
	case notTime != nil, at.UTC().Format(time.RFC3339Nano) != l.Time:
		return parsed{}, errNoLine
	case notHex != nil, hex.EncodeToString(kid) != l.KID, len(kid) != 0 && len(kid) != kekcache.KIDSize:
		return parsed{}, errNoLine
	}
	return parsed{seq: l.Seq, prev: prev, hash: sha256.Sum256(b), op: l.Op}, nil
}
