package nats

import (
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// listEvictions names the limits by which a stream deletes messages that its
// source keeps. Nothing fails when that happens: the publish is acknowledged,
// and another message is gone.
func listEvictions(cfg, like *jetstream.StreamConfig) (deletes []string) {
	note := func(limit, source int64, unit, setting string) {
		if limit > 0 && (source <= 0 || limit < source) {
			deletes = append(deletes, fmt.Sprintf(
				"it deletes the oldest when it has more than %d %s (%s), before the source does", limit, unit, setting))
		}
	}
	if cfg.Discard == jetstream.DiscardOld {
		note(cfg.MaxMsgs, like.MaxMsgs, "messages", "max_msgs")
		note(cfg.MaxBytes, like.MaxBytes, "bytes", "max_bytes")
	}
	// With DiscardNew a full subject deletes its oldest message as well, unless
	// the stream says that it refuses by subject.
	if !cfg.DiscardNewPerSubject {
		note(cfg.MaxMsgsPerSubject, like.MaxMsgsPerSubject, "messages of a subject", "max_msgs_per_subject")
	}
	return deletes
}
