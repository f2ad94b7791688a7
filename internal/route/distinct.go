package route

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/hint"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
)

// thing is something that the route reads or writes.
type thing struct {
	name     string // in errors
	identity string // equal for two that are the same; "" if only info can tell
	path     string // of a local file or folder; "" if it is none
	info     fs.FileInfo
	written  bool
	folder   bool // everything in it belongs to the route
}

// checkDistinct refuses a route that writes over something that it reads, keys
// and settings included, or that writes one thing twice. Local files are
// compared by device and inode, so that links hide nothing.
func (p *plan) checkDistinct() error {
	things := p.listThings()
	for i := range things {
		if err := things[i].examineFile(); err != nil {
			return err
		}
	}
	for i := range things {
		for j := range things[:i] {
			a, b := &things[j], &things[i]
			if !a.written && !b.written {
				continue
			}
			if a.isSame(b) {
				return fmt.Errorf("%s and %s are the same", a.name, b.name)
			}
			if a.holds(b) || b.holds(a) {
				return fmt.Errorf("%s and %s: one lies in the other", a.name, b.name)
			}
		}
	}
	return nil
}

// listThings lists everything that the route reads or writes.
func (p *plan) listThings() []thing {
	things := []thing{p.newEnd("from", &p.source, false)}
	if p.to != nil {
		things = append(things, p.newEnd("to", &p.sink, true))
	}
	if p.dead != nil {
		t := p.dead.Traits()
		things = append(things, p.newEnd("the dead letters", &t, true))
	}
	things = append(things, newFile("the checkpoint", p.Checkpoint, true), newFile("the state", p.statePath, true),
		newFile("the audit log", p.Audit, true),
		newFile("the configuration file", p.Settings, false))
	for _, keys := range [][]string{p.OldKeys, p.Keys} {
		for _, f := range keyring.ListFiles(keys) {
			things = append(things, newFile("key "+f.Name, f.Path, false))
		}
	}
	if path := keyring.StorePath(p.KeyStore); path != "" {
		store := newFile("the key store", path, false)
		store.folder = true
		things = append(things, store)
	}
	for _, end := range p.listEnds() {
		t := end.Traits()
		for _, f := range t.Files {
			things = append(things, newFile(end.as.String()+": parameter "+f.Param, f.Path, false))
		}
	}
	return things
}

// newEnd returns an end. Standard input and output may be files too.
func (p *plan) newEnd(name string, t *endpoint.Traits, written bool) thing {
	end := thing{name: name, identity: t.Identity, path: t.Path, written: written}
	if !t.Pipe {
		return end
	}
	var stream any = p.env.Stdin
	if written {
		stream = p.env.Stdout
	}
	if f, ok := stream.(*os.File); ok {
		if info, err := f.Stat(); err == nil && info.Mode().IsRegular() {
			end.info = info
		}
	}
	return end
}

func newFile(name, path string, written bool) thing {
	t := thing{name: name, path: path, written: written}
	if path != "" {
		t.identity = endpoint.FileIdentity(path)
	}
	return t
}

// examineFile looks at the file. A link to nothing is refused by its name: the
// error of opening it would be about its target, or about another file. Opening
// tells of everything else.
func (t *thing) examineFile() error {
	if t.path == "" {
		return nil
	}
	info, err := os.Stat(t.path)
	missing := errors.Is(err, fs.ErrNotExist)
	if err == nil {
		t.info = info
	}
	if !missing {
		return nil
	}
	if target, _ := os.Readlink(t.path); target != "" {
		return &hint.Error{
			Err:  fmt.Errorf("%s: %s: a link to %s, which does not exist", t.name, t.path, target),
			Hint: "name the file itself, or remove the link",
		}
	}
	return nil
}

func (t *thing) isSame(other *thing) bool {
	if t.identity != "" && t.identity == other.identity {
		return true
	}
	return t.info != nil && other.info != nil && os.SameFile(t.info, other.info) && !isShareable(t.info)
}

// isShareable tells whether several ends may write to a file at once, as to a
// device that is no storage.
func isShareable(info fs.FileInfo) bool { return info.Mode()&fs.ModeCharDevice != 0 }

// holds tells whether other lies in the folder t.
func (t *thing) holds(other *thing) bool {
	if !t.folder || t.path == "" || other.path == "" {
		return false
	}
	inside, err := filepath.Rel(endpoint.ResolvePath(t.path), endpoint.ResolvePath(other.path))
	return err == nil && inside != ".." && !strings.HasPrefix(inside, ".."+string(filepath.Separator))
}
