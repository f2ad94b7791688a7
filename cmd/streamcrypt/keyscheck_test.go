package main

import (
	"strings"
	"testing"

	"github.com/streamcrypt/streamcrypt/internal/keycheck"
)

func TestWriteCheck(t *testing.T) {
	at := func(n int64) *int64 { return &n }
	r := &keycheck.Report{
		Tried: true, Sampled: true, Envelopes: 9, Readable: 4, Recipients: 2, Few: 3, More: 7,
		Refused: map[string]int64{"malformed": 1}, Unreadable: map[string]int64{"gone": 3, "away": 2},
		KEKs: []keycheck.KEK{
			{Name: "local:00", Configured: true, Envelopes: 9, DataKeys: 3, Unwrapped: 1, Why: "gone: disabled"},
			{Name: "local:01", Configured: true},
		},
		Places: []keycheck.Place{
			{Name: "orders/0", First: -1, Last: -1},
			{Name: "orders/1", First: 5, Last: 90, Envelopes: 4, Readable: 2, FirstReadable: at(7), Changes: 3},
			{Name: "orders/2", First: 0, Last: 90, Envelopes: 4, Readable: 2, FirstReadable: at(7), From: at(80), Changes: 3},
		},
	}
	want := `KEY       ENVELOPES  DATA KEYS  UNWRAPS NOW
local:00  9          3          1 of 3: gone: disabled
local:01  0          0          nothing to unwrap
others    7                     

PLACE     OFFSETS  ENVELOPES  READABLE  FIRST READABLE
orders/0  none     0          0         none
orders/1  5-90     4          2         7  not contiguous: 3 changes, and not to the end
orders/2  0-90     4          2         7  not contiguous: 3 changes; all from 80

4 of 9 envelopes of a sample can be opened (away: 2; gone: 3)
3 have fewer than 2 recipients
messages that are no envelopes (malformed: 1)
`
	var b strings.Builder
	if err := writeCheck(&b, r); err != nil || b.String() != want {
		t.Errorf("%v, got\n%s\nwant\n%s", err, b.String(), want)
	}
}
