package pipelinetest

import "github.com/streamcrypt/streamcrypt/pipeline"

// splitRefused returns the indexes of the messages that a sink writes, and the
// *pipeline.Refused for the others: those for which refuse returns an error,
// and those behind them; nil if there are none. With ahead, messages behind a
// refused one of their own place are written too if ahead says so, as into
// partitions of a destination that take messages of many places.
func splitRefused(
	msgs []pipeline.Message, refuse func(*pipeline.Message) error, ahead func(*pipeline.Message) bool,
) (write []int, _ *pipeline.Refused) {
	r := new(pipeline.Refused)
	stopped := make(map[string]bool)
	for i := range msgs {
		m := &msgs[i]
		var err error
		if refuse != nil {
			err = refuse(m)
		}
		switch {
		case err != nil:
			r.Messages = append(r.Messages, pipeline.RefusedMessage{Index: i, Err: err})
			stopped[m.Origin.Place] = true
		case stopped[m.Origin.Place] && (ahead == nil || !ahead(m)):
			r.Left = append(r.Left, i)
		default:
			write = append(write, i)
		}
	}
	if len(r.Messages) == 0 {
		return write, nil
	}
	return write, r
}
