package doctor

import (
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// Neighbour is a route, as others see it: its keys, and the place and the name
// of its envelopes.
type Neighbour struct {
	Name    string
	Keys    []string // names of KEKs
	Context string   // that its envelopes are bound to
	Sealed  string   // identity of the end that holds its envelopes
	Shown   string   // that end's name
}

// JudgeSharing makes lines of the keys that a route has in common with others.
func JudgeSharing(own Neighbour, others []Neighbour) []findings.Line {
	if len(others) == 0 {
		return nil
	}
	shared, same := false, false
	var lines []findings.Line
	for _, other := range others {
		i := slices.IndexFunc(own.Keys, func(key string) bool { return slices.Contains(other.Keys, key) })
		if i < 0 || own.Sealed == other.Sealed { // the two sides of one stream
			continue
		}
		if own.Context == other.Context {
			same = true
			lines = append(lines, findings.Line{
				Check: SameName, Subject: "route " + other.Name, Level: findings.Fail,
				Found: fmt.Sprintf("the envelopes of %s and of %s are bound to one name, %q, under one key: "+
					"those of one can be put in place of the other's", own.Shown, other.Shown, own.Context),
				Remedy: "give each a name of its own (--context), or a key of its own",
			})
			continue
		}
		shared = true
		lines = append(lines, findings.Line{
			Check: KeyShared, Subject: "route " + other.Name, Level: findings.Warn,
			Found:  fmt.Sprintf("it has %s too: readers of one route can open the other's envelopes", own.Keys[i]),
			Remedy: "a key for each route, or in AWS KMS grants that name the context",
		})
	}
	found := fmt.Sprintf("%d other routes were looked at", len(others))
	if !shared {
		lines = append(lines, findings.Line{Check: KeyShared, Subject: "keys", Level: findings.OK, Found: found})
	}
	if !same {
		lines = append(lines, findings.Line{Check: SameName, Subject: "keys", Level: findings.OK, Found: found})
	}
	return lines
}
