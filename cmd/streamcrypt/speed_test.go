package main

import "testing"

func TestSpeed(t *testing.T) {
	for text, want := range map[string]int64{
		"50MB/s": 50_000_000, "1kB/s": 1000, "2GB/s": 2_000_000_000, "512KiB/s": 512 << 10, "3MiB/s": 3 << 20, "7B/s": 7,
	} {
		var got speed
		if err := got.UnmarshalText([]byte(text)); err != nil || int64(got) != want {
			t.Errorf("%s: %d, %v", text, got, err)
		}
	}
	for _, text := range []string{
		"", "50", "50MB", "0MB/s", "-1MB/s", "1.5MB/s", "MB/s", "50/s", "50 MB/s", "50Mb/s", "99999999999GB/s", "5MB/h",
	} {
		var got speed
		if err := got.UnmarshalText([]byte(text)); err == nil || got != 0 {
			t.Errorf("%q is %d", text, got)
		}
	}
}
