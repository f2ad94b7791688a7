package envelope_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/streamcrypt/streamcrypt/envelope"
)

// growingFile was shorter when its size was asked for.
type growingFile struct {
	*bytes.Reader
	was int64
}

func (f growingFile) Seek(offset int64, whence int) (int64, error) {
	if whence == io.SeekEnd {
		return f.was, nil
	}
	return f.Reader.Seek(offset, whence)
}

// TestFileGrows: a file that grows while it is read is truncated, as far as was
// known, wherever it ended before.
func TestFileGrows(t *testing.T) {
	r := newRig(t, rigOptions{})
	e, err := r.sealer(t, 4096).Seal(t.Context(), nil, payload(5*4096), envelope.Binding{})
	if err != nil {
		t.Fatal(err)
	}
	o := r.opener(t)
	for was := int64(1); was < int64(len(e)); was += 1 + was/100 {
		out, err := io.ReadAll(o.NewReader(t.Context(), growingFile{bytes.NewReader(e), was}, envelope.Binding{}))
		var refused *envelope.Error
		if len(out) > 0 || !errors.As(err, &refused) {
			t.Fatalf("of %d bytes: %d bytes, %v", was, len(out), err)
		}
		if was < 50 && refused.Reason != envelope.ReasonTruncated {
			t.Errorf("of %d bytes: %v", was, err)
		}
	}
}
