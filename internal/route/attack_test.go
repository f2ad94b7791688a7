package route

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/twmb/franz-go/pkg/kgo"

	"github.com/streamcrypt/streamcrypt/codec/cms"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/internal/keyring"
	"github.com/streamcrypt/streamcrypt/keys/local"
)

// These are attacks of somebody who may write to the topic or the file that
// holds the envelopes. They lost or hid messages once.

// numbered returns n records for each partition of a topic, the values of which
// say what they are.
func numbered(topic string, n, partitions int) (all []*kgo.Record) {
	for i := range n * partitions {
		p := i % partitions
		all = append(all, &kgo.Record{
			Topic: topic, Partition: int32(p), Key: fmt.Appendf(nil, "k%d", i%4), Value: fmt.Appendf(nil, "%d/%d", p, i/partitions),
		})
	}
	return all
}

// valuesOf returns the values of records in order.
func valuesOf(records []*kgo.Record) (all []string) {
	for _, r := range records {
		all = append(all, string(r.Value))
	}
	return all
}

// TestAttackReordered: envelopes that were put in another order, or again, all
// come out, and each of them once. Envelopes of another partition do not.
func TestAttackReordered(t *testing.T) {
	testDir(t)
	b := startKafka(t)
	b.topic(t, "plain", 2, nil)
	b.put(t, numbered("plain", 10, 2)...)
	mustRun(t, Encrypt, Config{From: b.url + "/plain?until=latest", To: b.url + "/sealed?create=true"})
	sealed := b.read(t, "sealed")
	genuine, others := sealed[0], sealed[1]
	want := valuesOf(b.read(t, "plain")[0])
	last := len(genuine) - 1
	reversed := slices.Clone(genuine)
	slices.Reverse(reversed)
	for name, attack := range map[string]struct {
		records   []*kgo.Record
		foreign   int64
		reordered bool
	}{
		"as it was":               {genuine, 0, false},
		"the last one first":      {slices.Concat(genuine[last:], genuine[:last]), 0, true},
		"reversed":                {reversed, 0, true},
		"all of them again":       {slices.Concat(genuine, genuine), 0, false},
		"one again, every time":   {slices.Concat(genuine[3:4], genuine[:2], genuine[3:4], genuine[2:], genuine[3:4]), 0, true},
		"those of another too":    {slices.Concat(genuine[:5], others, genuine[5:]), int64(len(others)), false},
		"the others before those": {slices.Concat(others, genuine), int64(len(others)), false},
	} {
		t.Run(name, func(t *testing.T) {
			topic := strings.ReplaceAll(strings.ReplaceAll(name, " ", "-"), ",", "")
			b.topic(t, topic, 1, nil)
			var put []*kgo.Record
			for _, r := range attack.records {
				put = append(put, &kgo.Record{Topic: topic, Key: r.Key, Value: r.Value, Headers: r.Headers, Timestamp: r.Timestamp})
			}
			b.put(t, put...)
			s := mustRun(t, Decrypt, Config{
				From: b.url + "/" + topic + "?until=latest", To: b.url + "/out-" + topic + "?create=true",
				Context: "sealed", DeadLetter: "file:" + topic + ".ndjson",
			})
			got := valuesOf(b.read(t, "out-"+topic)[0])
			if !attack.reordered && !slices.Equal(got, want) {
				t.Errorf("got %q, want %q", got, want)
			}
			slices.Sort(got)
			if sorted := slices.Sorted(slices.Values(want)); !slices.Equal(got, sorted) {
				t.Errorf("got %q, want %q", got, sorted)
			}
			if s.Foreign != attack.foreign || s.Rejected != attack.foreign || (s.Reordered > 0) != attack.reordered {
				t.Errorf("%+v", s)
			}
		})
	}
}

// TestAttackPoison: a message that somebody seals with the public key, with the
// source of the genuine ones and the highest offset, ends nothing; and one at
// each of their offsets hides none of them.
func TestAttackPoison(t *testing.T) {
	testDir(t)
	if _, err := os.Stat("x.pub"); err != nil {
		t.Log("FIPS: there is no X25519")
		return
	}
	b := startKafka(t)
	b.topic(t, "plain", 1, nil)
	b.put(t, numbered("plain", 10, 1)...)
	public := []string{"x25519:x.pub"}
	mustRun(t, Encrypt, Config{Keys: public, From: b.url + "/plain?until=latest", To: b.url + "/sealed?create=true"})
	genuine := b.read(t, "sealed")[0]

	wrappers, err := keyring.LoadWrappers(t.Context(), public, keyring.Env{Log: quiet})
	must(t, err)
	stranger, err := envelope.NewSealer(wrappers, envelope.SealerOptions{Context: "sealed"})
	must(t, err)
	forge := func(offset uint64, term uint64) *kgo.Record {
		var e cms.Envelope
		must(t, cms.Parse(genuine[0].Value, &e))
		p := envelope.Position{
			Source: e.Position.Source, Partition: e.Position.Partition, Term: term, Offset: offset, Distance: 1,
			SamePartition: true,
		}
		sealed, err := stranger.NewWorker().Seal(t.Context(), nil, []byte("forged"), nil, &p)
		must(t, err)
		return &kgo.Record{Topic: "poisoned", Value: sealed}
	}
	b.topic(t, "poisoned", 1, nil)
	put := []*kgo.Record{forge(1<<47, 0), forge(envelope.MaxOffset, envelope.MaxTerm)}
	for i, r := range genuine {
		put = append(put, forge(uint64(i), 0), &kgo.Record{Topic: "poisoned", Key: r.Key, Value: r.Value})
	}
	b.put(t, put...)
	mustRun(t, Decrypt, Config{
		Keys: []string{"x25519:x.pem"}, Context: "sealed",
		From: b.url + "/poisoned?until=latest", To: b.url + "/out?create=true",
	})
	got := slices.DeleteFunc(valuesOf(b.read(t, "out")[0]), func(v string) bool { return v == "forged" })
	if want := valuesOf(b.read(t, "plain")[0]); !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}

	// With a signer nothing of the stranger's comes out at all.
	key, err := local.GenerateEd25519()
	must(t, err)
	writeFile(t, "sign.pem", key)
	mustRun(t, Encrypt, Config{Keys: public, Sign: "sign.pem", From: b.url + "/plain?until=latest", To: b.url + "/signed?create=true", Context: "sealed"})
	var both []*kgo.Record
	for i, r := range b.read(t, "signed")[0] {
		f := forge(uint64(i), 0)
		f.Topic = "signed2"
		both = append(both, f, &kgo.Record{Topic: "signed2", Key: r.Key, Value: r.Value})
	}
	b.topic(t, "signed2", 1, nil)
	b.put(t, both...)
	s := mustRun(t, Decrypt, Config{
		Keys: []string{"x25519:x.pem"}, Context: "sealed", Signers: []string{"sign.pem"}, DeadLetter: "file:forged.ndjson", Breaker: "off",
		From: b.url + "/signed2?until=latest", To: b.url + "/out2?create=true",
	})
	if got, want := valuesOf(b.read(t, "out2")[0]), valuesOf(b.read(t, "plain")[0]); !slices.Equal(got, want) ||
		s.Reasons["untrusted"] != int64(len(want)) {
		t.Errorf("got %q, want %q; %+v", got, want, s)
	}
}

// TestAttackLaunder: an archive whose end was cut off, or whose messages were
// cut, swapped or dropped, is not made whole by the next one who appends.
func TestAttackLaunder(t *testing.T) {
	testDir(t)
	var lines []byte
	for i := range 10 {
		lines = fmt.Appendf(lines, "{\"key\":\"k%d\",\"value\":\"%d\"}\n", i, i)
	}
	writeFile(t, "in.ndjson", lines)
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:a.scx"})
	frames := seqFrames(t, readFile(t, "a.scx"))
	head, records := frames[0], frames[1:]
	for name, kept := range map[string][][]byte{
		"end cut off":          records[:10],
		"cut to five":          records[:5],
		"swapped, end cut off": slices.Concat([][]byte{records[2], records[1], records[0]}, records[3:10]),
		"one dropped":          slices.Concat(records[:3], records[4:]),
	} {
		laundered := append(slices.Clone(head), bytes.Join(kept, nil)...)
		writeFile(t, "l.scx", laundered)
		appended := Config{From: "file:in.ndjson", To: "file:l.scx?append=true"}
		if _, err := run(t, Encrypt, appended, Env{}); err == nil {
			t.Errorf("%s: it was appended to", name)
		}
		same(t, readFile(t, "l.scx"), laundered)
		if name == "one dropped" {
			continue // its end says so, and repairing does not help
		}
		appended.Repair = true
		mustRun(t, Encrypt, appended)
		fails(t, Verify, Config{From: "file:l.scx"}, "something before was lost or cut")
	}
}

// TestAttackLines: lines of ndjson that were moved, swapped or changed in any
// part are refused, or come out once and in the order in which they lie.
func TestAttackLines(t *testing.T) {
	testDir(t)
	var lines []byte
	for i := range 6 {
		lines = fmt.Appendf(lines, "{\"key\":\"k%d\",\"value\":\"%d\",\"headers\":[[\"h\",\"%d\"]],\"time\":\"2026-01-02T03:04:0%dZ\"}\n", i%3, i, i, i)
	}
	writeFile(t, "in.ndjson", lines)
	mustRun(t, Encrypt, Config{From: "file:in.ndjson", To: "file:s.ndjson"})
	sealed := strings.SplitAfter(strings.TrimSuffix(string(readFile(t, "s.ndjson")), "\n"), "\n")
	sealed[5] += "\n"
	plain := strings.SplitAfter(string(lines), "\n")[:6]
	decrypted := func(lines []string) (string, error) {
		writeFile(t, "t.ndjson", []byte(strings.Join(lines, "")))
		_, err := run(t, Decrypt, Config{From: "file:t.ndjson", To: "file:out.ndjson", Overwrite: true}, Env{})
		if err != nil {
			return "", err
		}
		return string(readFile(t, "out.ndjson")), nil
	}
	last := slices.Concat(sealed[5:], sealed[:5])
	if got, err := decrypted(last); err != nil || got != strings.Join(slices.Concat(plain[5:], plain[:5]), "") {
		t.Errorf("the last line first: %q, %v", got, err)
	}
	if got, err := decrypted(slices.Concat(sealed, sealed[2:4])); err != nil || got != string(lines) {
		t.Errorf("lines again: %q, %v", got, err)
	}
	for name, change := range map[string][2]string{
		"key": {`"key":"k0"`, `"key":"k1"`}, "header": {`["h","0"]`, `["h","1"]`}, "name": {`["h","0"]`, `["g","0"]`},
		"no header": {`"headers":[["h","0"]]`, `"headers":[]`}, "time": {"03:04:00Z", "03:04:01Z"}, "in front": {`[["h","0"]`, `[["x","y"],["h","0"]`},
	} {
		changed := slices.Clone(sealed)
		if changed[0] = strings.Replace(changed[0], change[0], change[1], 1); changed[0] == sealed[0] {
			t.Fatalf("%s: nothing has changed in %s", name, changed[0])
		}
		if _, err := decrypted(changed); err == nil || !strings.Contains(err.Error(), "tampered") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
