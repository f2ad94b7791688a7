package awskms

import (
	"strings"
	"testing"
)

func TestParseRef(t *testing.T) {
	for text, want := range map[string]ref{
		first:    {"aws", here, "111122223333", "key/11111111-aaaa-bbbb-cccc-000000000001"},
		multi:    {"aws", here, "111122223333", "key/mrk-44444444aaaabbbbcccc000000000004"},
		orders:   {resource: orders},
		"1-2":    {resource: "key/1-2"},
		"mrk-12": {resource: "key/mrk-12"},
		"arn:aws-us-gov:kms:us-gov-west-1:000000000000:alias/a/b_C": {"aws-us-gov", "us-gov-west-1", "000000000000", "alias/a/b_C"},
	} {
		got, err := parseRef(text)
		if err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
		if got.String() != text {
			t.Errorf("%s: written as %s", text, got)
		}
	}
	for _, text := range []string{
		"", "alias/", "key/1", "alias/a b", "orders?", "arn:", "arn:aws:kms:eu-central-1:111122223333:key",
		"arn:aws:kms:eu-central-1:111122223333:key/", "arn:aws:kms:eu-central-1:11112222333:key/1",
		"arn:aws:kms:eu-central-1:11112222333x:key/1", "arn:aws:kms::111122223333:key/1", "arn::kms:eu-central-1:111122223333:key/1",
		"arn:aws:s3:eu-central-1:111122223333:key/1", "arn:aws:kms:EU:111122223333:key/1", "arn:aws:kms:eu-central-1:111122223333:key/1:2",
		"arn:aws:kms:eu-central-1:111122223333:grant/1", "arn:aws:kms:eu-central-1:111122223333:key/a/b",
		" " + first, first + "\n", "arn:aws:kms:eu-central-1:111122223333:key/" + strings.Repeat("1", 200), "alias/" + strings.Repeat("a", 300),
	} {
		if r, err := parseRef(text); err == nil {
			t.Errorf("%q is accepted as %+v", text, r)
		}
	}
	if _, ok := parseKeyARN("arn:aws:kms:eu-central-1:111122223333:alias/orders"); ok {
		t.Error("an alias is taken for a key")
	}
}

func TestSame(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want bool
	}{
		{first, first, true},
		{first, second, false},
		{first, strings.Replace(first, here, there, 1), false},
		{first, strings.Replace(first, "1111222", "1111223", 1), false},
		{multi, copied, true},
		{multi, strings.Replace(copied, "1111222", "1111223", 1), false},
		{multi, strings.Replace(copied, "arn:aws:", "arn:aws-cn:", 1), false},
	} {
		a, _ := parseKeyARN(tc.a)
		b, _ := parseKeyARN(tc.b)
		if a.isSameKey(b) != tc.want || b.isSameKey(a) != tc.want {
			t.Errorf("%s and %s: want %v", tc.a, tc.b, tc.want)
		}
	}
}

func FuzzParseRef(f *testing.F) {
	for _, text := range []string{first, multi, orders, "1-2", "arn:aws:kms:eu-central-1:111122223333:alias/a"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		r, err := parseRef(text)
		if err == nil && r.String() != text {
			t.Errorf("%q is written as %q", text, r)
		}
		if err == nil && strings.ContainsAny(text, "\x00\n\r\x1b ") {
			t.Errorf("%q is accepted", text)
		}
	})
}
