package keycheck

// Report holds the findings of a check. Numbers count messages, unless said
// otherwise.
type Report struct {
	Tried     bool  `json:"tried"`     // there were keys to unwrap with; else Readable is 0 and says nothing
	Sampled   bool  `json:"sampled"`   // only some messages were looked at
	Envelopes int64 `json:"envelopes"` // the end records of an archive included, which are in none of Places
	Readable  int64 `json:"readable"`

	// Refused counts messages that are no envelopes, by reason
	// (docs/errors.md).
	Refused map[string]int64 `json:"refused,omitempty"`
	// Unreadable counts envelopes that cannot be opened, by reason.
	Unreadable map[string]int64 `json:"unreadable,omitempty"`

	// Few counts envelopes with fewer recipients than Recipients.
	Recipients int   `json:"recipients"`
	Few        int64 `json:"few_recipients"`

	Signers []Signer `json:"signers,omitempty"` // in the order in which they were met, trusted ones first
	// Unsigned counts envelopes whose data key nobody has signed.
	Unsigned int64 `json:"unsigned,omitempty"`

	KEKs   []KEK   `json:"keks"`             // in the order in which they were met, configured ones first
	More   int64   `json:"more,omitempty"`   // recipients of further KEKs, for which there was no room in KEKs
	Places []Place `json:"places,omitempty"` // in order of their names
}

// KEK is a key encryption key that envelopes are wrapped for, or a configured
// one.
type KEK struct {
	Name       string `json:"name"`
	Configured bool   `json:"configured"`
	Envelopes  int64  `json:"envelopes"`
	DataKeys   int64  `json:"data_keys"` // distinct; one that comes again long after it was seen counts again
	Unwrapped  int64  `json:"unwrapped"` // of DataKeys
	Why        string `json:"why,omitempty"`
}

// Signer is a key that has signed data keys, or one that is trusted.
type Signer struct {
	KID       string `json:"kid"`
	Trusted   bool   `json:"trusted"` // configured; of another one nothing is verified
	Envelopes int64  `json:"envelopes"`
	DataKeys  int64  `json:"data_keys"`
	Verified  int64  `json:"verified"` // of DataKeys
}

// Place is a partition, a stream or a file.
type Place struct {
	Name      string `json:"name"`
	First     int64  `json:"first"` // offset of the first message that was looked at; -1 if there was none
	Last      int64  `json:"last"`  // of the last one
	Envelopes int64  `json:"envelopes"`
	Readable  int64  `json:"readable"`
	// FirstReadable is the offset of the first readable message, From that of
	// the first from which all are readable to the end. They differ if the
	// readable messages are not contiguous. nil: there is none.
	FirstReadable *int64 `json:"first_readable"`
	From          *int64 `json:"readable_from"`
	// Changes is how often readable and not readable messages follow each
	// other. With more than one, the readable messages are not contiguous. Of a
	// sample, these are the changes that the sample shows.
	Changes int64 `json:"changes"`
}

// Contiguous says that readability changes at most once.
func (p *Place) Contiguous() bool { return p.Changes <= 1 }

// AllReadable says that every message is an envelope that can be opened, or
// that nobody asked whether it can.
func (r *Report) AllReadable() bool {
	return len(r.Refused) == 0 && (!r.Tried || r.Readable == r.Envelopes)
}

// addMessage takes the next message of the place.
func (p *Place) addMessage(offset int64, is verdict) {
	first := p.Last < 0
	if first {
		p.First = offset
	}
	readable := is == readable
	if !first && readable != (p.From != nil) {
		p.Changes++
	}
	p.Last = offset
	if is != refused {
		p.Envelopes++
	}
	switch {
	case !readable:
		p.From = nil
		return
	case p.From == nil:
		p.From = &offset
	}
	if p.FirstReadable == nil {
		p.FirstReadable = &offset
	}
	p.Readable++
}

// verdict is the finding about one message.
type verdict int

const (
	refused    verdict = iota // no envelope
	unreadable                // its data key cannot be had
	readable
)
