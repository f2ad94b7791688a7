package route

import (
	"math"

	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/pipeline"
	"github.com/streamcrypt/streamcrypt/transform"
)

// newPlaces returns a function that says how positions name a place of the
// pipeline: the zero Place for one that they cannot name. Workers share it.
func newPlaces(in *endpoint.Source, keepsPartitions bool) func(string) transform.Place {
	whole := transform.Place{Ordered: in.Ordered, Rising: in.RisingTerms}
	if in.Identity != nil {
		whole.Source = in.Identity.Short()
	}
	return func(name string) transform.Place {
		place := whole
		if in.IdentifyPlace != nil {
			id := in.IdentifyPlace(name)
			if id == nil {
				return transform.Place{}
			}
			place.Source = id.Short()
		}
		if in.NumberPlace != nil {
			number, ok := in.NumberPlace(name)
			if !ok || number < 0 || number > math.MaxUint16 {
				return transform.Place{}
			}
			place.Partition, place.SamePartition = uint16(number), keepsPartitions
		}
		return place
	}
}

// newGates returns a function that makes the Gates of a route.
func (r *records) newGates() func(string, []byte) (pipeline.Gate, error) {
	windows := transform.NewWindows()
	return func(place string, state []byte) (pipeline.Gate, error) {
		o := transform.GateOptions{
			Stats: &r.watch.Gates, Partition: -1, Windows: windows,
			Breaker: r.breaker, Policy: r.gatePolicy(r.out.KeepsLastValues != nil && r.out.KeepsLastValues(place)),
			Compacted: r.in.IsCompacted != nil && r.in.IsCompacted(place),
		}
		if r.in.NumberPlace != nil {
			if number, ok := r.in.NumberPlace(place); ok {
				o.Partition = int(number)
			}
		}
		g, err := transform.NewGate(state, o)
		if err != nil {
			r.env.Log.Warn("the state of a place is not one: duplicates of messages from before may pass",
				"place", place, "error", err)
		}
		return g, g.ReadBreaker()
	}
}
