package contest

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// SizeName returns a number of bytes as people say it.
func SizeName(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d B", n)
}

// FormatThousands returns a number without more digits than it has meaning.
func FormatThousands(v float64) string {
	if v >= 10_000 {
		return fmt.Sprintf("%.0fk", v/1000)
	}
	return fmt.Sprintf("%.0f", v)
}

// ReadSizes returns the sizes of a list with commas, in order, or none.
func ReadSizes(list string, most int) ([]int, error) {
	if list == "none" {
		return nil, nil
	}
	var sizes []int
	for text := range strings.SplitSeq(list, ",") {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > most {
			return nil, fmt.Errorf("%q is not a size from 1 to %d", text, most)
		}
		sizes = append(sizes, n)
	}
	slices.Sort(sizes)
	return sizes, nil
}
