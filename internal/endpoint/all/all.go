// Package all is the table of all kinds of end that the program has. A new kind
// is a room beside it and one row here.
package all

import (
	"github.com/streamcrypt/streamcrypt/internal/endpoint"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/file"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/kafka"
	"github.com/streamcrypt/streamcrypt/internal/endpoint/nats"
)

// Table returns the rows, in the order in which help lists them.
func Table() endpoint.Table {
	return endpoint.Table{file.Scheme(), kafka.Scheme(), nats.Scheme()}
}
