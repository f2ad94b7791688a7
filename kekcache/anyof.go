package kekcache

import (
	"context"
	"errors"
	"log/slog"

	"github.com/streamcrypt/streamcrypt/keys"
)

// anyOf tries one after the other of open until do goes well for one. It waits for services that are away, but only when no
// other attempt goes well. ErrUnknownKey means that none can; a KEK that cannot be used might have, and then its error is
// returned.
func anyOf(ctx context.Context, log *slog.Logger, open []attempt, do func(attempt) error) error {
	var unusable error
	for try := 0; ; try++ {
		var away error
		again := open[:0]
		for _, a := range open {
			err := do(a)
			var service *keys.Error
			switch isService := errors.As(err, &service); {
			case err == nil && try > 0:
				log.Info("a key service is back", "key", a.kek.Name())
				return nil
			case err == nil:
				return nil
			case ctx.Err() != nil: // says nothing about the key
				return ctx.Err()
			case isService && service.Class == keys.BadWrap:
			case isService && service.Class == keys.Away:
				away, again = err, append(again, a)
			default:
				unusable = err
			}
		}
		open = again
		switch {
		case len(open) == 0 && unusable != nil:
			return unusable
		case len(open) == 0:
			return ErrUnknownKey
		case try == 0:
			log.Warn("a key service is away", "error", away)
		}
		if err := backoff(ctx, try); err != nil {
			return err
		}
	}
}
