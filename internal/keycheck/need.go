package keycheck

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/kekcache"
	"github.com/streamcrypt/streamcrypt/keys"
)

const (
	// maxNeeds is how many data keys are remembered.
	maxNeeds = 100_000
	// maxRows is how many KEKs are told apart.
	maxRows = 1000
)

// Reasons why envelopes cannot be opened, beside those of a key service.
const (
	whyUnconfigured = "not configured"
	whyNoKey        = "none of its keys is configured"
	whyNoStore      = "by reference, and no key store is given"
	whyNoRecord     = "no key record"
)

// need says which keys can open the envelopes with one data key.
type need struct {
	rows       []*KEK
	signers    []*Signer // of those that have signed the data key
	more       int64     // recipients without a row
	recipients int
	why        string // it cannot be unwrapped; "" if it can
	malformed  error  // the recipients are none
}

// needName is a data key, how it is wrapped and in which context, by their
// hash.
type needName [sha256.Size]byte

func nameOf(h *cms.Header, encoded []byte, context string) (name needName) {
	sum := sha256.New()
	contextSum := sha256.Sum256([]byte(context))
	sum.Write(contextSum[:])
	sum.Write(h.Commitment) // of another size than a kid
	sum.Write(h.KID)
	sum.Write(encoded)
	sum.Sum(name[:0])
	return name
}

// wrapping is a data key, wrapped for its recipients.
type wrapping struct {
	sealed     kekcache.Sealed // as it stands in an envelope or a key record
	recipients []keys.Wrapped
	count      int // those of unknown kinds included
}

// findNeed finds out which keys can open an envelope, once for all with the
// same data key and recipients.
func (c *Checker) findNeed(ctx context.Context, h *cms.Header, encoded []byte) (*need, error) {
	name := nameOf(h, encoded, c.context.Name)
	if n := c.needs[name]; n != nil {
		return n, nil
	}
	n, err := c.makeNeed(ctx, h, encoded)
	if err != nil {
		return nil, err
	}
	if len(c.needs) >= maxNeeds {
		for old := range c.needs { // any one
			delete(c.needs, old)
			break
		}
	}
	c.needs[name] = n
	return n, nil
}

func (c *Checker) makeNeed(ctx context.Context, h *cms.Header, encoded []byte) (*need, error) {
	n := &need{}
	var wrappings []wrapping
	switch {
	case !h.ByReference:
		w, err := parseWrapping(h, encoded)
		if err != nil {
			n.malformed = err
			return n, nil //nolint:nilerr // the envelope is at fault, and that is what is found
		}
		wrappings = []wrapping{w}
	case c.o.Store == nil && len(c.kept[[cms.KIDSize]byte(h.KID)]) == 0:
		n.why = whyNoStore
	default:
		var err error
		if wrappings, err = c.readStored(ctx, [cms.KIDSize]byte(h.KID)); err != nil {
			return nil, err
		}
		if len(wrappings) == 0 {
			n.why = whyNoRecord
		}
	}
	return n, c.fillNeed(ctx, n, wrappings)
}

// parseWrapping reads an envelope's recipients.
func parseWrapping(h *cms.Header, encoded []byte) (wrapping, error) {
	recipients, err := cms.ParseRecipients(encoded, nil)
	if err != nil {
		return wrapping{}, err
	}
	w := wrapping{
		sealed: kekcache.Sealed{
			Commitment: h.Commitment, Signature: h.Signature, Recipients: encoded, Created: h.Position.Created,
		},
		count: cms.CountRecipients(encoded),
	}
	for _, r := range recipients {
		w.recipients = append(w.recipients, keys.Wrapped(r))
	}
	return w, nil
}

// readStored reads the key records of kid.
func (c *Checker) readStored(ctx context.Context, kid [cms.KIDSize]byte) ([]wrapping, error) {
	records := c.kept[kid]
	if c.o.Store != nil {
		stored, err := c.o.Store.Get(ctx, kid)
		if err != nil {
			return nil, err
		}
		records = slices.Concat(records, stored)
	}
	var out []wrapping
	for _, record := range records {
		var e cms.Envelope
		if cms.ParseRecord(record, cms.KeyRecord, &e) != nil || [cms.KIDSize]byte(e.Commitment) != kid {
			continue
		}
		if w, err := parseWrapping(&e.Header, e.Recipients); err == nil {
			out = append(out, w)
		}
	}
	return out, nil
}

// fillNeed finds the KEKs of n and tries those that are configured. With
// several wrappings, as rewrapping leaves key records behind, any one will do.
func (c *Checker) fillNeed(ctx context.Context, n *need, wrappings []wrapping) error {
	for i := range wrappings {
		w := &wrappings[i]
		n.recipients = max(n.recipients, w.count)
		for j := range w.recipients {
			c.addRow(n, c.rowOf(&w.recipients[j]))
		}
		if w.count > len(w.recipients) {
			c.addRow(n, c.findOrAddRow("a kind that this version does not know"))
		}
	}
	if len(wrappings) > 0 {
		if err := c.tryKEKs(ctx, n, wrappings); err != nil {
			return err
		}
	}
	for _, r := range n.rows {
		r.DataKeys++
	}
	for i := range wrappings {
		c.addSigner(n, &wrappings[i].sealed)
	}
	return nil
}

// tryKEKs asks every configured KEK that n is wrapped for.
func (c *Checker) tryKEKs(ctx context.Context, n *need, wrappings []wrapping) error {
	n.why = whyNoKey
	opened := false
	for _, k := range c.ring {
		if !slices.Contains(n.rows, k.row) {
			continue
		}
		no, err := k.tryWrappings(ctx, wrappings)
		switch {
		case err != nil:
			return err
		case no == nil:
			k.row.Unwrapped++
			opened = true
			continue
		}
		k.row.Why = no.detail
		if n.why == whyNoKey {
			n.why = no.word
		}
	}
	if opened {
		n.why = ""
	}
	return nil
}

// addRow adds a KEK to those of n.
func (c *Checker) addRow(n *need, r *KEK) {
	switch {
	case r == nil:
		n.more++
	case !slices.Contains(n.rows, r):
		n.rows = append(n.rows, r)
	}
}

// rowOf is the row of the configured KEK that w is for, or of the one that it
// names; nil if there is no room for another.
func (c *Checker) rowOf(w *keys.Wrapped) *KEK {
	for _, k := range c.ring {
		if k.kek.Fits(w) {
			return k.row
		}
	}
	return c.findOrAddRow(kekName(w))
}

// findOrAddRow returns the row of a KEK, or nil if there are maxRows others.
func (c *Checker) findOrAddRow(name string) *KEK {
	r := c.rows[name]
	if r == nil && len(c.rows) < maxRows {
		r = &KEK{Name: name, Why: whyUnconfigured}
		c.rows[name], c.order = r, append(c.order, r)
	}
	return r
}

var schemes = map[int64]string{
	keys.AlgA256KW:       "local",
	keys.AlgECDHESA256KW: "x25519",
	keys.AlgRSAOAEP256:   "rsa",
	keys.AlgRSAOAEP512:   "rsa",
	keys.AlgMLKEM:        "pq",
}

// kekName names a KEK as it would be named if it were configured. Bytes of an
// envelope are shown as text only if they are plain.
func kekName(w *keys.Wrapped) string {
	if w.Alg == keys.AlgAWSKMS {
		for _, b := range w.KID {
			if b <= ' ' || b > '~' {
				return fmt.Sprintf("awskms:%q", w.KID)
			}
		}
		return "awskms:" + string(w.KID)
	}
	scheme, ok := schemes[w.Alg]
	if !ok {
		scheme = fmt.Sprintf("alg %d", w.Alg)
	}
	return fmt.Sprintf("%s:%x", scheme, w.KID)
}
