package main

import (
	"errors"
	"io"
	"os"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/outcome"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/internal/route"
	"github.com/streamcrypt/streamcrypt/internal/service"
)

// showPlans prints everything that the routes of a file would do, and does
// nothing of it. A route that cannot be looked at keeps no other from being
// shown.
func (r *running) showPlans(data []byte) error {
	if err := r.readFirst(data, memlimit.ReadCgroup(os.DirFS("/"))); err != nil {
		return err
	}
	env := r.newEnv()
	var failed []error
	for i := range r.file.members {
		m := &r.file.members[i]
		preview, err := route.MakePreview(r.ctx, m.Direction, m.Config, env)
		switch {
		case r.ctx.Err() != nil:
			return errors.Join(route.ErrInterrupted, err)
		case err != nil:
			failed = append(failed, &service.RouteError{Name: m.Name, Err: err, NeverOpen: true})
			continue
		case !preview.IsUsable():
			failed = append(failed, &service.RouteError{Name: m.Name, Err: errNotReady, NeverOpen: true})
		}
		if i > 0 && !r.settings.JSON {
			_, err = io.WriteString(r.out, "\n")
		}
		if err = errors.Join(err, printPlan(r.out, preview, r.settings.JSON)); err != nil {
			return err
		}
	}
	if len(failed) > 0 {
		return &startError{errors.Join(failed...)}
	}
	return nil
}

// printEnd prints how a route ended. A line that cannot be printed is an error
// of the whole run: the program that reads it must not take silence for
// success.
func (r *running) printEnd(name string, o *outcome.Outcome) {
	r.ending.setFields(func(e *ending) { e.json = nil })
	r.printing.Lock()
	defer r.printing.Unlock()
	r.unprinted = errors.Join(r.unprinted, o.WriteJSON(r.out, name, nameInstance(r.settings.Instance)))
}
