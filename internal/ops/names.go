package ops

import (
	"strings"

	"github.com/prometheus/client_golang/prometheus"
)

// describe describes a metric. Names and units follow Prometheus's conventions:
// seconds, bytes, _total for counters.
func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("streamcrypt_"+name, help, append([]string{"route"}, labels...), nil)
}

// The metrics of a route. They are listed in docs/operate.md.
var (
	descBuild = prometheus.NewDesc(
		"streamcrypt_build_info", "The version of the program.", []string{"version"}, nil,
	)
	descRefusedFile = prometheus.NewDesc("streamcrypt_configuration_refused",
		"1 if the configuration file as it is now is not in use, since it has a mistake.", nil, nil)
	descRoute = describe("route_info", "A route and its ends; always 1.", "direction", "from", "to")
	descPhase = describe("route_phase", "1 for the phase that the route is in, 0 for the others.", "phase")
	descReady = describe(
		"route_ready", "1 if the route carries messages: nothing is parked, stuck or without keys.",
	)
	descBound = describe("memory_bound_bytes", "How much memory the route may take, as it is logged.")
	descUsed  = prometheus.NewDesc(
		"streamcrypt_memory_used_bytes", "Memory that the process has for Go, of all its routes.", nil, nil,
	)

	descRead = describe(
		"messages_read_total", "Messages that are settled: written, skipped or rejected.", "place",
	)
	descWritten  = describe("messages_written_total", "Messages that were written.", "place")
	descSkipped  = describe("messages_skipped_total", "Messages that came before and were dropped.", "place")
	descRejected = describe(
		"messages_rejected_total", "Messages that were refused and set aside, by reason.", "place", "reason",
	)
	descBytesIn  = describe("read_bytes_total", "Keys and values that were read.", "place")
	descBytesOut = describe("written_bytes_total", "Keys and values that were written.", "place")
	descNext     = describe("position", "The offset at which reading goes on.", "place")
	descLag      = describe("lag_messages", "Messages that wait in the source.", "place")
	descParked   = describe("place_parked", "1 for a place that stands still until somebody acts.", "place")
	descStuck    = describe(
		"stuck", "1 for a place or a request that waits for something which may never come.", "name",
	)

	descWorkers   = describe("workers", "Workers, each of which carries one batch at a time.")
	descBusy      = describe("workers_busy", "Workers that have a batch.")
	descBatchSize = describe("batch_messages", "Messages of a batch.")
	// "size" is the number of bytes, as elsewhere.
	descBatchBytes = describe("batch_size_bytes", "Keys and values of a batch, as they were read.")
	descTransform  = describe(
		"batch_transform_seconds", "How long a batch was sealed, opened or rewrapped, with waits for keys.", "work",
	)
	descSettle = describe(
		"batch_settle_seconds", "How long the rest of a batch took: its turn, the writes and the commit.",
	)
	descGrowth = describe("growth_ratio", "Bytes written for each byte that was read, since the start.")

	descBatches  = describe("batches_total", "Batches that were committed.")
	descLanes    = describe("lanes", "Lanes that are served.")
	descLost     = describe("lanes_lost_total", "Lanes whose work did not count, and was done again.")
	descFindings = describe(
		"findings_total", "Observations on the order of messages, whether they passed or not.", "kind",
	)

	descStored    = describe("stored_bytes_total", "Bytes as the broker stores them.", "direction")
	descEnded     = describe("transactions_total", "Transactions, by how they ended.", "outcome")
	descOpenFor   = describe("transactions_open_seconds_total", "How long transactions were open, all together.")
	descRetries   = describe("retried_requests_total", "Requests to brokers that were tried again.")
	descRepublish = describe(
		"republished_messages_total", "Messages that were published again for want of an answer.",
	)
	descAlready = describe("already_stored_messages_total", "Messages that the sink had stored before.")
	descAgain   = describe(
		"disowned_duplicates_total", "Messages that the sink took for stored, and that were not ours.",
	)
	descBroken    = describe("connections_lost_total", "Connections that broke.")
	descAway      = describe("connections_away", "Connections that are broken now.")
	descAwayFor   = describe("connections_away_seconds", "How long connections have been broken, or requests failed.")
	descKeyState  = describe("key_state", "1 for the state in which keys can be had.", "side", "context", "state")
	descKeyEvents = describe("key_events_total", "Begins and ends of data keys.", "side", "context", "event")
	descSealed    = describe(
		"key_sealed_messages_total", "Messages sealed under data keys that are closed.", "side", "context",
	)
	descSealedSize = describe(
		"key_sealed_bytes_total", "Bytes sealed under data keys that are closed.", "side", "context",
	)
	descCalls = describe(
		"key_calls_total", "Calls of key services and stores.", "side", "operation", "key", "outcome",
	)
	descKeyAge  = describe("key_age_seconds", "Age of the latest data key in use.", "side", "context")
	descKeyAges = describe(
		"key_lifetime_seconds", "How long data keys that are closed were in use.", "side", "context",
	)
	descKeyUses = describe(
		"key_uses_messages", "Messages that data keys which are closed were used for.", "side", "context",
	)
	descCallTimes = describe(
		"key_call_duration_seconds", "How long calls of key services and stores took.", "side", "operation", "outcome",
	)
	descCallTime = describe(
		"key_call_seconds_total", "Time that these calls took, all together.", "side", "operation", "key", "outcome",
	)
	descBreaker = describe("breaker_state", "1 for the state of the breaker in front of a key.", "key", "state")
	descRefused = describe(
		"breaker_refused_total", "Calls that were not made because a breaker was open.", "key",
	)
	descDelayed = describe("rate_delayed_total", "Calls that waited for the rate.", "key")
	descWaited  = describe("rate_wait_seconds_total", "Time that these calls waited, all together.", "key")
)

// others is the place that stands for all places without figures of their own.
// No topic and no stream can have this name.
const others = "(others)"

// labelOf makes a label of a name from outside, which must be UTF-8.
func labelOf(name string) string { return strings.ToValidUTF8(name, "\uFFFD") }
