package main

import (
	"strings"

	"github.com/coreos/go-systemd/v22/daemon"
)

// States of a process, as systemd's Type=notify knows them: a unit counts as
// started when its route is open, and not when its process exists.
const (
	stateOpening  = "STATUS=the route is being opened"
	stateReady    = "READY=1\nSTATUS=the route is open"
	stateStopping = "STOPPING=1\nSTATUS=messages in flight are being written"
)

// tellSupervisor tells systemd of a state, if systemd has asked for it. A
// supervisor that does not listen any more is no reason to stop a route.
func (p *program) tellSupervisor(state string) {
	if _, err := daemon.SdNotify(false, state); err != nil {
		p.log().Warn("the service manager is not told", "state", strings.TrimPrefix(state, "STATUS="), "error", err)
	}
}
