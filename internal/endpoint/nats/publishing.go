package nats

import (
	connector "github.com/streamcrypt/streamcrypt/connectors/nats"
	"github.com/streamcrypt/streamcrypt/internal/address"
)

// publishModes are the values of publish=.
var publishModes = map[string]connector.PublishMode{
	"auto": connector.PublishAuto, "async": connector.PublishAsync,
	"batch": connector.PublishBatch, "fast": connector.PublishFast,
}

// syncAlways is the value of sync= for servers that flush each message.
const syncAlways = "always"

func (n *stream) readPublishing(p *address.Params) {
	n.publish = publishModes[p.ReadWord(address.Param{
		Name: "publish",
		Text: "how messages are published: one by one without waiting for each (async), in atomic batches (batch, " +
			"NATS 2.12), in fast ones (fast, 2.14), or as suits the stream (auto); a mode that the stream does not " +
			"take gives way to async",
		Words: []string{"auto", "async", "batch", "fast"}, Default: "auto",
	})]
	n.sync = p.ReadWord(address.Param{
		Name: "sync",
		Text: "whether the servers flush each message to disk by itself (sync_interval: always): " +
			"then publish=auto is batch",
		Words: []string{"default", syncAlways}, Default: "default",
	}) == syncAlways
}
