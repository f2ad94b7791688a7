package kafka

import (
	"context"
	"errors"
	"fmt"
	"os"

	connector "github.com/streamcrypt/streamcrypt/connectors/kafka"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
	"github.com/streamcrypt/streamcrypt/connectors/kafka/cluster"
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/findings"
)

// right is an operation that the route takes.
type right struct {
	cluster.Resource
	operation string
	optional  bool
}

// listRights lists the rights that the topic takes.
func (t *topic) listRights() []right {
	var rights []right
	operations := []string{"Write", "Describe"}
	switch {
	case t.as.Reads():
		operations = []string{"Read", "Describe"}
	case t.create:
		operations = []string{"Write", "Describe", "Create"}
	}
	for _, on := range t.listResources() {
		for _, operation := range operations {
			rights = append(rights, right{on, operation, false})
		}
	}
	if t.as.Reads() && t.group != "" {
		rights = append(rights, right{cluster.Resource{Kind: "group", Name: t.group}, "Read", false})
	}
	// Without this one the largest batch is taken to be the brokers' default.
	for _, on := range t.listResources() {
		rights = append(rights, right{on, "DescribeConfigs", true})
	}
	return rights
}

// listResources lists the topics that the URL names. Of a pattern or a template
// they are not known: it stands for them.
func (t *topic) listResources() []cluster.Resource {
	if names := t.reads.Listed(); t.as.Reads() && len(names) > 0 {
		all := make([]cluster.Resource, len(names))
		for i, name := range names {
			all[i] = cluster.Resource{Kind: "topic", Name: name}
		}
		return all
	}
	return []cluster.Resource{{Kind: "topic", Name: t.topic}}
}

// Needs implements endpoint.Checker.
func (t *topic) Needs() []findings.Need {
	var needs []findings.Need
	for _, r := range t.listRights() {
		needs = append(needs, t.newNeed(r))
	}
	return needs
}

// newNeed returns the need of a right, with the command that grants it. A
// pattern or a template is no name that a command takes.
func (t *topic) newNeed(r right) findings.Need {
	need := findings.Need{
		Right: fmt.Sprintf("%s on %s", r.operation, r.Resource), State: findings.Unknown, Optional: r.optional,
	}
	if cluster.CheckTopicName(r.Name) == nil || r.Kind != "topic" {
		o := t.conn.nameOptions()
		need.Grant = o.FormatGrant(r.Resource, r.operation)
	}
	return need
}

// settleNeeds returns Needs, and which of the rights are there.
func (t *topic) settleNeeds(ctx context.Context, c *cluster.Cluster) ([]findings.Need, error) {
	given := make(map[cluster.Resource]cluster.Rights)
	for _, on := range t.listResources() {
		rights, err := c.ReadTopicRights(ctx, on.Name)
		if err != nil {
			return nil, err
		}
		given[on] = rights
	}
	if t.group != "" {
		g, err := c.DescribeGroup(ctx, t.group)
		if err == nil {
			given[cluster.Resource{Kind: "group", Name: t.group}] = g.Rights
		}
		// An error is why the rights are not known, and no problem of the run.
	}
	needs := t.Needs()
	for i, r := range t.listRights() {
		rights := given[r.Resource]
		switch has, known := rights.Has(r.operation); {
		case has:
			needs[i].State = findings.Given
		case known:
			needs[i].State = findings.Missing
		}
	}
	return needs, nil
}

// CheckSource implements endpoint.Checker. To inspect a source changes nothing;
// only to serve it does.
func (t *topic) CheckSource(ctx context.Context, s *endpoint.Session) (*endpoint.Checked, error) {
	c, err := t.connect(ctx, s)
	if err != nil {
		return nil, err
	}
	needs, err := t.settleNeeds(ctx, c)
	if err != nil {
		return nil, err
	}
	found := &endpoint.Checked{Report: findings.Report{Needs: needs}}
	in, err := t.inspectSource(ctx, s)
	if err != nil {
		found.AddProblem(err)
		return found, nil
	}
	if _, err := os.Stat(s.Checkpoint); err == nil && t.keepsCheckpoint() {
		in.FreshPlaces, in.BeginsAnew = nil, nil // only a run opens it, and finds the positions in it
	}
	source := in.Source.(*connector.Source)
	found.Source, found.Lanes, found.Largest, found.LaneMemory = in, in.Lanes, in.Largest, in.LaneMemory
	found.MaxMessage = t.readMaxMessage(ctx, c)
	if t.reads.MayBeSeveral() {
		found.AddFact("topics", "%d", len(source.Topics()))
	}
	found.AddFact("partitions", "%d", source.PartitionCount())
	if t.until.Bounded() {
		if err := t.addExtent(ctx, source, found); err != nil {
			return nil, err
		}
	}
	if t.group != "" {
		t.addGroup(ctx, c, found)
	}
	return found, nil
}

// addExtent adds how many offsets a run with an end reads.
func (t *topic) addExtent(ctx context.Context, source *connector.Source, found *endpoint.Checked) error {
	peekers, err := source.Peekers(ctx)
	if err != nil {
		return err
	}
	total := int64(0)
	for _, p := range peekers {
		first, end := p.Bounds()
		total += max(0, end-first)
	}
	less := "that earlier runs have committed"
	if t.start.Sealed {
		less += " or the destination holds"
	}
	found.AddFact("ends", "%s", source.DescribeEnds())
	found.AddFact("offsets", "%d, less those %s", total, less)
	return nil
}

// addGroup adds how the group is. A run with an end refuses to run beside its
// members.
func (t *topic) addGroup(ctx context.Context, c *cluster.Cluster, found *endpoint.Checked) {
	g, err := c.DescribeGroup(ctx, t.group)
	if err != nil {
		found.Warnings = append(found.Warnings, fmt.Sprintf("group %s: %v", t.group, err))
		return
	}
	found.AddFact("group", "%s, %s, %d members", t.group, g.State, g.Members)
	if t.until.Bounded() && g.Members > 0 {
		found.AddProblem(fmt.Errorf("group %s: it has %d members, and a run with an end is none", t.group, g.Members))
	}
}

// CheckSink implements endpoint.Checker. To open a sink changes nothing if the
// topic is there; only that is asked for here.
func (t *topic) CheckSink(ctx context.Context, s *endpoint.Session, in *endpoint.Checked) (*endpoint.Checked, error) {
	c, err := t.connect(ctx, s)
	if err != nil {
		return nil, err
	}
	needs, err := t.settleNeeds(ctx, c)
	if err != nil {
		return nil, err
	}
	found := &endpoint.Checked{Report: findings.Report{Needs: needs}}
	var source *connector.Source
	if in.Source != nil {
		source, _ = in.Source.Source.(*connector.Source)
	}
	o := t.sinkOptions(source, s.Log)
	if t.as == endpoint.To {
		o.Growth = s.Growth
	}
	exactly, err := connector.ChooseDelivery(c, o)
	if err != nil {
		found.AddProblem(err)
		return found, nil
	}
	t.addDelivery(found, source, exactly)
	if t.writes.IsMapped() {
		return t.checkTemplate(ctx, c, o, found)
	}
	_, err = c.OpenTopic(ctx, t.topic, 0)
	if errors.Is(err, cluster.ErrNoTopic) && t.create {
		if t.as == endpoint.DeadLetters {
			source = nil // its partitions do not matter
		}
		found.Makes = append(found.Makes, describeNewTopic(t.topic, source))
		found.LaneMemory = batch.CompressorMemory(t.compression, in.Largest+o.Growth)
		return found, nil
	}
	o.Create = false
	sink, err := connector.NewSink(ctx, c, o)
	if err != nil {
		found.AddProblem(err)
		return found, nil
	}
	found.LaneMemory, found.Sink = sink.LaneMemory(), t.describeSink(sink)
	found.MaxMessage = t.readMaxMessage(ctx, c)
	return found, nil
}

// readMaxMessage returns the largest max.message.bytes of the topics; 0 if it
// is not known.
func (t *topic) readMaxMessage(ctx context.Context, c *cluster.Cluster) (most int) {
	for _, on := range t.listResources() {
		if cluster.CheckTopicName(on.Name) != nil {
			continue
		}
		settings, err := c.ReadSettings(ctx, on.Name)
		if n, ok := settings.ReadInt(cluster.MaxMessageBytes); ok && err == nil {
			most = max(most, int(n))
		}
	}
	return most
}

// checkTemplate looks at the destinations of a template.
func (t *topic) checkTemplate(
	ctx context.Context, c *cluster.Cluster, o connector.SinkOptions, found *endpoint.Checked,
) (*endpoint.Checked, error) {
	if t.create {
		found.Makes = append(found.Makes,
			"a topic by the template "+t.topic+" for each topic of the source that has none")
	}
	o.Create = false
	sink, err := connector.NewSink(ctx, c, o)
	if errors.Is(err, cluster.ErrNoTopic) && t.create {
		return found, nil
	}
	if err != nil {
		found.AddProblem(err)
		return found, nil
	}
	found.Sink = t.describeSink(sink)
	return found, nil
}

func describeNewTopic(name string, source *connector.Source) string {
	if source == nil {
		return "topic " + name + ", with the brokers' number of partitions"
	}
	return fmt.Sprintf("topic %s, with %d partitions", name, source.PartitionCount())
}

// addDelivery says how often a record arrives, and which rights that takes.
func (t *topic) addDelivery(found *endpoint.Checked, source *connector.Source, exactlyOnce bool) {
	found.Delivery = "at-least-once"
	if !exactlyOnce {
		return
	}
	found.Delivery = "exactly-once"
	ids := cluster.Resource{Kind: "transactional-id", Name: source.TransactionPrefix(), Prefix: true}
	for _, operation := range []string{"Write", "Describe"} {
		found.Needs = append(found.Needs, t.newNeed(right{ids, operation, false}))
	}
}
