// Package pipelinetest holds what the tests of a connector, a Transform or the pipeline itself need:
// a Source and a Sink in memory that can be told to fail, lose their lanes or block; Transforms that
// do next to nothing; and the suites that every connector passes.
//
// A connector's test describes what its medium can do and calls the suite:
//
//	func TestSource(t *testing.T) {
//		pipelinetest.Source(t, pipelinetest.SourceSpec{
//			Carries: pipelinetest.Carries{Key: true, Headers: true, Binary: true, Time: time.Millisecond},
//			Ordered: true,
//			Resumes: true,
//			New: func(t *testing.T) pipelinetest.SourceMedium { ... },
//		})
//	}
//
// What a medium cannot do is said in the spec, field by field. A hook that the spec promises and the
// medium lacks fails the test, so nothing is passed over in silence.
//
// The package must not know any connector.
package pipelinetest
