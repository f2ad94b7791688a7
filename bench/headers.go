package main

import (
	"context"
	"fmt"
	"time"

	"github.com/streamcrypt/streamcrypt/envelope"
)

// headersLimit is the most that binding boundHeaders may cost, in nanoseconds.
const headersLimit = 60

// boundHeaders are headers as traced messages have them, with 86 bytes in all.
var boundHeaders = []envelope.Header{
	{Name: "content-type", Value: []byte("application/json")},
	{Name: "schema-id", Value: []byte("orders-v3")},
	{Name: "trace-id", Value: []byte("4bf92f3577b34da6a3ce929d0e0e4736")},
}

// measureHeaders compares messages of 1 KiB with three headers that are bound
// with messages that have none.
func measureHeaders(ctx context.Context, budget time.Duration) ([]Figure, error) {
	var figures []Figure
	for _, profile := range profiles {
		r, err := newRoute(ctx, profile)
		if err != nil {
			return nil, err
		}
		defer r.stopRenewal()
		with, err := newContests(ctx, r, 1<<10, boundHeaders...)
		if err != nil {
			return nil, err
		}
		without, err := newContests(ctx, r, 1<<10)
		if err != nil {
			return nil, err
		}
		for i, name := range directions {
			var costs, bare []float64
			for place := range with {
				a, b := without[place].listSides()[i], with[place].listSides()[i]
				t, err := interleaveTurns(budget/placements, a.ours, b.ours, a.bareAAD, b.bareAAD)
				if err != nil {
					return nil, err
				}
				costs, bare = append(costs, t.subtractTimes(1, 0)...), append(bare, t.subtractTimes(3, 2)...)
			}
			cost, tag := middleOf(costs), middleOf(bare)
			figures = append(figures, Figure{
				Part: "headers", Name: fmt.Sprintf("%s %s, 3 headers", profile, name),
				Value: cost.median, Unit: "ns", Spread: cost.makeSpread(), Limit: newLimit(headersLimit),
				Note: fmt.Sprintf("%.0f-%.0f; bare AES-GCM pays %.0f for as much associated data",
					cost.low, cost.high, tag.median),
			})
		}
	}
	return figures, nil
}
