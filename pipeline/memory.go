package pipeline

// processMemory is the memory that the process needs besides workers and lanes:
// runtime, code, clients.
const processMemory = 32 << 20

// Memory returns how many bytes a process that runs o may use at most: every
// worker's budget, one read of every lane, and 32 MiB for the process. lanes is
// how many lanes the source serves at the same time, largest the size in bytes
// of the largest batch that it can return.
//
// With a Pool it is the memory of the lanes alone; Pool.Memory has the rest.
//
// A source with batches over half of o.Budget holds more per worker than Memory
// counts.
func Memory(o Options, lanes, largest int) int64 {
	o = o.withSizes()
	perLane := max(o.ReadAhead, largest)
	if o.Pool != nil {
		return int64(lanes) * int64(perLane)
	}
	return int64(o.Workers)*int64(o.Budget) + int64(lanes)*int64(perLane) + processMemory
}
