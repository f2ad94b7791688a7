package route

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"slices"

	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/proof"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// compareScope says which parts of a record are compared beside key and value.
type compareScope struct {
	bind  envelope.Bind // of the envelopes
	sort  bool          // headers have no order on one of the sides
	times bool
}

// expiryHeader has the rest of a lifetime, which is another one each time that
// it is read.
const expiryHeader = "Streamcrypt-TTL"

// keepHeaders appends the headers that are compared.
func (s *compareScope) keepHeaders(dst []proof.Header, headers []pipeline.Header) []proof.Header {
	for i := range headers {
		h := &headers[i]
		compared := s.bind.Counts(h.Name)
		if s.bind.Named {
			compared = s.bind.IsNamed(h.Name)
		}
		if compared && h.Name != expiryHeader {
			dst = append(dst, proof.Header{Name: h.Name, Value: h.Value})
		}
	}
	if s.sort || s.bind.Named {
		slices.SortStableFunc(dst, func(a, b proof.Header) int { return cmp.Compare(a.Name, b.Name) })
	}
	return dst
}

// digestTransform turns each message into the record that is compared. Of the
// plaintext only a keyed digest leaves it.
type digestTransform struct {
	side     *comparedSide
	opener   pipeline.Transform // nil on the plain side
	digester *proof.Digester
	headers  []proof.Header
}

// newDigester makes the Digester of a worker.
func (j *compareJob) newDigester() *proof.Digester {
	if j.o.NoDigests {
		return proof.NewQuickDigester(j.digestKey)
	}
	return proof.NewDigester(j.digestKey)
}

// keepsKeys tells whether hashes of record keys are needed: the places of the
// sealed side may be compacted.
func (j *compareJob) keepsKeys() bool { return j.sealed.plan.source.NamesTopics }

// Reset implements pipeline.Transform.
func (t *digestTransform) Reset() {
	if t.opener != nil {
		t.opener.Reset()
	}
}

// Bound implements pipeline.Transform.
func (t *digestTransform) Bound(m *pipeline.Message) int {
	if t.opener == nil {
		return maxRecordSize
	}
	return max(maxRecordSize, t.opener.Bound(m))
}

// Append implements pipeline.Transform. Messages that are refused are records
// too.
func (t *digestTransform) Append(ctx context.Context, dst []byte, m *pipeline.Message) ([]byte, error) {
	var r proof.Record
	if t.opener == nil {
		r.Placed = true
		r.At.Offset, r.At.Term = m.Origin.Offset, m.Origin.Term
		t.describeContent(&r, m, m.Value)
		return encodeRecord(dst, &r, m), nil
	}
	e := sealedBytes(m)
	r.Stored = len(e)
	if t.side.job.o.Ciphertext {
		r.Sum = sha256.Sum256(e)
	}
	out, err := t.opener.Append(ctx, dst, m)
	if err != nil {
		reject, ok := errors.AsType[*pipeline.Reject](err)
		if !ok {
			return out, err
		}
		r.Refused = string(reject.Reason)
		claimRecord(&r, sealedBytes(m))
		return encodeRecord(dst, &r, m), nil
	}
	plain := out[len(dst):]
	origin, _ := transform.ReadOrigin(m)
	r.Placed = origin.Source != [5]byte{}
	r.At = proof.Position{
		PlaceID: proof.PlaceID{Source: origin.Source, Partition: origin.Partition},
		Offset:  int64(origin.Offset), Term: origin.Term,
	}
	r.Extra = origin.ExtraHeaders > 0
	value := plain
	if m.Value == nil {
		value = nil
	} else if value == nil {
		value = []byte{}
	}
	t.describeContent(&r, m, value)
	clear(plain)
	return encodeRecord(out[:len(dst)], &r, m), nil
}

// describeContent makes the digest of a message with this plaintext.
func (t *digestTransform) describeContent(r *proof.Record, m *pipeline.Message, value []byte) {
	t.headers = t.side.scope.keepHeaders(t.headers[:0], m.Headers)
	c := proof.Content{Offset: r.At.Offset, Key: m.Key, Value: value, Headers: t.headers}
	if t.side.scope.times {
		c.Time = m.Time
	}
	r.Digest = t.digester.SumContent(&c)
	if t.side.job.keepsKeys() {
		r.Key = t.digester.SumKey(m.Key)
	}
	r.Tombstone = value == nil
	r.Bytes = len(m.Key) + len(value)
	clear(t.headers)
}

// claimRecord notes which record an envelope that did not open claims to be.
func claimRecord(r *proof.Record, e []byte) {
	p, ok := envelope.ClaimedPosition(e)
	if !ok || p.Source == [5]byte{} {
		return
	}
	r.Placed = true
	r.At = proof.Position{
		PlaceID: proof.PlaceID{Source: p.Source, Partition: p.Partition}, Offset: int64(p.Offset), Term: p.Term,
	}
}

// sealedBytes returns the envelope of a message as it is stored.
func sealedBytes(m *pipeline.Message) []byte {
	if m.Value != nil {
		return m.Value
	}
	e, _ := findTombstone(m)
	return e
}

// maxRecordSize is more than an encoded record takes.
const maxRecordSize = 192

// Flags of an encoded record.
const (
	recordPlaced = 1 << iota
	recordTombstone
	recordExtra
)

// encodeRecord appends a record in the form in which it leaves the transform,
// and has the message stand for it.
func encodeRecord(dst []byte, r *proof.Record, m *pipeline.Message) []byte {
	var flags byte
	for _, f := range []struct {
		on   bool
		flag byte
	}{{r.Placed, recordPlaced}, {r.Tombstone, recordTombstone}, {r.Extra, recordExtra}} {
		if f.on {
			flags |= f.flag
		}
	}
	dst = append(dst, flags)
	dst = append(dst, r.At.Source[:]...)
	dst = binary.BigEndian.AppendUint16(dst, r.At.Partition)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.At.Offset))
	dst = binary.BigEndian.AppendUint64(dst, r.At.Term)
	dst = binary.BigEndian.AppendUint64(dst, r.Key)
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Bytes))
	dst = binary.BigEndian.AppendUint64(dst, uint64(r.Stored))
	dst = append(dst, r.Digest[:]...)
	dst = append(dst, r.Sum[:]...)
	dst = append(dst, r.Refused...)
	m.Key, m.Headers, m.Subject = nil, nil, nil
	if m.Value == nil {
		m.Value = []byte{} // a null value has no room for the record
	}
	return dst
}

// decodeRecord reads the output of encodeRecord.
func decodeRecord(r *proof.Record, m *pipeline.Message) {
	b := m.Value
	r.Place, r.Offset = m.Origin.Place, m.Origin.Offset
	r.Placed, r.Tombstone, r.Extra = b[0]&recordPlaced != 0, b[0]&recordTombstone != 0, b[0]&recordExtra != 0
	r.At.Source = [5]byte(b[1:])
	r.At.Partition = binary.BigEndian.Uint16(b[6:])
	r.At.Offset = int64(binary.BigEndian.Uint64(b[8:]))
	r.At.Term = binary.BigEndian.Uint64(b[16:])
	r.Key = binary.BigEndian.Uint64(b[24:])
	r.Bytes, r.Stored = int(binary.BigEndian.Uint64(b[32:])), int(binary.BigEndian.Uint64(b[40:]))
	r.Digest = [proof.DigestSize]byte(b[48:])
	r.Sum = [sha256.Size]byte(b[80:])
	r.Refused = string(b[112:])
}
