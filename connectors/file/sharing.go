package file

import (
	"context"
	"errors"
	"sync"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/connectors/format"
)

// ShareArchive returns the functions of an archive for several files at once:
// each is called by one goroutine at a time. A receipt is that of one archive,
// and so are records that are carried over: both are refused.
func ShareArchive(a format.Archive) (format.Archive, error) {
	switch {
	case a.Receipt != nil:
		return a, errors.New("a receipt is that of one archive, and several files are read")
	case a.Carrier != nil:
		return a, errors.New("archives are rewrapped one by one")
	}
	var mu sync.Mutex
	if open := a.OpenEnd; open != nil {
		a.OpenEnd = func(ctx context.Context, sealed []byte) ([archive.EndSize]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			return open(ctx, sealed)
		}
	}
	if keep := a.KeepRecord; keep != nil {
		a.KeepRecord = func(ctx context.Context, r *archive.Record) error {
			mu.Lock()
			defer mu.Unlock()
			return keep(ctx, r)
		}
	}
	if seal := a.SealEnd; seal != nil {
		a.SealEnd = func(ctx context.Context, dst []byte, end [archive.EndSize]byte) ([]byte, error) {
			mu.Lock()
			defer mu.Unlock()
			return seal(ctx, dst, end)
		}
	}
	if key := a.KeyRecord; key != nil {
		a.KeyRecord = func(e []byte) ([16]byte, []byte, bool) {
			mu.Lock()
			defer mu.Unlock()
			return key(e)
		}
	}
	if note := a.NoteEnd; note != nil { // the last line has the receipt of one archive only
		a.NoteEnd = func(end archive.End) {
			if end.Flags != 0 {
				note(end)
			}
		}
	}
	return a, nil
}
