package wire

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"runtime"
	"testing"
	"time"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"
	"github.com/twmb/franz-go/pkg/kmsg"

	"github.com/streamcrypt/streamcrypt/connectors/kafka/batch"
)

// sent is the request as it goes out, with the number 1.
func sent(t *testing.T, x *exchange) []byte {
	t.Helper()
	c := New(&kafka.Transport{ClientID: "streamcrypt"}, nil)
	var out bytes.Buffer
	if err := x.write(c, &out, 1); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// wantSent compares with what kmsg, which is independent of this package,
// writes.
func wantSent(t *testing.T, x *exchange, want kmsg.Request) {
	t.Helper()
	want.SetVersion(x.version)
	if got, want := sent(t, x), kmsg.NewRequestFormatter(kmsg.FormatterClientID("streamcrypt")).AppendRequest(nil, want, 1); !bytes.Equal(got, want) {
		t.Errorf("sent %x\nwant %x", got, want)
	}
}

func ptr[T any](v T) *T { return &v }

func TestFetchRequest(t *testing.T) {
	f := &FetchRequest{
		MaxWait: 500 * time.Millisecond, MinBytes: 1, MaxBytes: 1 << 20, Committed: true, Rack: "eu-1",
		Partitions: []FetchPartition{
			{Topic: "orders", Partition: 3, Offset: 8812, LeaderEpoch: 5, MaxBytes: 1000},
			{Topic: "orders", Partition: 0, Offset: 0, LeaderEpoch: -1, MaxBytes: 2000},
			{Topic: "payments", Partition: 1, Offset: 1 << 40, LeaderEpoch: 7, MaxBytes: 3000},
			{Topic: "orders", Partition: 4, Offset: 1, LeaderEpoch: -1, MaxBytes: 4000},
		},
	}
	x := &exchange{api: protocol.Fetch, version: fetchVersion}
	f.encode(&x.request)
	partition := func(p, epoch int32, offset int64, most int32) kmsg.FetchRequestTopicPartition {
		k := kmsg.NewFetchRequestTopicPartition()
		k.Partition, k.CurrentLeaderEpoch, k.FetchOffset, k.PartitionMaxBytes = p, epoch, offset, most
		return k
	}
	want := kmsg.NewPtrFetchRequest()
	want.MaxWaitMillis, want.MinBytes, want.MaxBytes, want.IsolationLevel, want.Rack = 500, 1, 1<<20, 1, "eu-1"
	want.SessionEpoch = -1
	want.Topics = []kmsg.FetchRequestTopic{
		{Topic: "orders", Partitions: []kmsg.FetchRequestTopicPartition{partition(3, 5, 8812, 1000), partition(0, -1, 0, 2000)}},
		{Topic: "payments", Partitions: []kmsg.FetchRequestTopicPartition{partition(1, 7, 1<<40, 3000)}},
		{Topic: "orders", Partitions: []kmsg.FetchRequestTopicPartition{partition(4, -1, 1, 4000)}},
	}
	wantSent(t, x, want)
}

func TestProduceRequest(t *testing.T) {
	large := bytes.Repeat([]byte("batch"), 40_000)
	for i, id := range []string{"", "tx-1", "tx-1"} {
		p := &ProduceRequest{
			TransactionalID: id, Adding: i == 2, Acks: AllReplicas, Timeout: 5 * time.Second,
			Partitions: []ProducePartition{{"orders", 3, []byte("batch one")}, {"orders", 4, large}, {"letters", 0, []byte("two")}},
		}
		x := &exchange{api: protocol.Produce, version: produceVersion}
		if p.Adding {
			x.version = addingVersion
		}
		p.encode(x)
		want := kmsg.NewPtrProduceRequest()
		want.Acks, want.TimeoutMillis = -1, 5000
		if id != "" {
			want.TransactionID = &id
		}
		want.Topics = []kmsg.ProduceRequestTopic{
			{Topic: "orders", Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: 3, Records: []byte("batch one")}, {Partition: 4, Records: large}}},
			{Topic: "letters", Partitions: []kmsg.ProduceRequestTopicPartition{{Partition: 0, Records: []byte("two")}}},
		}
		wantSent(t, x, want)
	}
}

func TestOtherRequests(t *testing.T) {
	x := &exchange{api: protocol.ListOffsets, version: listOffsetsVersion}
	(&ListOffsetsRequest{Committed: true, Topic: "orders", Partitions: []ListPartition{{3, 5, Latest}, {4, -1, Earliest}}}).encode(&x.request)
	list := kmsg.NewPtrListOffsetsRequest()
	list.ReplicaID, list.IsolationLevel = -1, 1
	list.Topics = []kmsg.ListOffsetsRequestTopic{{Topic: "orders", Partitions: []kmsg.ListOffsetsRequestTopicPartition{
		{Partition: 3, CurrentLeaderEpoch: 5, Timestamp: -1}, {Partition: 4, CurrentLeaderEpoch: -1, Timestamp: -2},
	}}}
	wantSent(t, x, list)

	for _, version := range []int16{9, 10} {
		x := &exchange{api: protocol.Metadata, version: version, request: encoder{flexible: true}}
		encodeMetadata(&x.request, version, []string{"orders", "payments"})
		want := kmsg.NewPtrMetadataRequest()
		want.Topics = []kmsg.MetadataRequestTopic{{Topic: ptr("orders")}, {Topic: ptr("payments")}}
		wantSent(t, x, want)
	}

	x = &exchange{api: protocol.Metadata, version: topicIDVersion, request: encoder{flexible: true}}
	encodeAllTopics(&x.request, topicIDVersion)
	wantSent(t, x, kmsg.NewPtrMetadataRequest()) // null stands for all

	x = &exchange{api: protocol.OffsetFetch, version: offsetFetchVersion, request: encoder{flexible: true}}
	encodeOffsetFetch(&x.request, "group", []TopicPartition{{"orders", 0}, {"orders", 7}, {"payments", 1}})
	offsets := kmsg.NewPtrOffsetFetchRequest()
	offsets.Group, offsets.RequireStable = "group", true
	offsets.Topics = []kmsg.OffsetFetchRequestTopic{{Topic: "orders", Partitions: []int32{0, 7}}, {Topic: "payments", Partitions: []int32{1}}}
	wantSent(t, x, offsets)

	x = &exchange{api: protocol.ApiVersions}
	wantSent(t, x, kmsg.NewPtrApiVersionsRequest())
}

func TestFetchResponse(t *testing.T) {
	partition := kmsg.NewFetchResponseTopicPartition()
	partition.Partition, partition.HighWatermark, partition.LastStableOffset, partition.LogStartOffset = 3, 100, 90, 10
	partition.PreferredReadReplica, partition.RecordBatches = 2, []byte("records")
	partition.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{{ProducerID: 5, FirstOffset: 12}, {ProducerID: 6, FirstOffset: 7}}
	moved := kmsg.NewFetchResponseTopicPartition()
	moved.Partition, moved.ErrorCode, moved.HighWatermark, moved.LastStableOffset, moved.LogStartOffset = 4, 6, -1, -1, -1
	k := kmsg.NewPtrFetchResponse()
	k.SetVersion(fetchVersion)
	k.ThrottleMillis = 250
	// In another order, with one left out.
	k.Topics = []kmsg.FetchResponseTopic{
		{Topic: "payments", Partitions: []kmsg.FetchResponseTopicPartition{moved}},
		{Topic: "orders", Partitions: []kmsg.FetchResponseTopicPartition{partition}},
	}
	request := &FetchRequest{Partitions: []FetchPartition{{Topic: "orders", Partition: 3}, {Topic: "orders", Partition: 4}, {Topic: "payments", Partition: 4}}}
	var r FetchResponse
	for range 2 { // recycled
		if err := r.decode(request, k.AppendTo(nil)); err != nil {
			t.Fatal(err)
		}
		if r.Throttle != 250*time.Millisecond {
			t.Error("throttle", r.Throttle)
		}
		want := []FetchedPartition{
			{HighWatermark: 100, LastStable: 90, LogStart: 10, Preferred: 2, Records: []byte("records"),
				Aborted: []batch.Aborted{{ProducerID: 5, First: 12}, {ProducerID: 6, First: 7}}},
			{Err: ErrUnanswered, HighWatermark: -1, LastStable: -1, LogStart: -1, Preferred: -1},
			{Err: kafka.NotLeaderForPartition, HighWatermark: -1, LastStable: -1, LogStart: -1, Preferred: -1},
		}
		for i := range r.Partitions {
			if len(r.Partitions[i].Aborted) == 0 {
				r.Partitions[i].Aborted = nil
			}
			if len(r.Partitions[i].Records) == 0 {
				r.Partitions[i].Records = nil
			}
		}
		if !reflect.DeepEqual(r.Partitions, want) {
			t.Errorf("got %+v\nwant %+v", r.Partitions, want)
		}
	}
	k.ErrorCode = 70
	if err := r.decode(request, k.AppendTo(nil)); !errors.Is(err, kafka.FetchSessionIDNotFound) {
		t.Error(err)
	}
}

func TestProduceResponse(t *testing.T) {
	ok, refused := kmsg.NewProduceResponseTopicPartition(), kmsg.NewProduceResponseTopicPartition()
	ok.Partition, ok.BaseOffset, ok.LogStartOffset = 3, 8812, 10
	refused.Partition, refused.ErrorCode, refused.BaseOffset, refused.LogStartOffset = 4, 87, -1, -1
	refused.ErrorRecords = []kmsg.ProduceResponseTopicPartitionErrorRecord{{RelativeOffset: 5, ErrorMessage: ptr("no")}, {}}
	refused.ErrorMessage = ptr("one record is no good")
	for _, version := range []int16{produceVersion, addingVersion} {
		testProduceResponse(t, version, refused, ok)
	}
}

func testProduceResponse(t *testing.T, version int16, refused, ok kmsg.ProduceResponseTopicPartition) {
	t.Helper()
	k := kmsg.NewPtrProduceResponse()
	k.SetVersion(version)
	k.ThrottleMillis = 9
	k.Topics = []kmsg.ProduceResponseTopic{{Topic: "orders", Partitions: []kmsg.ProduceResponseTopicPartition{refused, ok}}}
	request := &ProduceRequest{Adding: version == addingVersion, Partitions: []ProducePartition{{"orders", 3, nil}, {"orders", 4, nil}, {"letters", 0, nil}}}
	var r ProduceResponse
	if err := r.decode(request, k.AppendTo(nil)); err != nil {
		t.Fatal(err)
	}
	want := []ProducedPartition{{nil, 8812, 10, nil}, {kafka.InvalidRecord, -1, -1, []int32{5, 0}}, {ErrUnanswered, -1, -1, nil}}
	if !reflect.DeepEqual(r.Partitions, want) || r.Throttle != 9*time.Millisecond {
		t.Errorf("got %+v", r)
	}
}

func TestMetadataResponse(t *testing.T) {
	for _, version := range []int16{9, 10} {
		k := kmsg.NewPtrMetadataResponse()
		k.SetVersion(version)
		k.ClusterID, k.ControllerID = ptr("cluster"), 2
		k.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 1, Host: "h1", Port: 9092, Rack: ptr("eu-1")}, {NodeID: 2, Host: "h2", Port: 9093}}
		topic := kmsg.NewMetadataResponseTopic()
		topic.Topic, topic.TopicID = ptr("orders"), [16]byte{1, 2, 3}
		topic.Partitions = []kmsg.MetadataResponseTopicPartition{
			{Partition: 1, Leader: 2, LeaderEpoch: 7, Replicas: []int32{2, 1}, ISR: []int32{2}, OfflineReplicas: []int32{1}},
			{Partition: 0, Leader: -1, LeaderEpoch: 3, ErrorCode: 5, Replicas: []int32{1}, ISR: []int32{}},
		}
		missing := kmsg.NewMetadataResponseTopic()
		missing.Topic, missing.ErrorCode, missing.IsInternal = ptr("missing"), 3, true
		k.Topics = []kmsg.MetadataResponseTopic{topic, missing}
		var m Metadata
		if err := m.decode(version, k.AppendTo(nil)); err != nil {
			t.Fatal(err)
		}
		want := Metadata{
			ClusterID: "cluster", Controller: 2,
			Brokers: []Broker{{1, "h1", 9092, "eu-1"}, {2, "h2", 9093, ""}},
			Topics: []Topic{
				{Name: "orders", ID: [16]byte{1, 2, 3}, Partitions: []Partition{
					{Partition: 1, Leader: 2, LeaderEpoch: 7, Replicas: []int32{2, 1}, InSync: []int32{2}},
					{Partition: 0, Leader: -1, LeaderEpoch: 3, Err: kafka.LeaderNotAvailable, Replicas: []int32{1}, InSync: []int32{}},
				}},
				{Name: "missing", Err: kafka.UnknownTopicOrPartition, Internal: true},
			},
		}
		if version < 10 {
			want.Topics[0].ID = [16]byte{}
		}
		if !reflect.DeepEqual(m, want) {
			t.Errorf("version %d: got %+v\nwant %+v", version, m, want)
		}
	}
}

func TestOffsetResponses(t *testing.T) {
	k := kmsg.NewPtrOffsetFetchResponse()
	k.SetVersion(offsetFetchVersion)
	k.Topics = []kmsg.OffsetFetchResponseTopic{{Topic: "orders", Partitions: []kmsg.OffsetFetchResponseTopicPartition{
		{Partition: 7, Offset: -1, LeaderEpoch: -1, Metadata: nil},
		{Partition: 0, Offset: 8812, LeaderEpoch: 5, Metadata: ptr("state")},
		{Partition: 1, Offset: -1, LeaderEpoch: -1, ErrorCode: 88},
	}}}
	got, err := decodeOffsetFetch([]TopicPartition{{"orders", 0}, {"orders", 1}, {"orders", 2}, {"orders", 7}}, k.AppendTo(nil))
	want := []CommittedOffset{
		{Offset: 8812, LeaderEpoch: 5, Metadata: "state"}, {Err: kafka.UnstableOffsetCommit, Offset: -1, LeaderEpoch: -1},
		{Err: ErrUnanswered, Offset: -1, LeaderEpoch: -1}, {Offset: -1, LeaderEpoch: -1},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, %v", got, err)
	}
	k.Topics, k.ErrorCode = nil, 16
	if _, err := decodeOffsetFetch(nil, k.AppendTo(nil)); !errors.Is(err, kafka.NotCoordinatorForGroup) {
		t.Error(err)
	}

	l := kmsg.NewPtrListOffsetsResponse()
	l.SetVersion(listOffsetsVersion)
	l.Topics = []kmsg.ListOffsetsResponseTopic{{Topic: "orders", Partitions: []kmsg.ListOffsetsResponseTopicPartition{
		{Partition: 1, ErrorCode: 6, Timestamp: -1, Offset: -1, LeaderEpoch: -1}, {Partition: 0, Timestamp: 17, Offset: 5, LeaderEpoch: 2},
	}}}
	request := &ListOffsetsRequest{Topic: "orders", Partitions: []ListPartition{{Partition: 0}, {Partition: 1}}}
	listed, err := request.decode(l.AppendTo(nil))
	if err != nil || !reflect.DeepEqual(listed, []ListedOffset{{nil, 5, 17}, {kafka.NotLeaderForPartition, -1, -1}}) {
		t.Errorf("got %+v, %v", listed, err)
	}
}

// An answer about what was not asked for, and one that is cut or too long, are
// refused as a whole.
func TestMalformedAnswers(t *testing.T) {
	fetch := kmsg.NewPtrFetchResponse()
	fetch.SetVersion(fetchVersion)
	partition := kmsg.NewFetchResponseTopicPartition()
	partition.Partition, partition.RecordBatches = 3, []byte("records")
	fetch.Topics = []kmsg.FetchResponseTopic{{Topic: "orders", Partitions: []kmsg.FetchResponseTopicPartition{partition}}}
	b := fetch.AppendTo(nil)
	request := &FetchRequest{Partitions: []FetchPartition{{Topic: "orders", Partition: 3}}}
	var r FetchResponse
	if err := r.decode(request, b); err != nil {
		t.Fatal(err)
	}
	for n := range b {
		if err := r.decode(request, b[:n]); !errors.Is(err, ErrMalformed) {
			t.Errorf("cut at %d: %v", n, err)
		}
	}
	if err := r.decode(request, append(b[:len(b):len(b)], 0)); !errors.Is(err, ErrMalformed) {
		t.Error("a byte more:", err)
	}
	for _, other := range []FetchPartition{{Topic: "orders", Partition: 4}, {Topic: "order", Partition: 3}} {
		if err := r.decode(&FetchRequest{Partitions: []FetchPartition{other}}, b); !errors.Is(err, ErrMalformed) {
			t.Error("not asked for:", err)
		}
	}
	long := &exchange{}
	long.request.string(string(make([]byte, 1<<15)))
	if !long.request.bad {
		t.Error("a name of 2^15 bytes")
	}
}

// Lengths are believed only as far as the answer has bytes for them.
func TestLyingLengths(t *testing.T) {
	ids := binary.AppendUvarint(nil, 1<<31) // of replicas
	topic := append([]byte{0, 0, 2, 't', 0, 2}, make([]byte, 14)...)
	metadata := append([]byte{0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 2}, topic...)
	metadata = append(append(metadata, ids...), make([]byte, 40)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := new(Metadata).decode(metadataVersion, metadata)
	runtime.ReadMemStats(&after)
	if used := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrMalformed) || used > 1<<20 {
		t.Errorf("%v, %d bytes allocated", err, used)
	}
}

// A thousand partitions cost no allocation when an answer is read.
func TestFetchAllocations(t *testing.T) {
	request := &FetchRequest{}
	topic := kmsg.FetchResponseTopic{Topic: "orders"}
	for i := range int32(1000) {
		request.Partitions = append(request.Partitions, FetchPartition{Topic: "orders", Partition: i})
		p := kmsg.NewFetchResponseTopicPartition()
		p.Partition, p.RecordBatches = i, []byte("records")
		p.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{{ProducerID: 1}}
		topic.Partitions = append(topic.Partitions, p)
	}
	k := kmsg.NewPtrFetchResponse()
	k.SetVersion(fetchVersion)
	k.Topics = []kmsg.FetchResponseTopic{topic}
	b := k.AppendTo(nil)
	var r FetchResponse
	var e encoder
	if n := testing.AllocsPerRun(20, func() {
		e.b = e.b[:0]
		request.encode(&e)
		if err := r.decode(request, b); err != nil {
			t.Fatal(err)
		}
	}); n > 4 {
		t.Errorf("%v allocations", n)
	}
}
