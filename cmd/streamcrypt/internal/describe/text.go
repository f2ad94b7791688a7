package describe

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/streamcrypt/streamcrypt/codec/cms"
)

// WriteText writes a record for people.
func (r *Record) WriteText(w io.Writer) error {
	var out strings.Builder
	r.writeTitle(&out)
	t := &table{tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)}
	if r.Subject != "" {
		t.writeRow("subject", fmt.Sprintf("%q", r.Subject))
	}
	if r.Number > 0 || r.Origin != "" {
		t.writeRow("key", writeKeySize(r.KeySize))
	}
	if len(r.Headers) > 0 {
		t.writeRow("headers", fmt.Sprintf("%q", r.Headers))
	}
	if r.Error != "" {
		t.writeRow("error", r.Error)
	}
	if r.Envelope != nil {
		r.Envelope.writeRows(t)
	}
	_ = t.w.Flush() // a strings.Builder takes all
	_, err := io.WriteString(w, out.String())
	return err
}

// writeTitle names the record where there may be more than one.
func (r *Record) writeTitle(w *strings.Builder) {
	switch {
	case r.Origin != "":
		fmt.Fprintf(w, "%s: %s\n", r.Origin, r.Kind)
	case r.Number > 0:
		fmt.Fprintf(w, "message %d: %s\n", r.Number, r.Kind)
	case r.Kind != "":
		fmt.Fprintf(w, "%s\n", r.Kind)
	}
}

func writeKeySize(n *int) string {
	if n == nil {
		return "null"
	}
	return writeBytes(int64(*n))
}

type table struct{ w *tabwriter.Writer }

func (t *table) writeRow(name, text string) { _, _ = fmt.Fprintf(t.w, "  %s\t%s\n", name, text) }

func (e *Envelope) writeRows(t *table) {
	t.writeRow("profile", e.Profile+", "+e.Form)
	t.writeRow("alg", e.Alg.String())
	t.writeRow("position", e.Position.String())
	t.writeRow("bound", e.Position.describeBound())
	t.writeRow("created", e.Position.Created.Format(time.RFC3339))
	if e.Commitment != "" {
		t.writeRow("commitment", e.Commitment)
	}
	if e.KID != "" {
		t.writeRow("kid", e.KID+" (of the key record)")
	}
	t.writeRow("iv", fmt.Sprintf("%s (lease %d, counter %d, unless random)", e.IV.Hex, e.IV.Lease, e.IV.Counter))
	if e.Form == "chunked" {
		size := writeBytes(int64(e.ChunkSize))
		t.writeRow("chunks", fmt.Sprintf("%d of %s, message id %s", e.Chunks, size, e.MessageID))
	}
	t.writeRow("payload", fmt.Sprintf("%s, in %s", writeBytes(e.Payload), writeBytes(e.Size)))
	if c := e.Coding; c != nil {
		t.writeRow("coding", c.String())
	}
	if s := e.Signature; s != nil {
		t.writeRow("signature", fmt.Sprintf("by %s, from %s to %s, not verified", s.KID,
			s.From.Format(time.RFC3339), s.Until.Format(time.RFC3339)))
	}
	for _, r := range e.Recipients {
		kid, size := r.KID, writeBytes(int64(r.Wrapped))
		if cms.HasTextKID(r.Alg.ID) { // it is a stranger's
			kid = strconv.Quote(kid)
		}
		t.writeRow("recipient", fmt.Sprintf("%s, kid %s, wrapped key of %s", r.Alg, kid, size))
	}
	if e.Unknown > 0 {
		t.writeRow("recipient", fmt.Sprintf("%d of kinds that this version does not know", e.Unknown))
	}
}

// String names the algorithm, with its number in COSE.
func (a Alg) String() string { return fmt.Sprintf("%s (%d)", a.Name, a.ID) }

// String tells what was done to the payload.
func (c *Coding) String() string {
	text := "compression " + c.Compression
	if c.Dictionary != "" {
		text += ", dictionary " + c.Dictionary
	}
	if c.Padded {
		text += ", padded"
	}
	return text
}

// describeBound tells what the envelope is bound to beside subject and key.
func (p Position) describeBound() string {
	text := fmt.Sprintf("the first %d headers", p.Bound)
	if p.Headers == "named" {
		text = "named headers"
	}
	if p.Time {
		text += ", the record's time"
	}
	return text
}

// String tells where the message was stored.
func (p Position) String() string {
	if strings.Trim(p.Source, "0") == "" {
		return "none recorded"
	}
	at := fmt.Sprintf("source %s, partition %d, term %d, offset %d", p.Source, p.Partition, p.Term, p.Offset)
	if p.SamePartition {
		at += ", kept in its partition"
	}
	switch {
	case p.Distance == nil:
		return at + ", ordered, the previous one is unknown"
	case *p.Distance == 0:
		return at + ", not ordered"
	}
	return fmt.Sprintf("%s, %d after the previous one", at, *p.Distance)
}

func writeBytes(n int64) string {
	if n == 1 {
		return "1 byte"
	}
	return fmt.Sprintf("%d bytes", n)
}
