package settings

import "strings"

// Nearest returns the known name that name was probably meant to be: the one with the fewest changed letters, if less than
// half of them are. It returns "" if there is none.
func Nearest(name string, known []string) string {
	best, least := "", (len(name)+1)/2
	for _, k := range known {
		if d := distance(plain(name), plain(k)); d < least {
			best, least = k, d
		}
	}
	return best
}

// plain makes names equal that differ in the way of writing only.
func plain(name string) string { return strings.ToLower(strings.ReplaceAll(name, "_", "-")) }

// distance is how many bytes have to be added, dropped or changed to make b of a (Levenshtein).
func distance(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		corner := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := corner
			if a[i] != b[j] {
				change++
			}
			corner = row[j+1]
			row[j+1] = min(change, row[j]+1, row[j+1]+1)
		}
	}
	return row[len(b)]
}
