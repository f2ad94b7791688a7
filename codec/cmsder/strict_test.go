package cmsder

import (
	"encoding/asn1"
	"errors"
	"strings"
	"testing"

	"golang.org/x/crypto/cryptobyte"
	der "golang.org/x/crypto/cryptobyte/asn1"

	"github.com/streamcrypt/streamcrypt/codec/exchange"
)

// add is a part of a message.
type add = cryptobyte.BuilderContinuation

// draft is a message that can be changed before it is encoded.
type draft struct {
	contentType, dataType, cipher asn1.ObjectIdentifier
	version                       int64
	recipients                    []add // in the order in which they are written
	beforeRecipients, afterCipher add
	parameters, content           add
	beforeTag, tag, afterTag      add
}

func octets(n int) add {
	return func(b *cryptobyte.Builder) { b.AddASN1OctetString(make([]byte, n)) }
}

// tagged puts a tag around a part.
func tagged(tag der.Tag, part add) add {
	return func(b *cryptobyte.Builder) { b.AddASN1(tag, part) }
}

// join is parts one after the other; nil is none.
func join(parts ...add) add {
	return func(b *cryptobyte.Builder) {
		for _, part := range parts {
			if part != nil {
				part(b)
			}
		}
	}
}

func number(n int64) add { return func(b *cryptobyte.Builder) { b.AddASN1Int64(n) } }

func raw(text string) add { return func(b *cryptobyte.Builder) { b.AddBytes([]byte(text)) } }

func algorithm(oid asn1.ObjectIdentifier, parameters add) add {
	return func(b *cryptobyte.Builder) { addAlgorithm(b, oid, parameters) }
}

func kek(version int64, id string, inside add, wrap asn1.ObjectIdentifier, wrapped int) add {
	identifier := func(b *cryptobyte.Builder) { b.AddASN1OctetString([]byte(id)) }
	return tagged(tag2.Constructed(), join(number(version), tagged(der.SEQUENCE, join(identifier, inside)),
		algorithm(wrap, nil), octets(wrapped)))
}

func transport(version int64, rid, alg add) add {
	return tagged(der.SEQUENCE, join(number(version), rid, alg, octets(256)))
}

func agreement(version int64, originator, ukm, alg add, keys ...add) add {
	return tagged(tag1.Constructed(), join(number(version), tagged(tag0.Constructed(), originator), ukm, alg,
		tagged(der.SEQUENCE, join(keys...))))
}

var (
	goodKEK     = kek(4, "12345678", nil, oidAES256Wrap, 40)
	goodRID     = tagged(tag0, raw("12345678"))
	goodIssuer  = tagged(der.SEQUENCE, join(tagged(der.SEQUENCE, empty), number(7)))
	goodWrap    = algorithm(oidAES256Wrap, nil)
	goodScheme  = algorithm(oidHKDFSHA256Scheme, goodWrap)
	goodPublic  = join(algorithm(oidX25519, nil), func(b *cryptobyte.Builder) { b.AddASN1BitString(make([]byte, 32)) })
	goodSender  = tagged(tag1.Constructed(), goodPublic)
	goodAgreed  = agreed(8, nil, 40)
	passphrase  = tagged(tag3.Constructed(), number(0))
	goodOAEP    = oaep(oidSHA256, oidSHA256, nil)
	goodGCM     = tagged(der.SEQUENCE, join(octets(12), number(16)))
	goodContent = tagged(tag0, raw("ciphertext"))
)

func empty(*cryptobyte.Builder) {}

func agreed(id int, inside add, wrapped int) add {
	return tagged(der.SEQUENCE, join(tagged(tag0.Constructed(), join(octets(id), inside)), octets(wrapped)))
}

func oaep(hash, mask asn1.ObjectIdentifier, label add) add {
	return algorithm(oidOAEP, tagged(der.SEQUENCE, join(
		tagged(tag0.Constructed(), algorithm(hash, nil)),
		tagged(tag1.Constructed(), algorithm(oidMGF1, algorithm(mask, nil))), label)))
}

// encode returns the message.
func (d *draft) encode(t *testing.T) []byte {
	t.Helper()
	encrypted := join(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(d.dataType) },
		algorithm(d.cipher, d.parameters), d.content, d.afterCipher)
	body := join(number(d.version), d.beforeRecipients, tagged(der.SET, join(d.recipients...)),
		tagged(der.SEQUENCE, encrypted), d.beforeTag, d.tag, d.afterTag)
	var b cryptobyte.Builder
	b.AddASN1(der.SEQUENCE, join(func(b *cryptobyte.Builder) { b.AddASN1ObjectIdentifier(d.contentType) },
		tagged(tag0.Constructed(), tagged(der.SEQUENCE, body))))
	message, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	return message
}

func newDraft() *draft {
	return &draft{
		contentType: oidAuthEnvelopedData, dataType: oidData, cipher: oidAES256GCM,
		recipients: []add{goodKEK}, parameters: goodGCM, content: goodContent, tag: octets(16),
	}
}

// strictCase is a change of a message, and the words of its refusal; no words
// where it is read.
type strictCase struct {
	name   string
	change func(d *draft)
	want   error
	detail string
}

func recipientCase(name string, want error, detail string, recipients ...add) strictCase {
	return strictCase{name, func(d *draft) { d.recipients = recipients }, want, detail}
}

var strictCases = []strictCase{
	{"as it should be", func(*draft) {}, nil, ""},
	{"EnvelopedData", func(d *draft) { d.contentType = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 3} },
		exchange.ErrUnsupported, "EnvelopedData, whose ciphers authenticate nothing"},
	{"another content", func(d *draft) { d.contentType = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 9, 16, 1, 99} },
		exchange.ErrUnsupported, "content type 1.2.840.113549.1.9.16.1.99"},
	{"version 1", func(d *draft) { d.version = 1 }, exchange.ErrUnsupported, "version 1 of AuthEnvelopedData"},
	{"originatorInfo", func(d *draft) { d.beforeRecipients = tagged(tag0.Constructed(), empty) },
		exchange.ErrUnsupported, "originatorInfo"},
	{"signed data inside", func(d *draft) { d.dataType = asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 7, 2} },
		exchange.ErrUnsupported, "only data is read"},
	{"AES-128", func(d *draft) { d.cipher = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 6} },
		exchange.ErrUnsupported, "cipher AES-128-GCM"},
	{"CBC", func(d *draft) { d.cipher = asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 42} },
		exchange.ErrUnsupported, "cipher AES-256-CBC"},
	{"nonce of 8 bytes", func(d *draft) { d.parameters = tagged(der.SEQUENCE, join(octets(8), number(16))) },
		exchange.ErrUnsupported, "nonce of 8 bytes"},
	{"tag of 12 bytes by default", func(d *draft) { d.parameters = tagged(der.SEQUENCE, octets(12)) },
		exchange.ErrUnsupported, "tag of 12 bytes"},
	{"the default spelled out", func(d *draft) { d.parameters = tagged(der.SEQUENCE, join(octets(12), number(12))) },
		exchange.ErrMalformed, "GCMParameters"},
	{"no parameters", func(d *draft) { d.parameters = nil }, exchange.ErrMalformed, "GCMParameters"},
	{"more parameters", func(d *draft) { d.parameters = join(goodGCM, number(1)) },
		exchange.ErrMalformed, "GCMParameters"},
	{"tag shorter than it says", func(d *draft) { d.tag = octets(12) }, exchange.ErrUnsupported, "tag of 12 bytes"},
	{"no tag", func(d *draft) { d.tag = nil }, exchange.ErrMalformed, "mac"},
	{"no content", func(d *draft) { d.content = nil }, exchange.ErrUnsupported, "stored elsewhere"},
	{"empty content", func(d *draft) { d.content = tagged(tag0, empty) }, nil, ""},
	{"content in pieces", func(d *draft) { d.content = tagged(tag0.Constructed(), octets(5)) },
		exchange.ErrMalformed, "content in pieces"},
	{"more than content", func(d *draft) { d.afterCipher = number(1) }, exchange.ErrMalformed, "encryptedContent"},
	{"authenticated attributes", func(d *draft) { d.beforeTag = tagged(tag1.Constructed(), octets(1)) },
		exchange.ErrUnsupported, "authenticated attributes"},
	{"unauthenticated attributes", func(d *draft) { d.afterTag = tagged(tag2.Constructed(), octets(1)) },
		exchange.ErrUnsupported, "unauthenticated attributes"},
	{"something behind the tag", func(d *draft) { d.afterTag = octets(1) }, exchange.ErrMalformed, "after the mac"},
	{"version not in its shortest form", func(d *draft) { d.beforeRecipients = raw("\x02\x02\x00\x00") },
		exchange.ErrMalformed, "recipientInfos"},

	recipientCase("no recipient", exchange.ErrMalformed, "no recipient"),
	recipientCase("one identifier twice", exchange.ErrMalformed, "have one identifier", goodKEK, goodKEK),
	recipientCase("one identifier twice, in two algorithms", exchange.ErrMalformed, "have one identifier",
		transport(2, goodRID, algorithm(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, nil)),
		transport(2, goodRID, goodOAEP)),
	recipientCase("not sorted", exchange.ErrMalformed, "order of DER", goodKEK, transport(2, goodRID, goodOAEP)),
	recipientCase("only a passphrase", exchange.ErrUnsupported, "no recipient with", passphrase),
	recipientCase("a passphrase too", nil, "", goodKEK, passphrase),
	recipientCase("a number", exchange.ErrMalformed, "RecipientInfo", number(1)),
	recipientCase("too large", exchange.ErrTooLarge, "recipient of", kek(4, "12345678", nil, oidAES256Wrap, MaxRecipientSize)),

	recipientCase("KEK: version 3", exchange.ErrUnsupported, "version 3", kek(3, "12345678", nil, oidAES256Wrap, 40)),
	recipientCase("KEK: a date", exchange.ErrUnsupported, "more than an identifier",
		kek(4, "12345678", tagged(der.GeneralizedTime, raw("20260101000000Z")), oidAES256Wrap, 40)),
	recipientCase("KEK: no identifier", exchange.ErrMalformed, "KEKIdentifier", kek(4, "", nil, oidAES256Wrap, 40)),
	recipientCase("KEK: long identifier", exchange.ErrTooLarge, "KEKIdentifier of 65 bytes",
		kek(4, strings.Repeat("k", 65), nil, oidAES256Wrap, 40)),
	recipientCase("KEK: short key", exchange.ErrMalformed, "AES-256 key wrap", kek(4, "12345678", nil, oidAES256Wrap, 32)),
	recipientCase("KEK: AES-128", exchange.ErrUnsupported, "no recipient with",
		kek(4, "12345678", nil, asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 5}, 24)),

	recipientCase("RSA", nil, "", transport(2, goodRID, goodOAEP)),
	recipientCase("RSA: by certificate", nil, "", transport(0, goodIssuer, goodOAEP)),
	recipientCase("RSA: version of the other name", exchange.ErrUnsupported, "version 0", transport(0, goodRID, goodOAEP)),
	recipientCase("RSA: PKCS #1 v1.5", exchange.ErrUnsupported, "no recipient with",
		transport(2, goodRID, algorithm(asn1.ObjectIdentifier{1, 2, 840, 113549, 1, 1, 1}, raw("\x05\x00")))),
	recipientCase("RSA: SHA-1 by default", exchange.ErrUnsupported, "no recipient with",
		transport(2, goodRID, algorithm(oidOAEP, tagged(der.SEQUENCE, empty)))),
	recipientCase("RSA: no parameters", exchange.ErrMalformed, "RSAES-OAEP-params",
		transport(2, goodRID, algorithm(oidOAEP, nil))),
	recipientCase("RSA: two hashes", exchange.ErrUnsupported, "no recipient with",
		transport(2, goodRID, oaep(oidSHA256, oidSHA512, nil))),
	recipientCase("RSA: SHA-512", nil, "", transport(2, goodRID, oaep(oidSHA512, oidSHA512, nil))),
	recipientCase("RSA: a label", exchange.ErrUnsupported, "no recipient with",
		transport(2, goodRID, oaep(oidSHA256, oidSHA256, tagged(tag2.Constructed(), algorithm(oidData, octets(4)))))),
	recipientCase("RSA: more parameters", exchange.ErrMalformed, "RSAES-OAEP-params",
		transport(2, goodRID, oaep(oidSHA256, oidSHA256, number(1)))),

	recipientCase("X25519", nil, "", agreement(3, goodSender, nil, goodScheme, goodAgreed)),
	recipientCase("X25519: two recipients", nil, "", agreement(3, goodSender, nil, goodScheme, goodAgreed, agreed(9, nil, 40))),
	recipientCase("X25519: one identifier twice", exchange.ErrMalformed, "have one identifier",
		agreement(3, goodSender, nil, goodScheme, goodAgreed, goodAgreed)),
	recipientCase("X25519: no recipient", exchange.ErrMalformed, "recipientEncryptedKeys",
		agreement(3, goodSender, nil, goodScheme)),
	recipientCase("X25519: 17 recipients", exchange.ErrTooLarge, "more than 16", agreement(3, goodSender, nil, goodScheme,
		func() (list []add) {
			for i := range 17 {
				list = append(list, agreed(i+1, nil, 40))
			}
			return list
		}()...)),
	recipientCase("X25519: a date", exchange.ErrUnsupported, "more than an identifier",
		agreement(3, goodSender, nil, goodScheme, agreed(8, tagged(der.GeneralizedTime, raw("20260101000000Z")), 40))),
	recipientCase("X25519: ukm", nil, "",
		agreement(3, goodSender, tagged(tag1.Constructed(), octets(8)), goodScheme, goodAgreed)),
	recipientCase("X25519: empty ukm", exchange.ErrMalformed, "ukm",
		agreement(3, goodSender, tagged(tag1.Constructed(), octets(0)), goodScheme, goodAgreed)),
	recipientCase("X25519: long ukm", exchange.ErrTooLarge, "ukm of 65 bytes",
		agreement(3, goodSender, tagged(tag1.Constructed(), octets(65)), goodScheme, goodAgreed)),
	recipientCase("X25519: static sender", exchange.ErrUnsupported, "no recipient with",
		agreement(3, goodRID, nil, goodScheme, goodAgreed)),
	recipientCase("X25519: key of 31 bytes", exchange.ErrMalformed, "originatorKey",
		agreement(3, tagged(tag1.Constructed(), join(algorithm(oidX25519, nil),
			func(b *cryptobyte.Builder) { b.AddASN1BitString(make([]byte, 31)) })), nil, goodScheme, goodAgreed)),
	recipientCase("X25519: AES-128 key wrap", exchange.ErrUnsupported, "no recipient with",
		agreement(3, goodSender, nil, algorithm(oidHKDFSHA256Scheme,
			algorithm(asn1.ObjectIdentifier{2, 16, 840, 1, 101, 3, 4, 1, 5}, nil)), agreed(8, nil, 24))),
	recipientCase("X25519: X9.63", exchange.ErrUnsupported, "no recipient with",
		agreement(3, goodSender, nil, algorithm(asn1.ObjectIdentifier{1, 3, 132, 1, 11, 1}, goodWrap), goodAgreed)),
	recipientCase("X25519: short key", exchange.ErrMalformed, "AES-256 key wrap",
		agreement(3, goodSender, nil, goodScheme, agreed(8, nil, 32))),
}

func TestStrictReader(t *testing.T) {
	for _, c := range strictCases {
		d := newDraft()
		c.change(d)
		var m Message
		err := Parse(d.encode(t), &m)
		switch {
		case c.want == nil && err != nil:
			t.Errorf("%s: %v", c.name, err)
		case c.want != nil && (!errors.Is(err, c.want) || !strings.Contains(err.Error(), c.detail)):
			t.Errorf("%s: %v, want %v with %q", c.name, err, c.want, c.detail)
		case err != nil && !strings.HasPrefix(err.Error(), c.want.Error()+": "):
			t.Errorf("%s: %q does not begin with the word", c.name, err)
		}
	}
}

// TestOuterForm has what a Builder does not write.
func TestOuterForm(t *testing.T) {
	good := string(newDraft().encode(t))
	inside := good[3:] // the outer length has one byte more than the tag and its size
	if good[1] != 0x81 {
		t.Fatalf("outer length %x", good[:4])
	}
	for _, c := range []struct {
		name, message string
		want          error
	}{
		{"nothing", "", exchange.ErrNotEnvelope},
		{"JSON", `{"ciphertext":""}`, exchange.ErrNotEnvelope},
		{"an envelope", "\xd8\x60\x84\x43", exchange.ErrNotEnvelope},
		{"a certificate", "\x30\x82\x01\x00\x30\x81\x80", exchange.ErrNotEnvelope},
		{"indefinite length", "\x30\x80" + inside + "\x00\x00", exchange.ErrMalformed},
		{"length in more bytes than needed", "\x30\x82\x00" + good[2:], exchange.ErrMalformed},
		{"length of five bytes", "\x30\x85\x00\x00\x00\x00" + good[2:], exchange.ErrTooLarge},
		{"length of 2 GiB", "\x30\x84\x80\x00\x00\x00" + inside, exchange.ErrTooLarge},
		{"cut", good[:len(good)-1], exchange.ErrTruncated},
		{"a byte more", good + "\x00", exchange.ErrMalformed},
		{"two messages", good + good, exchange.ErrMalformed},
	} {
		var m Message
		if err := Parse([]byte(c.message), &m); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
		if got := LooksLikeMessage([]byte(c.message)); got == (c.want == exchange.ErrNotEnvelope) {
			t.Errorf("%s: recognized: %v", c.name, got)
		}
	}
}

func TestPEM(t *testing.T) {
	message := newDraft().encode(t)
	good := string(AppendPEM(nil, message))
	if len(good) != PEMSize(len(message)) {
		t.Errorf("%d bytes, not %d", PEMSize(len(message)), len(good))
	}
	body := strings.TrimSuffix(strings.TrimPrefix(good, pemBegin+"\n"), "\n"+pemEnd+"\n")
	oneLine := strings.ReplaceAll(body, "\n", "")
	for _, c := range []struct {
		name, text string
		want       error
	}{
		{"as it is written", good, nil},
		{"lines of Windows", strings.ReplaceAll(good, "\n", "\r\n"), nil},
		{"one line", pemBegin + "\n" + oneLine + "\n" + pemEnd, nil},
		{"text before", "mail\n" + good, exchange.ErrNotEnvelope},
		{"text after", good + "mail\n", exchange.ErrMalformed},
		{"two", good + good, exchange.ErrMalformed},
		{"another label", strings.ReplaceAll(good, "CMS", "PKCS7"), exchange.ErrNotEnvelope},
		{"headers", pemBegin + "\nProc-Type: 4\n\n" + body + "\n" + pemEnd, exchange.ErrMalformed},
		{"no line before the text", pemBegin + oneLine + "\n" + pemEnd, exchange.ErrMalformed},
		{"no last line", pemBegin + "\n" + body, exchange.ErrTruncated},
		{"nothing in it", pemBegin + pemEnd, exchange.ErrMalformed},
		{"bits behind the end", pemBegin + "\nMIF=\n" + pemEnd, exchange.ErrMalformed},
	} {
		got, err := DecodePEM(nil, []byte(c.text))
		if !errors.Is(err, c.want) || err == nil && string(got) != string(message) {
			t.Errorf("%s: %v, want %v", c.name, err, c.want)
		}
	}
}
