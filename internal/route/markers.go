package route

import "github.com/streamcrypt/streamcrypt/pipeline"

// passesTombstones tells whether a route that opens lets null values pass that
// nobody sealed.
func (r *records) passesTombstones() bool {
	return r.Tombstones == "pass" || r.passes(pipeline.ReasonBareTombstone)
}

// warnOfMarkers says at the start that a route will stop at null values which
// the broker itself writes into its source: the first of them may come days
// later.
func (r *records) warnOfMarkers() {
	if r.do == encrypt || !r.in.Markers || r.passesTombstones() || r.options.DeadLetters != nil {
		return
	}
	r.env.Log.Warn("the server writes a marker into this stream when a value has expired, and nobody seals it: the "+
		"route stops at the first one (bare-tombstone); --tombstones=pass takes markers for deletes, and then everybody "+
		"who can write to the stream can delete in the copy; --dead-letter sets them aside", "from", r.source.Name)
}
