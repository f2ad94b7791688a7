package main

import (
	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/hardening"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// protectMemory keeps others from reading the memory of this process, unless
// the user allows it.
func (p *program) protectMemory(allowed bool) {
	p.allowsCore = allowed
	if p.owns = p.owns && !allowed; !p.owns {
		return
	}
	if err := hardening.ForbidDumps(); err != nil {
		p.log().Warn("core dumps cannot be forbidden", "error", err)
	}
}

// lockMemory keeps the memory of a route from being swapped out, where the
// limits allow it.
func (p *program) lockMemory(r *route.Route) {
	if !p.owns {
		return
	}
	if err := hardening.LockMemory(uint64(r.About().Memory)); err != nil {
		p.log().Info("keys and plaintext may be swapped out", "error", err)
	}
}
