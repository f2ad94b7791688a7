package nats

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
)

// FileState is a StateStore in a file with one entry. It is replaced as a
// whole, and readable by its owner only. Processes on several machines need a
// bucket instead.
type FileState struct{ path string }

// NewFileState returns the store at a path. The file need not be there.
func NewFileState(path string) *FileState { return &FileState{path: path} }

// String implements StateStore.
func (f *FileState) String() string { return f.path }

// stateFile is the content of the file.
type stateFile struct {
	Name     string          `json:"name"`
	Position json.RawMessage `json:"position"`
}

// maxStateFile is more than any state takes, in bytes.
const maxStateFile = 64 << 20

// LoadState implements StateStore. A file with an entry of another name is not
// overwritten: its error matches ErrStateUnread.
func (f *FileState) LoadState(_ context.Context, name string) ([]byte, error) {
	file, err := os.Open(f.path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer file.Close() //nolint:errcheck // it was only read
	text, err := io.ReadAll(io.LimitReader(file, maxStateFile+1))
	if err != nil {
		return nil, err
	}
	if len(text) > maxStateFile {
		return nil, fmt.Errorf("%w: the file is above %d bytes", ErrStateUnread, maxStateFile)
	}
	var content stateFile
	if err := json.Unmarshal(text, &content); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrStateUnread, err)
	}
	if content.Name != name {
		return nil, fmt.Errorf("%w: it is of %s, not of %s", ErrStateUnread, content.Name, name)
	}
	return content.Position, nil
}

// SaveState implements StateStore.
func (f *FileState) SaveState(_ context.Context, name string, state []byte) error {
	text, err := json.Marshal(stateFile{Name: name, Position: state})
	if err != nil {
		return err
	}
	folder := filepath.Dir(f.path)
	file, err := os.CreateTemp(folder, "."+filepath.Base(f.path)+".*.tmp") // readable by its owner only
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	if err == nil {
		err = file.Sync()
	}
	err = errors.Join(err, file.Close())
	if err == nil {
		err = os.Rename(file.Name(), f.path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(file.Name()))
	}
	return syncFolder(folder)
}

// syncFolder makes the names in a folder durable. Windows cannot, and need not.
func syncFolder(path string) error {
	if runtime.GOOS == "windows" {
		return nil
	}
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	err = folder.Sync()
	return errors.Join(err, folder.Close())
}
