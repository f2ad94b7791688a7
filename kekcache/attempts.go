package kekcache

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/streamcrypt/streamcrypt/keys"
)

// attempt is a wrapped key and a configured KEK that it fits.
type attempt struct {
	kek     keys.Unwrapper
	wrapped *keys.Wrapped
}

// attempts has each KEK asked for one wrapped key at most, in the order in which the KEKs are configured.
func attempts(keks []keys.Unwrapper, recipients []keys.Wrapped) (all []attempt) {
	for _, kek := range keks {
		for i := range recipients {
			if kek.Fits(&recipients[i]) {
				all = append(all, attempt{kek, &recipients[i]})
				break
			}
		}
	}
	return all
}

// tries are attempts of which one is enough.
type tries struct {
	open     []attempt // not yet answered
	unusable error     // of a KEK that cannot be used, and might have done it
	unknown  error     // of the others
}

func newTries(all []attempt) tries { return tries{open: all, unknown: ErrUnknownKey} }

// once makes one attempt after the other until do goes well for one. An error that isAway is worth another call, which goes on
// with those that were away. ErrUnknownKey means that none can.
func (t *tries) once(ctx context.Context, do func(attempt) error) error {
	var away error
	again := t.open[:0]
	for _, a := range t.open {
		err := do(a)
		var service *keys.Error
		switch isService := errors.As(err, &service); {
		case err == nil:
			return nil
		case ctx.Err() != nil: // says nothing about the key
			return ctx.Err()
		case isService && service.Class == keys.BadWrap:
			t.unknown = fmt.Errorf("%w: %w", ErrUnknownKey, err)
		case isService && service.Class == keys.Away:
			away, again = err, append(again, a)
		default:
			t.unusable = err
		}
	}
	t.open = again
	switch {
	case away != nil:
		return away
	case t.unusable != nil:
		return t.unusable
	}
	return t.unknown
}

// isAway says that err is of a key service that is away.
func isAway(err error) bool {
	var service *keys.Error
	return errors.As(err, &service) && service.Class == keys.Away
}

// anyOf makes attempts until do goes well for one. It waits for services that are away, but only when no other attempt goes
// well.
func anyOf(ctx context.Context, log *slog.Logger, open []attempt, do func(attempt) error) error {
	all := newTries(open)
	var last attempt
	tries := repetition{
		mayPass: isAway,
		waiting: func(err error) { log.Warn("a key service is away", "error", err) },
		waited: func(err error) {
			if err == nil {
				log.Info("a key service is back", "key", last.kek.Name())
			}
		},
	}
	return tries.run(ctx, func() error {
		return all.once(ctx, func(a attempt) error {
			last = a
			return do(a)
		})
	})
}
