package vectors

import "encoding/json"

// Archive is a seq file, and what comes out of it before the word.
type Archive struct {
	Reader
	Name     string      `json:"name"`
	File     Hex         `json:"file"`
	Expect   string      `json:"expect"`
	Messages []Message   `json:"messages"`
	Ends     int         `json:"ends"`     // verified ends
	Flags    uint8       `json:"flags"`    // of the last end; where Expect is ok
	Receipt  string      `json:"receipt"`  // of the last end; where Expect is ok
	Receipts [][2]string `json:"receipts"` // receipts that a reader is given, and the word for each
}

// Message is a message that came out of an archive.
type Message struct {
	Key     Hex
	Headers []Header
	Time    *int64 // unix milliseconds; nil: none
	Subject Hex
	Value   Hex // nil: a tombstone
}

// UnmarshalJSON implements json.Unmarshaler: a message is an array of five.
func (m *Message) UnmarshalJSON(data []byte) error {
	return json.Unmarshal(data, &[]any{&m.Key, &m.Headers, &m.Time, &m.Subject, &m.Value})
}

// RawFile is a file of one payload.
type RawFile struct {
	Reader
	Name   string `json:"name"`
	File   Hex    `json:"file"`
	Expect string `json:"expect"`
	Payload
}

// Archives returns the vectors of seq files.
func Archives() ([]Archive, error) {
	var all []Archive
	if err := load("archives.json", &all); err != nil {
		return nil, err
	}
	return all, resolve(all, func(a *Archive) *Reader { return &a.Reader })
}

// RawFiles returns the vectors of raw files.
func RawFiles() ([]RawFile, error) {
	var all []RawFile
	if err := load("rawfiles.json", &all); err != nil {
		return nil, err
	}
	return all, resolve(all, func(f *RawFile) *Reader { return &f.Reader })
}

// Numbers returns the vectors of numbers outside envelopes, by their JSON
// fields.
func Numbers() ([]map[string]any, error) {
	var all []map[string]any
	return all, load("numbers.json", &all)
}
