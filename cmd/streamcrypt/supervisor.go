package main

import (
	"context"
	"net"
	"os"
	"strings"
	"time"
)

// States of a process, as systemd's Type=notify knows them: a unit counts as
// started when its route is open, and not when its process exists.
const (
	stateOpening  = "STATUS=the route is being opened"
	stateReady    = "READY=1\nSTATUS=the route is open"
	stateStopping = "STOPPING=1\nSTATUS=messages in flight are being written"
)

// partingTime is how long the last state waits for a service manager that does
// not read.
const partingTime = time.Second

// tellSupervisor tells systemd of a state, if systemd has asked for it. A
// supervisor that does not listen any more is no reason to stop a route, and
// one that does not read is waited for until a signal comes.
func (p *program) tellSupervisor(state string) {
	p.noteTold(state, notifySupervisor(p.ctx, state))
}

// tellParting tells systemd that the process ends.
func (p *program) tellParting() {
	ctx, cancel := context.WithTimeout(context.Background(), partingTime)
	defer cancel()
	p.noteTold(stateStopping, notifySupervisor(ctx, stateStopping))
}

func (p *program) noteTold(state string, err error) {
	if err != nil {
		p.log().Warn("the service manager is not told", "state", strings.TrimPrefix(state, "STATUS="), "error", err)
	}
}

// notifySupervisor sends a state in the protocol of sd_notify(3): a datagram to
// the socket that the environment names. It waits for room in the socket until
// ctx ends.
func notifySupervisor(ctx context.Context, state string) error {
	name := os.Getenv("NOTIFY_SOCKET")
	if name == "" {
		return nil
	}
	c, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: name, Net: "unixgram"})
	if err != nil {
		return err
	}
	defer c.Close() //nolint:errcheck // a datagram is sent or not
	defer context.AfterFunc(ctx, func() { _ = c.SetWriteDeadline(time.Unix(1, 0)) })()
	if _, err := c.Write([]byte(state)); err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return err
	}
	return nil
}
