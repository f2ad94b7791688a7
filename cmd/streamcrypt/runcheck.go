package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/settings"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/internal/route"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// checkRoutes checks the routes with these settings of the process: each by
// itself, all together, and their memory. limit is the process's, in bytes. It
// opens nothing.
func (f *runFile) checkRoutes(c *runCmd, env route.Env, limit int64) error {
	pool, err := pipeline.NewPool(c.Workers, int(c.Budget))
	if err != nil {
		field, _, _ := strings.Cut(err.Error(), ":")
		field, _, _ = strings.Cut(field, " ")
		f.note(f.document.Process.FindLine(field), field, err)
	} else {
		env.Pool = pool
		for i := range f.members { // ends ask how large a message may be
			f.members[i].Config.Workers, f.members[i].Config.Budget = c.Workers, int64(c.Budget)
		}
	}
	lanes, faults := route.CheckTogether(f.members, env)
	for _, fault := range faults {
		i := slices.IndexFunc(f.document.Routes, func(s settings.Section) bool { return s.Name == fault.Route })
		s := &f.document.Routes[i]
		place := "routes." + fault.Route
		line, found := f.findLine(s, fault.Field)
		if found {
			place += "." + fault.Field
		}
		f.note(line, place, fault.Err)
	}
	if pool != nil {
		f.checkMemory(int64(c.Memory), pool.Memory(len(f.members))+lanes, limit)
	}
	f.checkOps(c)
	f.checkAlarms(c)
	f.checkTraces(c)
	if len(f.problems) == 0 {
		return nil
	}
	slices.SortStableFunc(f.problems, func(a, b problem) int { return a.line - b.line })
	return &mistakes{f.name, f.problems}
}

// checkMemory compares the bound with the need of all routes and with the limit
// of the process.
func (f *runFile) checkMemory(bound, need, limit int64) {
	line := max(f.document.Process.FindLine("memory"), 1)
	switch {
	case bound > limit:
		f.note(line, "memory", hint.New(
			fmt.Sprintf("%d MiB are above the %d MiB that the process may take", bound>>20, limit>>20),
			"lower it, or raise the limit of the cgroup"))
	case bound > 0 && need > bound:
		f.note(line, "memory", hint.New(
			fmt.Sprintf("the routes take %d MiB at least, and the bound is %d MiB", (need+1<<20-1)>>20,
				bound>>20), "raise it, or lower budget, workers or read-ahead"))
	case need > limit:
		f.note(line, "memory", hint.New((&memlimit.TooSmallError{Need: need, Limit: limit}).Error(),
			"lower budget, workers or read-ahead, or raise the limit of the cgroup"))
	}
}

// checkOps checks where the process is to tell of itself.
func (f *runFile) checkOps(c *runCmd) {
	o := c.readOptions()
	if o.IsZero() {
		return
	}
	if err := o.Check(quiet); err != nil {
		f.note(f.findOpsLine(), "ops", err)
	}
}

// checkAlarms checks who is to be told of alarms.
func (f *runFile) checkAlarms(c *runCmd) {
	config := c.readAlarms("")
	if _, err := config.OpenSenders(quiet); err != nil {
		f.note(f.findAlarmLine(), "", err)
	}
}

// checkTraces checks where traces go.
func (f *runFile) checkTraces(c *runCmd) {
	if c.Otel == "" {
		return
	}
	o := c.readTraces()
	if err := o.Check(); err != nil {
		f.note(f.findPrefix("otel"), "otel", err)
	}
}

// findAlarmLine returns the line of the first field about alarms.
func (f *runFile) findAlarmLine() int { return f.findPrefix("alarm-") }

// findOpsLine returns the line of the first field about the ops server.
func (f *runFile) findOpsLine() int { return f.findPrefix("ops") }

func (f *runFile) findPrefix(prefix string) int {
	for _, name := range f.document.Process.Names() {
		if strings.HasPrefix(name, prefix) {
			return f.document.Process.FindLine(name)
		}
	}
	return 1
}
