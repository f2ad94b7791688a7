package dir

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/streamcrypt/streamcrypt/kekcache"
)

// Each implements kekcache.Store. It looks at ctx between two reads of the
// directory.
func (s *Store) Each(ctx context.Context, do func(kid [kekcache.KIDSize]byte) error) error {
	dir, err := await(ctx, s, func() (*os.File, error) { return os.Open(s.dir) })
	if err != nil {
		return fmt.Errorf("key store: %w", err)
	}
	defer dir.Close() //nolint:errcheck // nothing was written
	for {
		names, err := await(ctx, s, func() ([]string, error) { return dir.Readdirnames(1024) })
		if ctx.Err() != nil {
			return ctx.Err()
		}
		for _, name := range names {
			if kid, ok := kidOf(name); ok {
				if err := do(kid); err != nil {
					return err
				}
			}
		}
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case err != nil:
			return fmt.Errorf("key store: %w", err)
		}
	}
}

// kidOf reads the name of the first record of a kid.
func kidOf(name string) (kid [kekcache.KIDSize]byte, ok bool) {
	b, err := hex.DecodeString(name)
	if err != nil || len(b) != len(kid) || hex.EncodeToString(b) != name {
		return kid, false
	}
	return [kekcache.KIDSize]byte(b), true
}
