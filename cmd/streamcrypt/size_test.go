package main

import "testing"

func TestSize(t *testing.T) {
	for _, c := range []struct {
		text string
		want size
		bad  bool
	}{
		{text: "0", want: 0},
		{text: "4096", want: 4096},
		{text: "17B", want: 17},
		{text: "64KiB", want: 64 << 10},
		{text: "8 MiB", want: 8 << 20},
		{text: "3GiB", want: 3 << 30},
		{text: "8388607TiB", want: 8388607 << 40},
		{text: "8388608TiB", bad: true}, // 2^63
		{text: "9223372036854775808", bad: true},
		{text: "", bad: true},
		{text: "MiB", bad: true},
		{text: "8MB", bad: true},
		{text: "8mib", bad: true},
		{text: "-1", bad: true},
		{text: "1.5MiB", bad: true},
		{text: "0x10", bad: true},
	} {
		var got size
		err := got.UnmarshalText([]byte(c.text))
		if (err != nil) != c.bad || got != c.want {
			t.Errorf("%q: %d, %v", c.text, got, err)
		}
	}
}
