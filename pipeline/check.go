package pipeline

import (
	"errors"
	"fmt"
)

const (
	// minBudget leaves a worker room for a message of a few KiB and its
	// envelope.
	minBudget = 64 << 10
	// maxBudget and maxWorkers keep sums of memory far from an overflow.
	maxBudget  = 1 << 40
	maxWorkers = 1 << 16
)

// Check returns an error if one of the numbers in o is out of its range.
// Sources, sinks and transforms are not looked at: a program can judge its
// user's numbers before it opens anything.
func (o Options) Check() error {
	switch {
	case o.Workers < 0:
		return errors.New("workers must not be negative")
	case o.Workers > maxWorkers:
		return fmt.Errorf("workers: %d are more than %d", o.Workers, maxWorkers)
	case o.Budget < 0 || o.Budget > 0 && o.Budget < minBudget:
		return fmt.Errorf("budget: %d bytes are below %d", o.Budget, minBudget)
	case int64(o.Budget) > maxBudget:
		return fmt.Errorf("budget: %d bytes are above %d", o.Budget, int64(maxBudget))
	case o.ReadAhead < 0:
		return errors.New("read-ahead must not be negative")
	case o.Grace < 0:
		return errors.New("grace must not be negative")
	case o.ExitAfter < 0:
		return errors.New("exit after must not be negative")
	}
	return nil
}
