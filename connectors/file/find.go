package file

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Found is the files that a pattern stands for.
type Found struct {
	// Root is the folder in front of the first part with a wildcard.
	Root string
	// Names are paths below Root, with slashes, sorted byte by byte.
	Names []string
	// Bytes is the size of all files.
	Bytes int64
	// LeftOut is how many files were passed over: hidden ones, and outputs that
	// are not complete.
	LeftOut int

	parts []string // of the pattern below Root
}

// IsPattern tells whether a path has wildcards. A question mark alone is none:
// it may well be part of a name.
func IsPattern(path string) bool { return strings.ContainsAny(path, "*[") }

// FindFiles returns the files of a folder, or those that match a pattern: * and
// [a-z] within a name, as in package path, and ** for any number of folders. A
// name that begins with a dot is matched by a dot only. Every file must be a
// regular one that can be read, and may be a link; ** does not follow links. A
// pattern without files is an error.
func FindFiles(pattern string) (*Found, error) {
	root, parts := splitPattern(pattern)
	f := finder{Found: Found{Root: root, parts: parts}, seen: map[string]bool{}}
	if err := f.walk("", parts); err != nil {
		return nil, err
	}
	slices.Sort(f.Names)
	if err := f.checkFiles(); err != nil {
		return nil, err
	}
	if len(f.Names) == 0 {
		return nil, fmt.Errorf("%s: no files: %w", pattern, fs.ErrNotExist)
	}
	return &f.Found, nil
}

// splitPattern returns the folder in front of the wildcards, and the parts of
// the pattern below it.
func splitPattern(pattern string) (root string, parts []string) {
	slashed := filepath.ToSlash(pattern)
	if !IsPattern(slashed) {
		return pattern, []string{"*"}
	}
	parts = strings.Split(slashed, "/")
	fixed := slices.IndexFunc(parts, IsPattern)
	root = strings.Join(parts[:fixed], "/")
	switch {
	case fixed == 0:
		root = "."
	case root == "":
		root = "/"
	}
	parts = parts[fixed:]
	if parts[len(parts)-1] == "**" || parts[len(parts)-1] == "" {
		parts[len(parts)-1] = "*"
		if len(parts) == 1 || parts[len(parts)-2] != "**" {
			parts = slices.Insert(parts, len(parts)-1, "**")
		}
	}
	return filepath.FromSlash(root), parts
}

type finder struct {
	Found
	seen map[string]bool
}

// walk adds the files below a folder that match the parts.
func (f *finder) walk(folder string, parts []string) error {
	entries, err := os.ReadDir(filepath.Join(f.Root, filepath.FromSlash(folder)))
	if err != nil {
		return err
	}
	deep := parts[0] == "**"
	if deep {
		if err := f.walk(folder, parts[1:]); err != nil {
			return err
		}
	}
	for _, e := range entries {
		name := path.Join(folder, e.Name())
		if deep {
			if e.IsDir() && !isHidden(e.Name(), parts[0]) {
				if err := f.walk(name, parts); err != nil {
					return err
				}
			}
			continue
		}
		if err := f.take(name, e, parts); err != nil {
			return err
		}
	}
	return nil
}

// take adds an entry that matches the first part, or the files below it.
func (f *finder) take(name string, e fs.DirEntry, parts []string) error {
	match, err := path.Match(parts[0], e.Name())
	if err != nil {
		return fmt.Errorf("%s: %w", parts[0], err)
	}
	if !match {
		return nil
	}
	info, err := os.Stat(filepath.Join(f.Root, filepath.FromSlash(name)))
	hidden := isHidden(e.Name(), parts[0])
	switch {
	case err != nil:
		return err
	case len(parts) > 1 && info.IsDir() && !hidden:
		return f.walk(name, parts[1:])
	case len(parts) > 1 || info.IsDir() || f.seen[name]:
		return nil
	case hidden, strings.HasSuffix(e.Name(), PartialName("")):
		f.LeftOut++
		return nil
	}
	f.seen[name] = true
	f.Names, f.Bytes = append(f.Names, name), f.Bytes+info.Size()
	return nil
}

// isHidden tells whether a part of a pattern passes over a name.
func isHidden(name, part string) bool {
	return strings.HasPrefix(name, ".") && !strings.HasPrefix(part, ".")
}

// Matches tells whether the pattern stands for a file with this path below
// Root, whether that exists or not.
func (f *Found) Matches(name string) bool { return matchParts(f.parts, strings.Split(name, "/")) }

func matchParts(parts, names []string) bool {
	if parts[0] == "**" {
		return matchParts(parts[1:], names) ||
			len(names) > 1 && !isHidden(names[0], parts[0]) && matchParts(parts, names[1:])
	}
	if match, err := path.Match(parts[0], names[0]); err != nil || !match || isHidden(names[0], parts[0]) {
		return false
	}
	if len(parts) == 1 || len(names) == 1 {
		return len(parts) == len(names) && !strings.HasSuffix(names[0], PartialName(""))
	}
	return matchParts(parts[1:], names[1:])
}

// errTwice says that a file would be read twice.
var errTwice = errors.New("two names of one file")

// checkFiles opens every file once.
func (f *finder) checkFiles() error {
	targets := make(map[string]string, len(f.Names))
	for _, name := range f.Names {
		at := f.PathOf(name)
		is, err := isRegular(at)
		switch {
		case err != nil:
			return err
		case !is:
			return fmt.Errorf("%s: not a regular file", at)
		}
		target, err := filepath.EvalSymlinks(at)
		if err != nil {
			return err
		}
		if other, there := targets[target]; there {
			return fmt.Errorf("%s and %s: %w", f.PathOf(other), at, errTwice)
		}
		targets[target] = name
		h, err := os.Open(at)
		if err == nil {
			err = h.Close()
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// PathOf returns the path of a file.
func (f *Found) PathOf(name string) string { return filepath.Join(f.Root, filepath.FromSlash(name)) }
