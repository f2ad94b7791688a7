package cms

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"strings"
	"testing"
)

func unhex(t testing.TB, s string) []byte {
	t.Helper()
	b, err := hex.DecodeString(strings.NewReplacer(" ", "", "\n", "", "\t", "").Replace(s))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sample returns an envelope of the given shape with made-up contents; nothing
// in it verifies.
func sample(t testing.TB, l Layout) []byte {
	t.Helper()
	l.Commitment = bytes.Repeat([]byte{0xc0}, CommitmentSize)
	template := NewTemplate(l)
	p := samplePosition
	template.SetPosition(&p)
	if l.Coded {
		template.SetCoding(&Coding{Compression: CompressionZstd, Padding: PaddingMark, Dictionary: [4]byte{1, 2, 3, 4}})
	}
	if l.Chunked {
		template.SetChunking(bytes.Repeat([]byte{0x1d}, MessageIDSize), MinChunkSize)
	}
	b := bytes.Clone(template.Bytes())
	if l.Chunked {
		for _, n := range []int{MinChunkSize, 1} {
			b = AppendBytesHead(b, SegmentSize(n))
			b = append(b, make([]byte, SegmentSize(n))...)
		}
		b = AppendBreak(b)
	} else {
		b = append(b, make([]byte, IVSize)...)
		b = append(b, template.AfterIV()...)
		b = AppendBytesHead(b, tagSize+5)
		b = append(b, make([]byte, tagSize+5)...)
	}
	if !l.ByReference {
		var err error
		if b, err = AppendRecipients(b, []Recipient{sampleRecipient(AlgA256KW)}); err != nil {
			t.Fatal(err)
		}
	}
	return b
}

var samplePosition = Position{
	Form: FormSamePartition | FormTime, Source: [5]byte{1, 2, 3, 4, 5}, Partition: 0x0607, Term: 0x08090a0b0c,
	Offset: 0x0d0e0f101112, Distance: 0x131415, Created: 0x16171819, Bound: 0x1a1b,
}

func sampleRecipient(alg int64) Recipient {
	r := Recipient{Alg: alg, KID: bytes.Repeat([]byte{0x4b}, kekKIDSize), Ciphertext: make([]byte, wrappedSize)}
	switch alg {
	case AlgECDHESA256KW:
		r.Ephemeral = make([]byte, ephemeralSize)
	case AlgRSAOAEP256, AlgRSAOAEP512:
		r.Ciphertext = make([]byte, minRSA)
	case AlgAWSKMS, AlgVault, AlgGCPKMS:
		r.KID, r.Ciphertext = []byte("arn:aws:kms:eu-central-1:111122223333:key/1"), make([]byte, 184)
	case AlgMLKEM:
		r.Ciphertext = make([]byte, mlkemSize)
	}
	return r
}

// samples are one envelope of each shape.
func samples(t testing.TB) (all [][]byte) {
	for i := range shapes {
		s := &shapes[i]
		l := Layout{ByReference: s.byReference, Chunked: s.chunked, Coded: s.coded}
		if s.signed {
			l.Signature = bytes.Repeat([]byte{0x51}, SignatureSize)
		}
		all = append(all, sample(t, l))
	}
	return all
}

// TestSpecExample is the drawing in docs/envelope.md, section 2.
func TestSpecExample(t *testing.T) {
	template := NewTemplate(Layout{Commitment: bytes.Repeat([]byte{0xcc}, CommitmentSize)})
	template.SetPosition(&Position{
		Form: FormRising, Source: [5]byte{0xaa, 0xaa, 0xaa, 0xaa, 0xaa}, Partition: 1, Term: 2, Offset: 3,
		Distance: 4, Created: 5, Bound: 6,
	})
	got := append([]byte(nil), template.Bytes()...)
	got = append(got, bytes.Repeat([]byte{0x11}, IVSize)...)
	got = AppendBytesHead(append(got, template.AfterIV()...), 21)
	got = append(got, bytes.Repeat([]byte{0x22}, 21)...)
	got, err := AppendRecipients(got, []Recipient{{
		Alg: AlgA256KW, KID: bytes.Repeat([]byte{0x33}, 8), Ciphertext: bytes.Repeat([]byte{0x44}, 40),
	}})
	if err != nil {
		t.Fatal(err)
	}
	want := unhex(t, `d860 84 5846 a20103 3a73630001 583c
		08 aaaaaaaaaa 0001 0000000002 000000000003 000004 00000005 0006`+strings.Repeat("cc", 32)+`
		a1054c`+strings.Repeat("11", 12)+`
		55`+strings.Repeat("22", 21)+`
		81 83 40 a2 01 24 04 48`+strings.Repeat("33", 8)+`5828`+strings.Repeat("44", 40))
	if !bytes.Equal(got, want) {
		t.Errorf("envelope\n%x, want\n%x", got, want)
	}
	if !bytes.Equal(template.Protected(), want[5:5+70]) {
		t.Errorf("protected %x", template.Protected())
	}
	reference := NewTemplate(Layout{ByReference: true, Commitment: bytes.Repeat([]byte{0xcc}, CommitmentSize)})
	reference.SetPosition(&Position{})
	want = unhex(t, `d0 83 5826 a20103 3a73630001 581c`+strings.Repeat("00", 28)+`a20450`+strings.Repeat("cc", 16)+`054c`)
	if got := reference.Bytes(); !bytes.Equal(got, want) {
		t.Errorf("by reference\n%x, want\n%x", got, want)
	}
}

// TestAAD has the example of docs/envelope.md, section 5, and the borders of
// its encodings.
func TestAAD(t *testing.T) {
	protected := bytes.Repeat([]byte{0xdd}, 70)
	p := "8367456e6372797074" + "5846" + strings.Repeat("dd", 70)
	p0 := "8368456e637279707430" + "5846" + strings.Repeat("dd", 70)
	version := "8a6d" + hex.EncodeToString([]byte("streamcrypt/1"))
	long := bytes.Repeat([]byte{0xee}, 256)
	for name, c := range map[string]struct {
		context     string
		byReference bool
		b           Binding
		index       uint32
		final       bool
		want        string
	}{
		"the specification's": {context: "orders", b: Binding{Key: []byte("k1")}, final: true,
			want: p + "5820" + version + "466f7264657273" + "f6" + "426b31" + "80" + "f6f6" + "00" + "00" + "f5"},
		"empty is not null": {b: Binding{Subject: []byte{}, Key: []byte{}}, final: true,
			want: p + "5818" + version + "40" + "40" + "40" + "80" + "f6f6" + "00" + "00" + "f5"},
		"by reference, a chunk": {byReference: true, b: Binding{Kind: EndOfArchive}, index: 24,
			want: p0 + "5819" + version + "40" + "f6" + "f6" + "80" + "f6f6" + "03" + "1818" + "f4"},
		"a large index": {b: Binding{}, index: 65536,
			want: p + "581c" + version + "40" + "f6" + "f6" + "80" + "f6f6" + "00" + "1a00010000" + "f4"},
		"all headers": {b: Binding{Headers: []BoundHeader{{"b", []byte{7}}, {"a", nil}, {"b", []byte{}}}}, final: true,
			want: p + "5825" + version + "40" + "f6" + "f6" + "83" + "8241624107" + "824161f6" + "82416240" + "f6f6" + "00" + "00" + "f5"},
		"named headers": {b: Binding{Form: FormNamed, Named: []NamedHeader{{Name: "a"}, {Name: "b", Values: [][]byte{nil, {}, {7}}}}}, final: true,
			want: p + "5824" + version + "40" + "f6" + "f6" + "82" + "82416180" + "82416283f6404107" + "f6f6" + "00" + "00" + "f5"},
		"no names": {b: Binding{Form: FormNamed, Headers: []BoundHeader{{"b", nil}}}, final: true,
			want: p + "5818" + version + "40" + "f6" + "f6" + "80" + "f6f6" + "00" + "00" + "f5"},
		"a time": {b: Binding{Form: FormTime, Time: 1704164645678}, final: true,
			want: p + "5820" + version + "40" + "f6" + "f6" + "80" + "1b0000018cc820db2e" + "f6" + "00" + "00" + "f5"},
		"no time": {b: Binding{Form: FormTime, Time: -62135596800000}, final: true,
			want: p + "5820" + version + "40" + "f6" + "f6" + "80" + "3b00003883122cd7ff" + "f6" + "00" + "00" + "f5"},
		"a time that is not bound": {b: Binding{Time: 7}, final: true,
			want: p + "5818" + version + "40" + "f6" + "f6" + "80" + "f6f6" + "00" + "00" + "f5"},
		"a dictionary": {b: Binding{Dictionary: bytes.Repeat([]byte{9}, 32)}, final: true,
			want: p + "5839" + version + "40" + "f6" + "f6" + "80" + "f6" + "5820" + strings.Repeat("09", 32) + "00" + "00" + "f5"},
		"a long key": {b: Binding{Key: long}, final: true,
			want: p + "59011a" + version + "40" + "f6" + "590100" + hex.EncodeToString(long) + "80" + "f6f6" + "00" + "00" + "f5"},
	} {
		t.Run(name, func(t *testing.T) {
			a := NewAAD([]byte(c.context))
			a.SetHeader(true, long) // what came before leaves no trace
			a.Bytes(&Binding{Key: long}, 1, false)
			a.SetHeader(c.byReference, protected)
			if got := hex.EncodeToString(a.Bytes(&c.b, c.index, c.final)); got != c.want {
				t.Errorf("\n got %s\nwant %s", got, c.want)
			}
		})
	}
}

func TestParseSamples(t *testing.T) {
	for _, b := range samples(t) {
		var fast, slow Envelope
		if err := Parse(b, &fast); err != nil {
			t.Fatalf("%x: %v", b[:8], err)
		}
		if err := parseStrict(b, &slow); err != nil {
			t.Fatalf("%x: strict: %v", b[:8], err)
		}
		if !reflect.DeepEqual(fast, slow) {
			t.Errorf("fast %+v, strict %+v", fast, slow)
		}
		if fast.Position != samplePosition {
			t.Errorf("position %+v", fast.Position)
		}
		if n, ok := ParseHead(b[:min(len(b), MaxHead)], &Header{}); !ok || n > MaxHead {
			t.Errorf("head of %d bytes, %v", n, ok)
		}
	}
}

// TestLongestSingle: both readers, and the one of streams, refuse a ciphertext
// in the single form that is longer than the longest.
func TestLongestSingle(t *testing.T) {
	b := sample(t, Layout{ByReference: true})
	head := b[:len(b)-(1+tagSize+5)]
	for size, want := range map[int]error{MaxSingle + tagSize: nil, MaxSingle + tagSize + 1: ErrTooLarge} {
		ciphertext := append(AppendBytesHead(nil, size), make([]byte, size)...)
		b := append(bytes.Clone(head), ciphertext...)
		var fast, slow Envelope
		if err := Parse(b, &fast); !errors.Is(err, want) {
			t.Errorf("%d bytes: %v", size, err)
		}
		if err := parseStrict(b, &slow); !errors.Is(err, want) {
			t.Errorf("%d bytes: strict: %v", size, err)
		}
		if _, _, err := CiphertextHead(ciphertext); !errors.Is(err, want) {
			t.Errorf("%d bytes: the head alone: %v", size, err)
		}
	}
}

// TestCut: every beginning of an envelope but the empty one is a cut envelope.
func TestCut(t *testing.T) {
	for _, b := range samples(t) {
		for n := range b {
			if n > 300 && n < len(b)-300 {
				continue // inside a segment's zeros
			}
			want := ErrTruncated
			if n == 0 {
				want = ErrNotEnvelope
			}
			var e Envelope
			err := Parse(b[:n], &e)
			if err == nil && !e.ByReference {
				_, err = ParseRecipients(e.Recipients, nil)
			}
			if !errors.Is(err, want) {
				t.Fatalf("%x… cut to %d bytes: %v, want %v", b[:8], n, err, want)
			}
		}
	}
}

var allAlgs = []int64{
	AlgA256KW, AlgECDHESA256KW, AlgRSAOAEP256, AlgRSAOAEP512, AlgAWSKMS, AlgMLKEM, AlgVault, AlgGCPKMS,
}

func TestRecipients(t *testing.T) {
	var all []Recipient
	for _, alg := range allAlgs {
		all = append(all, sampleRecipient(alg))
	}
	b, err := AppendRecipients([]byte("x"), all)
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseRecipients(b[1:], nil)
	if err != nil || !reflect.DeepEqual(got, all) {
		t.Errorf("%+v, %v", got, err)
	}
	rest := append(append([]byte(nil), b[1:]...), 0xd0)
	if first, rest, err := SplitRecipients(rest); err != nil || !bytes.Equal(first, b[1:]) || !bytes.Equal(rest, []byte{0xd0}) {
		t.Errorf("split %x, %x, %v", first, rest, err)
	}
	for name, bad := range map[string][]Recipient{
		"none":          {},
		"17":            make([]Recipient, 17),
		"an unknown":    {{Alg: -3, KID: make([]byte, 8), Ciphertext: make([]byte, 40)}},
		"a short kid":   {{Alg: AlgA256KW, KID: make([]byte, 7), Ciphertext: make([]byte, 40)}},
		"over 16 KiB":   {hugeRecipient(), hugeRecipient(), hugeRecipient()},
		"no ephemeral":  {{Alg: AlgECDHESA256KW, KID: make([]byte, 8), Ciphertext: make([]byte, 40)}},
		"1,024-bit RSA": {{Alg: AlgRSAOAEP256, KID: make([]byte, 8), Ciphertext: make([]byte, 128)}},
	} {
		if out, err := AppendRecipients([]byte("x"), bad); err == nil || string(out) != "x" {
			t.Errorf("%s: %d bytes, %v", name, len(out), err)
		}
	}
}

func hugeRecipient() Recipient {
	return Recipient{Alg: AlgAWSKMS, KID: []byte("k"), Ciphertext: make([]byte, maxService)}
}

func TestParseAllocatesNothing(t *testing.T) {
	for _, b := range samples(t) {
		var e Envelope
		if n := testing.AllocsPerRun(100, func() { _ = Parse(b, &e) }); n != 0 {
			t.Errorf("%x…: %v allocations", b[:8], n)
		}
	}
}
