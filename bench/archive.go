package main

import (
	"bytes"
	"context"
	"io"

	"github.com/streamcrypt/streamcrypt/codec/archive"
	"github.com/streamcrypt/streamcrypt/connectors/file"
	"github.com/streamcrypt/streamcrypt/connectors/format"
	"github.com/streamcrypt/streamcrypt/envelope"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// seqFunctions are those that a seq file needs of envelopes. Its end is not
// sealed: a run writes one, and nobody opens it.
var seqFunctions = archive.Functions{
	Front:      envelope.BeforeRecipients,
	KeepRecord: func(context.Context, *archive.Record) error { return nil },
	SealEnd: func(_ context.Context, dst []byte, _ [archive.EndSize]byte) ([]byte, error) {
		return append(dst, 0), nil
	},
}

// archiveEnds returns a function that makes a source and a sink. The source
// reads an archive of the batches of pool from memory as from a pipe; the
// number of batches in pool divides that of a run. The sink writes an archive
// to nowhere.
func archiveEnds(pool []*pipeline.Batch) func(batches int) (pipeline.Source, pipeline.Sink, error) {
	var head, body, end bytes.Buffer
	return func(batches int) (pipeline.Source, pipeline.Sink, error) {
		if body.Len() == 0 {
			if err := fillArchive(&head, &body, &end, pool); err != nil {
				return nil, nil, err
			}
		}
		parts := []io.Reader{bytes.NewReader(head.Bytes())}
		for range batches / len(pool) {
			parts = append(parts, bytes.NewReader(body.Bytes()))
		}
		from, err := file.NewSource(file.SourceOptions{
			Path: file.Stream, Format: format.Seq, Archive: seqFunctions,
			Stdin: io.MultiReader(append(parts, bytes.NewReader(end.Bytes()))...),
		})
		if err != nil {
			return nil, nil, err
		}
		to, err := file.NewSink(file.SinkOptions{
			Path: file.Stream, Format: format.Seq, Archive: seqFunctions, Stdout: io.Discard,
		})
		return from, to, err
	}
}

// fillArchive writes an archive and splits it into its first line, its messages
// and its end record.
func fillArchive(head, body, end *bytes.Buffer, pool []*pipeline.Batch) error {
	to, err := file.NewSink(file.SinkOptions{Path: file.Stream, Format: format.Seq, Archive: seqFunctions,
		Stdout: body})
	if err != nil {
		return err
	}
	w, err := to.Open(context.Background(), nil)
	if err != nil {
		return err
	}
	head.Write(body.Next(body.Len()))
	for _, b := range pool {
		if err := w.Write(context.Background(), b.Messages, &pipeline.Progress{Messages: len(b.Messages)}); err != nil {
			return err
		}
	}
	messages := body.Len()
	if err := w.Close(context.Background()); err != nil {
		return err
	}
	end.Write(body.Bytes()[messages:])
	body.Truncate(messages)
	return nil
}
