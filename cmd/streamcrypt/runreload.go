package main

import (
	"context"
	"os"
	"reflect"
	"slices"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/memlimit"
	"github.com/streamcrypt/streamcrypt/internal/ops"
	"github.com/streamcrypt/streamcrypt/internal/service"
)

// handleHangup reads the file again, and has the routes that it does not change
// load their keys again.
func (r *running) handleHangup(ctx context.Context) {
	content, err := service.ReadFile(r.program.settings)
	if err != nil {
		r.refuse(err)
		return
	}
	if r.reload(content.Data) {
		r.service.ReloadKeys(ctx)
	}
}

// reload makes the routes those of this content. A content with a mistake is
// refused as a whole. It tells whether the content is in use now.
func (r *running) reload(data []byte) bool {
	r.reloads.Lock()
	defer r.reloads.Unlock()
	file, err := r.readFile(data, memlimit.ReadCgroup(os.DirFS("/")))
	if err == nil {
		err = r.checkProcess(file)
	}
	if err != nil {
		r.refuse(err)
		return false
	}
	r.mu.Lock()
	err = r.claimPool(max(len(file.members), len(r.file.members)))
	r.mu.Unlock()
	if err != nil {
		r.refuse(err)
		return false
	}
	change, err := r.service.Replace(file.members)
	if err != nil {
		r.refuse(err)
		return false
	}
	r.ending.setFields(func(e *ending) { e.grace = file.longestGrace() })
	r.mu.Lock()
	defer r.mu.Unlock()
	r.file, r.loaded, r.refused = file, time.Now(), nil
	_ = r.claimPool(len(file.members)) // no more than before
	if change.IsEmpty() {
		r.log().Info("configuration read again: no route has changed", "file", file.name)
	} else {
		r.log().Info("configuration loaded anew", "file", file.name, "started", change.Started, "ended", change.Ended)
	}
	return true
}

// refuse notes that the file as it is now is not in use.
func (r *running) refuse(err error) {
	r.mu.Lock()
	r.refused = err
	r.mu.Unlock()
	r.log().Error("configuration refused as a whole; the one before stays in use",
		"file", r.program.settings, "error", err, "hint", findHint(err))
}

var errNeedsRestart = hint.New("changes only with a restart", "restart the process, or take the change back")

// checkProcess refuses another setting of the process.
func (r *running) checkProcess(file *runFile) error {
	r.mu.Lock()
	now := r.file.document.Process
	r.mu.Unlock()
	next := file.document.Process
	names := slices.Concat(now.Names(), next.Names())
	slices.Sort(names)
	var wrong []problem
	for _, name := range slices.Compact(names) {
		if !reflect.DeepEqual(now.Value(name), next.Value(name)) {
			wrong = append(wrong, problem{max(next.FindLine(name), 1), name, errNeedsRestart})
		}
	}
	if len(wrong) > 0 {
		return &mistakes{file.name, wrong}
	}
	return nil
}

// describeFile tells the ops server of the file.
func (r *running) describeFile() ops.Configuration {
	r.mu.Lock()
	defer r.mu.Unlock()
	c := ops.Configuration{File: r.file.name, Loaded: r.loaded}
	if r.refused != nil {
		c.Refused = r.refused.Error()
	}
	return c
}
