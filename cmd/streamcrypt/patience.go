package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/route"
)

// windUp is how long a command may still take behind its grace: to close files
// and connections.
const windUp = time.Second

// awaitCommand runs a command. A command hears a signal by its context and ends
// by itself; one that does not, since it waits for something that hears no
// context, such as a file of a server that is away, is given up.
func (p *program) awaitCommand(run func() error) error {
	done := make(chan error, 1)
	go func() { done <- run() }() // given up with the process, if at all
	select {
	case err := <-done:
		return err
	case <-p.ctx.Done():
	}
	var grace time.Duration
	p.ending.setFields(func(e *ending) { grace = e.grace })
	timer := time.NewTimer(grace + windUp)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
	}
	p.ending.setFields(func(e *ending) { e.run = nil }) // it is still changing
	return fmt.Errorf("%w: %w", route.ErrInterrupted, errStuck)
}

// errStuck says that a command was given up.
var errStuck = errors.New("something that it waits for did not hear the signal")
