package address

import "testing"

func TestRewrite(t *testing.T) {
	for _, test := range []struct{ in, path, want string }{
		{"kafka://h:1,i:2/orders?group=g&tls=true&ca=/a%20b%26c.pem", "sealed", "kafka://h:1,i:2/sealed?tls=true&ca=/a%20b%26c.pem"},
		{"nats://h/ORDERS?group=g", "A,B", "nats://h/A,B"},
		{"nats://h/ORDERS?x=1&x=2&y=%3F", "~a?", "nats://h/~a%3F?x=1&x=2&y=%3F"},
		{"file:a%3Fb?key=.id", "a?b", "file:a%3Fb?key=.id"},
	} {
		a, err := Parse(test.in)
		if err != nil {
			t.Fatal(err)
		}
		if got := a.Rewrite(test.path, "group"); got != test.want {
			t.Errorf("%s: %s, want %s", test.in, got, test.want)
		}
	}
}

// FuzzRewrite has an address be the same after it was written and read.
func FuzzRewrite(f *testing.F) {
	f.Add("kafka://h:1/orders?group=g&ca=%26")
	f.Fuzz(func(t *testing.T, text string) {
		a, err := Parse(text)
		if err != nil {
			return
		}
		b, err := Parse(a.Rewrite(a.Path))
		if err != nil || b.Path != a.Path || b.Scheme != a.Scheme || len(b.names) != len(a.names) {
			t.Fatalf("%q became %q: %v", text, a.Rewrite(a.Path), err)
		}
		for name, values := range a.values {
			for i := range values {
				if b.values[name][i] != values[i] {
					t.Fatalf("%q became %q", text, a.Rewrite(a.Path))
				}
			}
		}
	})
}
