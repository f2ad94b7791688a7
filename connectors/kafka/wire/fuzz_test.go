package wire

import (
	"testing"

	"github.com/twmb/franz-go/pkg/kmsg"
)

// seed adds an answer, whole and cut.
func seed(f *testing.F, k kmsg.Response, version int16) {
	k.SetVersion(version)
	b := k.AppendTo(nil)
	f.Add(b)
	f.Add(b[:len(b)/2])
}

func FuzzFetchResponse(f *testing.F) {
	k := kmsg.NewPtrFetchResponse()
	p := kmsg.NewFetchResponseTopicPartition()
	p.RecordBatches = []byte("records")
	p.AbortedTransactions = []kmsg.FetchResponseTopicPartitionAbortedTransaction{{ProducerID: 5, FirstOffset: 12}}
	k.Topics = []kmsg.FetchResponseTopic{{Topic: "t", Partitions: []kmsg.FetchResponseTopicPartition{p}}}
	seed(f, k, fetchVersion)
	request := &FetchRequest{Partitions: []FetchPartition{{Topic: "t", Partition: 0}, {Topic: "t", Partition: 1}}}
	var r FetchResponse
	f.Fuzz(func(t *testing.T, b []byte) {
		if err := r.decode(request, b); err == nil {
			n := 0
			for _, p := range r.Partitions {
				n += len(p.Records)
			}
			if len(r.Partitions) != 2 || n > 2*len(b) {
				t.Errorf("%d partitions, %d bytes of records in %d", len(r.Partitions), n, len(b))
			}
		}
	})
}

func FuzzProduceResponse(f *testing.F) {
	k := kmsg.NewPtrProduceResponse()
	p := kmsg.NewProduceResponseTopicPartition()
	p.ErrorRecords = []kmsg.ProduceResponseTopicPartitionErrorRecord{{ErrorMessage: ptr("no")}}
	k.Topics = []kmsg.ProduceResponseTopic{{Topic: "t", Partitions: []kmsg.ProduceResponseTopicPartition{p}}}
	seed(f, k, produceVersion)
	request := &ProduceRequest{Partitions: []ProducePartition{{"t", 0, nil}, {"t", 1, nil}}}
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = new(ProduceResponse).decode(request, b)
		adding := *request
		adding.Adding = true
		_ = new(ProduceResponse).decode(&adding, b)
	})
}

func FuzzMetadata(f *testing.F) {
	k := kmsg.NewPtrMetadataResponse()
	k.Brokers = []kmsg.MetadataResponseBroker{{NodeID: 1, Host: "h", Rack: ptr("r")}}
	topic := kmsg.NewMetadataResponseTopic()
	topic.Topic = ptr("t")
	topic.Partitions = []kmsg.MetadataResponseTopicPartition{{Replicas: []int32{1}, ISR: []int32{1}}}
	k.Topics = []kmsg.MetadataResponseTopic{topic}
	seed(f, k, metadataVersion)
	seed(f, k, topicIDVersion)
	f.Fuzz(func(_ *testing.T, b []byte) {
		_ = new(Metadata).decode(metadataVersion, b)
		_ = new(Metadata).decode(topicIDVersion, b)
	})
}

func FuzzOffsets(f *testing.F) {
	k := kmsg.NewPtrOffsetFetchResponse()
	k.Topics = []kmsg.OffsetFetchResponseTopic{{Topic: "t", Partitions: []kmsg.OffsetFetchResponseTopicPartition{{Metadata: ptr("m")}}}}
	seed(f, k, offsetFetchVersion)
	l := kmsg.NewPtrListOffsetsResponse()
	l.Topics = []kmsg.ListOffsetsResponseTopic{{Topic: "t", Partitions: []kmsg.ListOffsetsResponseTopicPartition{{}}}}
	seed(f, l, listOffsetsVersion)
	f.Fuzz(func(_ *testing.T, b []byte) {
		_, _ = decodeOffsetFetch([]TopicPartition{{"t", 0}, {"t", 1}}, b)
		_, _ = (&ListOffsetsRequest{Topic: "t", Partitions: []ListPartition{{Partition: 0}}}).decode(b)
	})
}
