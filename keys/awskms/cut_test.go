package awskms

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"testing"

	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// TestCutAnswer: an answer that was cut says nothing about the key, at any
// status; a whole one of another program does.
func TestCutAnswer(t *testing.T) {
	answer := func(status int, cause error) error {
		return &awshttp.ResponseError{ResponseError: &smithyhttp.ResponseError{
			Response: &smithyhttp.Response{Response: &http.Response{StatusCode: status}},
			Err:      &smithy.DeserializationError{Err: fmt.Errorf("decode: %w", cause)},
		}}
	}
	for _, status := range []int{200, 400, 403, 404, 413, 500} {
		if got := judgeTransport(answer(status, io.ErrUnexpectedEOF)); got != away {
			t.Errorf("status %d, cut: %v", status, got)
		}
	}
	if got := judgeTransport(answer(404, errors.New("invalid character '<'"))); got != gone {
		t.Errorf("a page of another program: %v", got)
	}
}
