// Package pipelinetest serves the tests of a connector, a Transform or the
// pipeline itself: a Source and a Sink in memory that can be told to fail, lose
// their lanes or block; Transforms that do next to nothing; and the suites that
// every connector passes.
//
// A connector's test describes the abilities of its medium and calls the suite:
//
//	func TestSource(t *testing.T) {
//		pipelinetest.Source(t, pipelinetest.SourceSpec{
//			Carries: pipelinetest.Carries{Key: true, Headers: true},
//			Ordered: true,
//			Resumes: true,
//			New: func(t *testing.T) pipelinetest.SourceMedium { ... },
//		})
//	}
//
// The spec says which abilities a medium lacks, field by field. A hook that the
// spec promises and the medium lacks fails the test, so nothing is passed over
// in silence.
//
// The package must not know any connector.
package pipelinetest
