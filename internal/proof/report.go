package proof

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Finding is a kind of difference between both sides.
type Finding int

// The findings. docs/proof.md explains them.
const (
	// Missing: no envelope has the record.
	Missing Finding = iota
	// Extra: an envelope names a record that the plain side does not have.
	Extra
	// Different: the envelope of the record has other content.
	Different
	// Reordered: an envelope stands behind one of a later record.
	Reordered
	// Undecryptable: an envelope does not open.
	Undecryptable
	// Unverifiable: the plain side does not have the record any more.
	Unverifiable
	// Duplicate: a record has a second envelope.
	Duplicate
	// Unplaced: an envelope does not say where its record comes from.
	Unplaced

	findings = int(Unplaced) + 1
)

var findingNames = [findings]string{
	"missing", "extra", "different", "reordered", "undecryptable", "unverifiable", "duplicates", "unplaced",
}

// String returns the word of the report.
func (f Finding) String() string { return findingNames[f] }

// Counts count the records of a place, or of all places.
type Counts struct {
	PlainRecords  int64 `json:"plain_records"`
	PlainBytes    int64 `json:"plain_bytes"` // of keys and values
	SealedRecords int64 `json:"sealed_records"`
	SealedBytes   int64 `json:"sealed_bytes"` // of keys and values, opened
	Matched       int64 `json:"matched"`
	Missing       int64 `json:"missing"`
	// MissingAtEnd are those of Missing behind the last envelope of a place.
	MissingAtEnd  int64 `json:"missing_at_end"`
	Extra         int64 `json:"extra"`
	Different     int64 `json:"different"`
	Reordered     int64 `json:"reordered"`
	Undecryptable int64 `json:"undecryptable"`
	Unverifiable  int64 `json:"unverifiable"`
	Duplicates    int64 `json:"duplicates"`
	Unplaced      int64 `json:"unplaced"`
	// Superseded are records that compaction has rightly taken away.
	Superseded   int64 `json:"superseded"`
	ExtraHeaders int64 `json:"extra_headers"`
}

// countOf returns the count of a finding.
func (c *Counts) countOf(f Finding) *int64 {
	return [findings]*int64{
		&c.Missing, &c.Extra, &c.Different, &c.Reordered, &c.Undecryptable, &c.Unverifiable, &c.Duplicates, &c.Unplaced,
	}[f]
}

func (c *Counts) addCounts(o *Counts) {
	for f := range Finding(findings) {
		*c.countOf(f) += *o.countOf(f)
	}
	c.PlainRecords += o.PlainRecords
	c.PlainBytes += o.PlainBytes
	c.SealedRecords += o.SealedRecords
	c.SealedBytes += o.SealedBytes
	c.Matched += o.Matched
	c.MissingAtEnd += o.MissingAtEnd
	c.Superseded += o.Superseded
	c.ExtraHeaders += o.ExtraHeaders
}

// Report is the result of a comparison: docs/proof.schema.json.
type Report struct {
	Kind string `json:"kind"` // "streamcrypt/1 comparison"
	// Identical says that the sealed side has every record of the plain side,
	// once, in order and unchanged, and nothing else but records of which the
	// plaintext is gone.
	Identical bool   `json:"identical"`
	Problem   string `json:"problem,omitempty"` // why the comparison has no result

	Made   Made   `json:"made"`
	Plain  Side   `json:"plain"`
	Sealed Side   `json:"sealed"`
	Counts Counts `json:"counts"`
	// Places are those of the plaintext, by name.
	Places []Place `json:"places"`
	// Stray are the origins of envelopes that no place of the plaintext has.
	Stray map[string][]Origin `json:"stray,omitempty"`
	// Stored are the places in which the envelopes lie, by name.
	Stored []Stored `json:"stored"`
	// Notes are further things that an auditor should know.
	Notes []string `json:"notes,omitempty"`
}

// Made says who made a report, with which program, and when.
type Made struct {
	Host     string    `json:"host,omitempty"`
	User     string    `json:"user,omitempty"`
	Instance string    `json:"instance,omitempty"`
	Version  string    `json:"version,omitempty"`
	Started  time.Time `json:"started"`
	Ended    time.Time `json:"ended"`
	Passes   int       `json:"passes"`
	// DigestKey is the id of the key that the key of the digests was derived
	// from; "" if that was a random one.
	DigestKey string `json:"digest_key,omitempty"`
}

// Side is one side of a comparison.
type Side struct {
	Address string   `json:"address"` // without parameters
	Context string   `json:"context,omitempty"`
	Keys    []string `json:"keys,omitempty"` // their ids
	Signers []string `json:"signers,omitempty"`
	Receipt string   `json:"receipt,omitempty"` // of an archive
}

// Place is one place of the plaintext.
type Place struct {
	Place     string `json:"place"`
	Source    string `json:"source,omitempty"` // as envelopes name it, in hex
	Partition int    `json:"partition"`
	End       int64  `json:"end"` // the offset behind the last record, as of the start
	Counts
	// PlainHMAC and SealedHMAC are the sums of the digests.
	PlainHMAC  string              `json:"plain_hmac,omitempty"`
	SealedHMAC string              `json:"sealed_hmac,omitempty"`
	Origins    map[string][]Origin `json:"origins,omitempty"`
}

// Stored is a place in which envelopes lie.
type Stored struct {
	Place   string `json:"place"`
	First   int64  `json:"first"` // offset; -1: there is none
	Last    int64  `json:"last"`
	End     int64  `json:"end"`
	Records int64  `json:"records"`
	Bytes   int64  `json:"bytes"`
	SHA256  string `json:"sha256,omitempty"`
}

// ReportKind is Report.Kind.
const ReportKind = "streamcrypt/1 comparison"

// Report returns the result after the last pass.
func (c *Comparer) Report() *Report {
	c.mu.Lock()
	defer c.mu.Unlock()
	r := &Report{Kind: ReportKind, Made: Made{Passes: c.o.Passes}, Places: []Place{}, Stored: []Stored{}}
	r.Counts.addCounts(&c.loose)
	for _, p := range c.places {
		r.Counts.addCounts(&p.counts)
		r.Places = append(r.Places, c.describePlace(p))
	}
	slices.SortFunc(r.Places, func(a, b Place) int { return cmp.Compare(a.Place, b.Place) })
	r.Stray = listOrigins(&c.strays)
	for _, s := range c.order {
		line := Stored{Place: s.name, First: s.first, Last: s.last, End: s.end, Records: s.records, Bytes: s.bytes}
		if c.o.Ciphertext {
			line.SHA256 = hex.EncodeToString(s.hash.Sum(nil))
		}
		r.Stored = append(r.Stored, line)
	}
	slices.SortFunc(r.Stored, func(a, b Stored) int { return cmp.Compare(a.Place, b.Place) })
	if n := len(c.sources); c.o.AnySource && n > 1 {
		r.Notes = append(r.Notes, fmt.Sprintf("the envelopes name %d sources, which were taken for the plain side", n))
	}
	r.Identical = r.Verdict() == ""
	return r
}

func (c *Comparer) describePlace(p *place) Place {
	line := Place{
		Place: c.nameOf(p), Partition: int(p.id.Partition), End: p.end, Counts: p.counts,
		Origins: listOrigins(&p.found),
	}
	if p.id.Source != ([5]byte{}) {
		line.Source = hex.EncodeToString(p.id.Source[:])
	}
	if c.o.Digests {
		line.PlainHMAC, line.SealedHMAC = hex.EncodeToString(p.plainSum[:]), hex.EncodeToString(p.sealedSum[:])
	}
	return line
}

func listOrigins(found *[findings]origins) map[string][]Origin {
	var all map[string][]Origin
	for f := range Finding(findings) {
		if len(found[f]) == 0 {
			continue
		}
		if all == nil {
			all = map[string][]Origin{}
		}
		all[f.String()] = found[f]
	}
	return all
}

// Verdict says in which ways the sides differ; "" if they do not. Envelopes of
// records that are gone are no difference, unless nothing else is there.
func (r *Report) Verdict() string {
	var parts []string
	for f := range Finding(findings) {
		if n := *r.Counts.countOf(f); n > 0 && f != Unverifiable {
			parts = append(parts, fmt.Sprintf("%d %s", n, f))
		}
	}
	if n := r.Counts.ExtraHeaders; n > 0 {
		parts = append(parts, fmt.Sprintf("%d with headers that were not sealed", n))
	}
	if len(parts) == 0 && r.Counts.Matched+r.Counts.Superseded == 0 && r.Counts.Unverifiable > 0 {
		return fmt.Sprintf("nothing could be compared: the plaintext of %d records is gone", r.Counts.Unverifiable)
	}
	return strings.Join(parts, ", ")
}
