package kafka

import (
	"context"
	"fmt"
	"time"

	connector "github.com/streamcrypt/streamcrypt/connectors/kafka"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// The checks of this kind of end.
const (
	versionCheck  = "version"
	settingsCheck = "settings"
	clockCheck    = "clock"
)

// Check implements doctor.Check.
func (t *topic) Check(ctx context.Context, s *endpoint.Session) []findings.Line {
	c, err := t.connect(ctx, s)
	if err != nil {
		return nil // the look has said so
	}
	lines := []findings.Line{t.checkVersion(ctx, c)}
	for _, on := range t.listResources() {
		if cluster.CheckTopicName(on.Name) != nil {
			continue // a pattern or a template, which is no topic
		}
		if line, ok := t.checkSettings(ctx, c, on.Name); ok {
			lines = append(lines, line)
		}
	}
	if t.as.Reads() {
		lines = append(lines, t.checkTimes(ctx, s, c, time.Now()))
	}
	return lines
}

func (t *topic) newLine(check string, level findings.Level, found, remedy string) findings.Line {
	return findings.Line{
		Check: check, Subject: t.as.String() + " " + t.Traits().Name, Level: level, Found: found, Remedy: remedy,
	}
}

func (t *topic) checkVersion(ctx context.Context, c *cluster.Cluster) findings.Line {
	g, err := c.AskGeneration(ctx)
	if err != nil {
		return t.newLine(versionCheck, findings.Warn, "the brokers do not tell what they speak: "+err.Error(),
			"look at the brokers' logs")
	}
	found := fmt.Sprintf("the brokers speak Metadata up to version %d and Fetch up to %d", g.Metadata, g.Fetch)
	if !g.HasTopicIDs() {
		return t.newLine(versionCheck, findings.Warn,
			found+": they are older than Kafka 2.8, and topics have no ids: replays are not found",
			"brokers of Kafka 2.8 or later")
	}
	return t.newLine(versionCheck, findings.OK, found, "")
}

// checkSettings describes the settings of a topic. It is false if the topic is
// not there: then the look has said so, or a run makes it.
func (t *topic) checkSettings(ctx context.Context, c *cluster.Cluster, name string) (findings.Line, bool) {
	if _, err := c.OpenTopic(ctx, name, 0); err != nil {
		return findings.Line{}, false // other questions would wait for the topic
	}
	replicas, err := c.CountReplicas(ctx, name)
	if err != nil {
		return findings.Line{}, false
	}
	settings, err := c.ReadSettings(ctx, name)
	if err != nil || settings == nil {
		return t.newLine(settingsCheck, findings.Warn,
			"topic "+name+": its settings are not known: limits are taken to be the brokers' defaults",
			t.conn.nameGrant(name, "DescribeConfigs")), true
	}
	value := func(setting string) string {
		if v := settings[setting].Value; v != "" {
			return v
		}
		return "unknown"
	}
	found := fmt.Sprintf("topic %s: %d replicas", name, replicas)
	for _, setting := range []string{
		cluster.MinInSync, cluster.CleanupPolicy, cluster.RetentionMs, cluster.MaxMessageBytes, cluster.TimestampType,
	} {
		found += ", " + setting + " " + value(setting)
	}
	if n, ok := settings.ReadInt(cluster.MinInSync); ok && n < 2 && replicas > 1 && !t.as.Reads() {
		return t.newLine(settingsCheck, findings.Warn,
			found+": what is acknowledged may be on one broker only",
			"kafka-configs.sh --alter --entity-type topics --entity-name "+name+
				" --add-config min.insync.replicas=2"), true
	}
	return t.newLine(settingsCheck, findings.OK, found, ""), true
}

// nameGrant returns the command that gives a right on a topic.
func (c *connection) nameGrant(topic, operation string) string {
	o := c.nameOptions()
	return o.FormatGrant(cluster.Resource{Kind: "topic", Name: topic}, operation)
}

// futureSkew is how far ahead of this machine's clock the time of a message may
// be.
const futureSkew = time.Minute

// checkTimes looks at the newest messages. Kafka's protocol does not tell the
// brokers' time, so that a clock that is behind cannot be seen, and one that is
// ahead shows in the messages.
func (t *topic) checkTimes(
	ctx context.Context, s *endpoint.Session, c *cluster.Cluster, now time.Time,
) findings.Line {
	newest, err := t.findNewest(ctx, s, c)
	ahead := newest.Sub(now)
	switch {
	case err != nil:
		return t.newLine(clockCheck, findings.OK,
			"Kafka does not tell the brokers' time, and the newest messages cannot be read: "+err.Error(), "")
	case newest.IsZero():
		return t.newLine(clockCheck, findings.OK,
			"Kafka does not tell the brokers' time, and there is no message that would", "")
	case ahead > futureSkew:
		return t.newLine(clockCheck, findings.Warn,
			fmt.Sprintf("the newest message is %v in the future: the clock of a producer or a broker is ahead, "+
				"or this machine's is behind", ahead.Round(time.Second)),
			"chronyc tracking on these machines")
	}
	return t.newLine(clockCheck, findings.OK,
		"Kafka does not tell the brokers' time; no message that was looked at is in the future", "")
}

// mostPlaces bounds how many partitions are looked at for their newest
// messages.
const mostPlaces = 16

// findNewest returns the time of the newest message, zero without one.
func (t *topic) findNewest(
	ctx context.Context, s *endpoint.Session, c *cluster.Cluster,
) (newest time.Time, err error) {
	look := *t // as verify would read it: it joins no group
	look.as, look.group, look.start, look.until = endpoint.Look, "", connector.Start{}, connector.Until{End: true}
	o := look.sourceOptions(s.Log)
	source, err := connector.NewSource(ctx, c, o)
	if err != nil {
		return newest, err
	}
	peekers, err := source.Peekers(ctx)
	if err != nil {
		return newest, err
	}
	for _, p := range peekers[:min(len(peekers), mostPlaces)] {
		first, end := p.Bounds()
		if end <= first {
			continue
		}
		if at, ok := peekLast(ctx, p, first, end); ok && at.After(newest) {
			newest = at
		}
	}
	return newest, nil
}

// peekLast returns the time of the last message before end. The last offset may
// be a transaction's mark, so a few more are tried.
func peekLast(ctx context.Context, p *connector.Peeker, first, end int64) (time.Time, bool) {
	for at := end - 1; at >= max(first, end-4); at-- {
		if m, err := p.Peek(ctx, at); err == nil {
			return m.Time, true
		}
	}
	return time.Time{}, false
}
