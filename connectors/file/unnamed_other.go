//go:build !linux

package file

import "errors"

// openUnnamed implements disk: such files cannot be made here.
func (osDisk) openUnnamed(string) (unnamed, error) { return nil, errors.ErrUnsupported }
