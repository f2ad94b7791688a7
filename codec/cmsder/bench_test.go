package cmsder_test

import (
	"testing"

	"github.com/streamcrypt/streamcrypt/codec/cmsder"
	"github.com/streamcrypt/streamcrypt/codec/exchange"
)

func BenchmarkParse(b *testing.B) {
	l := newLab(b)
	for _, key := range []string{"aes", "rsa", "x25519"} {
		message := l.seal(b, cmsder.Format, make([]byte, 1<<10), key)
		b.Run(key, func(b *testing.B) {
			var m exchange.Message
			for b.Loop() {
				if err := cmsder.Format.Codec.Parse(&m, message); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	l := newLab(b)
	template, err := cmsder.Format.Codec.NewTemplate(l.wrapAll(b, make([]byte, 32), "aes"))
	if err != nil {
		b.Fatal(err)
	}
	nonce, sealed, dst := make([]byte, 12), make([]byte, 1040), []byte(nil)
	for b.Loop() {
		dst = template.Append(dst[:0], nonce, sealed)
	}
}
