package main

import (
	"context"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/klauspost/compress/zstd"

	"github.com/streamcrypt/streamcrypt/codec/coding"
	"github.com/streamcrypt/streamcrypt/codec/training"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/keys"
	"github.com/streamcrypt/streamcrypt/keystore/keystoretest"
)

// The shape of a measurement of sizes.
const (
	corpusMessages  = 20_000
	brokerBatch     = 500 // messages that a broker compresses as one
	dictionaryBytes = 32 << 10
	codingLevel     = 1 // that of --compress zstd
	slowLevel       = 3
)

// Targets for JSON orders with a dictionary: how much larger the sealed topic
// may be than the plain one when the broker compresses both, and how much
// longer sealing may take than without compression.
const (
	codedSizeLimit = 2.0
	codedTimeLimit = 1 / 0.35
)

// corpus is a kind of payload.
type corpus struct {
	name string
	make func(rnd *rand.Rand, i int) []byte
}

// corpora are made here, so that everyone measures the same ones.
var corpora = []corpus{{"json orders", makeOrder}, {"log lines", makeLogLine}, {"sensor CBOR", makeReading}}

func makeOrder(rnd *rand.Rand, i int) []byte {
	items := ""
	for n := range 1 + rnd.IntN(3) {
		if n > 0 {
			items += ","
		}
		items += fmt.Sprintf(`{"sku":"SKU-%05d","name":"%s","quantity":%d,"unit_price":%d.%02d}`, rnd.IntN(5000),
			goods[rnd.IntN(len(goods))], 1+rnd.IntN(5), rnd.IntN(200), rnd.IntN(100))
	}
	return fmt.Appendf(nil, `{"order_id":"%08x-%04x","created_at":"2026-09-%02dT%02d:%02d:%02dZ",`+
		`"status":"%s",`+
		`"customer":{"id":%d,"name":"%s %s","email":"user%d@example.com","country":"%s"},`+
		`"currency":"EUR","items":[%s],`+
		`"shipping":{"method":"standard","address":{"street":"%d Main Street","city":"%s","postal_code":"%05d"}}}`,
		rnd.Uint32(), i&0xffff, 1+i/1000%28, rnd.IntN(24), rnd.IntN(60), rnd.IntN(60), states[rnd.IntN(len(states))],
		rnd.IntN(100_000), given[rnd.IntN(len(given))], family[rnd.IntN(len(family))], rnd.IntN(100_000),
		countries[rnd.IntN(len(countries))], items, 1+rnd.IntN(300), cities[rnd.IntN(len(cities))], rnd.IntN(100_000))
}

var (
	goods     = []string{"Coffee beans", "Tea pot", "Notebook", "Desk lamp", "Bicycle bell", "Rain jacket"}
	states    = []string{"paid", "open", "shipped", "returned"}
	given     = []string{"Anna", "Ben", "Carla", "David", "Elif", "Farid"}
	family    = []string{"Jansen", "Moreau", "Rossi", "Schmidt", "Novak", "Silva"}
	countries = []string{"DE", "FR", "IT", "NL", "PT"}
	cities    = []string{"Berlin", "Lyon", "Torino", "Utrecht", "Porto"}
)

func makeLogLine(rnd *rand.Rand, i int) []byte {
	return fmt.Appendf(nil,
		`2026-09-%02dT%02d:%02d:%02d.%03dZ INFO http request method=GET path=/api/v1/%s/%d status=%d `+
			`bytes=%d duration_ms=%d trace=%016x client=10.%d.%d.%d`,
		1+i/1000%28, rnd.IntN(24), rnd.IntN(60), rnd.IntN(60), rnd.IntN(1000),
		[]string{"orders", "users", "items"}[rnd.IntN(3)], rnd.IntN(100_000),
		[]int{200, 200, 200, 404, 500}[rnd.IntN(5)], rnd.IntN(20_000), rnd.IntN(500), rnd.Uint64(), rnd.IntN(256),
		rnd.IntN(256), rnd.IntN(256))
}

// makeReading writes {"device":…,"seq":…,"temperature":…,"humidity":…,"ok":…}.
func makeReading(rnd *rand.Rand, i int) []byte {
	b := append([]byte{0xa5, 0x66}, "device"...)
	b = append(append(b, 0x6a), fmt.Sprintf("node-%05d", rnd.IntN(500))...)
	b = binary.BigEndian.AppendUint32(append(append(b, 0x63), "seq\x1a"...), uint32(i))
	b = binary.BigEndian.AppendUint16(append(append(b, 0x6b), "temperature\x19"...), uint16(2000+rnd.IntN(300)))
	b = binary.BigEndian.AppendUint16(append(append(b, 0x68), "humidity\x19"...), uint16(4000+rnd.IntN(900)))
	return append(append(b, 0x62), "ok\xf5"...)
}

// measureCompression compares the room that topics take, plain and sealed, when
// the broker compresses their batches.
func measureCompression(ctx context.Context, budget time.Duration) ([]Figure, error) {
	var figures []Figure
	for _, c := range corpora {
		f, err := c.compareSizes(ctx, budget)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
		figures = append(figures, f...)
	}
	return figures, nil
}

func (c *corpus) compareSizes(ctx context.Context, budget time.Duration) ([]Figure, error) {
	rnd := rand.New(rand.NewPCG(7, 11))
	var samples training.Samples
	var rest [][]byte
	for i := range corpusMessages {
		payload := c.make(rnd, i)
		if i < corpusMessages/10 {
			samples.Add(payload)
		} else {
			rest = append(rest, payload)
		}
	}
	dictionary, err := samples.Train(dictionaryBytes)
	if err != nil {
		return nil, err
	}
	plain, stored, err := measureBatches(rest)
	if err != nil {
		return nil, err
	}
	var figures []Figure
	for _, profile := range profiles {
		for _, way := range []struct {
			name string
			coding.Options
		}{
			{"sealed", coding.Options{}},
			{"zstd", coding.Options{Level: codingLevel}},
			{"zstd, dictionary", coding.Options{Level: codingLevel, Dictionary: dictionary}},
			{"zstd 3, dictionary", coding.Options{Level: slowLevel, Dictionary: dictionary}},
		} {
			if way.Level == slowLevel && profile != "ref" {
				continue
			}
			sealer, err := newCodingSealer(ctx, profile, way.Options)
			if err != nil {
				return nil, err
			}
			sealed, err := sealAll(ctx, sealer, rest)
			if err != nil {
				return nil, err
			}
			size, batched, err := measureBatches(sealed)
			if err != nil {
				return nil, err
			}
			f := Figure{
				Part: "compression", Name: fmt.Sprintf("%s, %s, %s", c.name, profile, way.name),
				Value: float64(batched) / float64(stored), Unit: "x",
				Beside: map[string]float64{
					"B a message": float64(size) / float64(len(rest)), "of plain": float64(size) / float64(plain),
					"plain B":        float64(plain) / float64(len(rest)),
					"plain B stored": float64(stored) / float64(len(rest)),
				},
				Note: "room in the broker beside that of the plain topic, both compressed by it in batches of 500",
			}
			if way.Level == codingLevel && way.Dictionary != nil && c.name == corpora[0].name && profile == "ref" {
				f.Limit = newLimit(codedSizeLimit)
			}
			figures = append(figures, f)
		}
	}
	empty, err := c.measureEmpty(ctx, len(rest), stored)
	if err != nil {
		return nil, err
	}
	rates, err := c.compareRates(ctx, rest, dictionary, budget)
	return append(append(figures, empty), rates...), err
}

// measureEmpty measures the room that envelopes take without their payloads:
// no compression of payloads comes below it.
func (c *corpus) measureEmpty(ctx context.Context, messages, stored int) (Figure, error) {
	sealer, err := newCodingSealer(ctx, "ref", coding.Options{})
	if err != nil {
		return Figure{}, err
	}
	sealed, err := sealAll(ctx, sealer, make([][]byte, messages))
	if err != nil {
		return Figure{}, err
	}
	_, batched, err := measureBatches(sealed)
	return Figure{
		Part: "compression", Name: c.name + ", ref, envelopes of nothing",
		Value: float64(batched) / float64(stored), Unit: "x",
		Note: fmt.Sprintf("%.1f B a message, of which no payload can be spared", float64(batched)/float64(messages)),
	}, err
}

// codedShare is by how much fewer messages a turn with compression has, so that
// it is not much longer than one without.
const codedShare = 16

// compareRates compares sealing with compression to sealing without.
func (c *corpus) compareRates(
	ctx context.Context, payloads [][]byte, dictionary *coding.Dictionary, budget time.Duration,
) ([]Figure, error) {
	ways := []struct {
		name string
		coding.Options
	}{
		{"nothing", coding.Options{}},
		{"zstd and dictionary", coding.Options{Level: codingLevel, Dictionary: dictionary}},
		{"zstd alone", coding.Options{Level: codingLevel}},
		{"zstd 3 and dictionary", coding.Options{Level: slowLevel, Dictionary: dictionary}},
		{"zstd 3 alone", coding.Options{Level: slowLevel}},
	}
	var ops []operation
	for _, way := range ways {
		sealer, err := newCodingSealer(ctx, "ref", way.Options)
		if err != nil {
			return nil, err
		}
		w, dst, at := sealer.NewWorker(), make([]byte, 0, 1<<16), 0
		ops = append(ops, func(n int) error {
			if !way.IsSet() {
				n *= codedShare
			}
			for range n {
				if _, err := w.Seal(ctx, dst, payloads[at%len(payloads)], nil, nil); err != nil {
					return err
				}
				at++
			}
			return nil
		})
	}
	t, err := interleaveTurns(budget/4, ops...)
	if err != nil {
		return nil, err
	}
	for round := range t[0] {
		t[0][round] /= codedShare
	}
	var figures []Figure
	for i := 1; i < len(ways); i++ {
		ratio := t.compareTimes(i, 0)
		f := Figure{
			Part: "compression", Name: c.name + ", time to seal with " + ways[i].name,
			Value: ratio.median, Unit: "x", Spread: ratio.makeSpread(),
			Note: fmt.Sprintf("%.1f-%.1f; at best %.0f ns, without compression %.0f",
				ratio.low, ratio.high, t.findBest(i), t.findBest(0)),
		}
		if i == 1 && c.name == corpora[0].name {
			f.Limit = newLimit(codedTimeLimit)
		}
		figures = append(figures, f)
	}
	return figures, nil
}

func newCodingSealer(ctx context.Context, profile string, o coding.Options) (*envelope.Sealer, error) {
	kek, err := newKEK()
	if err != nil {
		return nil, err
	}
	options := envelope.SealerOptions{Context: routeName, Coding: o}
	if profile == "ref" {
		options.Store = new(keystoretest.Memory)
	}
	sealer, err := envelope.NewSealer([]keys.Wrapper{kek}, options)
	if err != nil {
		return nil, err
	}
	return sealer, sealer.Prepare(ctx)
}

func sealAll(ctx context.Context, sealer *envelope.Sealer, payloads [][]byte) ([][]byte, error) {
	w, out := sealer.NewWorker(), make([][]byte, len(payloads))
	for i, p := range payloads {
		at := position
		at.Offset = uint64(i)
		var err error
		if out[i], err = w.Seal(ctx, nil, p, nil, &at); err != nil {
			return nil, err
		}
	}
	return out, nil
}

// measureBatches returns the bytes of values, and of the batches that a broker
// makes of them.
func measureBatches(values [][]byte) (size, stored int, err error) {
	encoder, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1), zstd.WithEncoderLevel(zstd.SpeedDefault))
	if err != nil {
		return 0, 0, err
	}
	for len(values) > 0 {
		n := min(brokerBatch, len(values))
		var batch []byte
		for _, v := range values[:n] {
			batch = append(binary.AppendUvarint(batch, uint64(len(v))), v...)
			size += len(v)
		}
		stored += len(encoder.EncodeAll(batch, nil))
		values = values[n:]
	}
	return size, stored, nil
}
