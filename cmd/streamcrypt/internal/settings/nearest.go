package settings

import "strings"

// maxDistance is how many letters may differ between a name and what it was meant to be.
const maxDistance = 3

// Nearest returns the known name that name was probably meant to be: the one from which the fewest letters differ, if these
// are at most three and less than half of it. It returns "" if there is none.
func Nearest(name string, known []string) string {
	best, least := "", min((len(name)+1)/2, maxDistance+1)
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
