package proof

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// SignatureSuffix is appended to the name of a report for that of its
// signature.
const SignatureSuffix = ".sig"

// Signer signs reports: Ed25519 (RFC 8032), 64 bytes.
type Signer interface {
	Sign(message []byte) ([]byte, error)
}

// CheckFree finds out before anything is read whether a report can be written:
// neither it nor its signature is there yet, and its folder is.
func CheckFree(path string, signed bool) error {
	names := []string{path}
	if signed {
		names = append(names, path+SignatureSuffix)
	}
	for _, name := range names {
		switch _, err := os.Lstat(name); {
		case err == nil:
			return fmt.Errorf("report %s: %w", name, fs.ErrExist)
		case !errors.Is(err, fs.ErrNotExist):
			return fmt.Errorf("report: %w", err)
		}
	}
	if _, err := os.Stat(filepath.Dir(path)); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}

// WriteFile writes the report for an auditor to keep: as JSON, which ends with
// a line feed, and its signature over exactly these bytes beside it. A nil
// signer signs nothing. It replaces no file.
func (r *Report) WriteFile(path string, signer Signer) error {
	text, err := json.MarshalIndent(r, "", "  ")
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	text = append(text, '\n')
	if err := writeNew(path, text); err != nil || signer == nil {
		return err
	}
	signature, err := signer.Sign(text)
	if err != nil {
		return fmt.Errorf("report: signature: %w", err)
	}
	return writeNew(path+SignatureSuffix, signature)
}

// writeNew writes a file that must not be there, and makes it durable.
func writeNew(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644) //nolint:gosec // it is for others to read
	if err != nil {
		return fmt.Errorf("report: %w", err)
	}
	_, err = f.Write(content)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("report: %w", err)
	}
	return nil
}
