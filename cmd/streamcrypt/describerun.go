package main

import (
	"time"

	"github.com/streamcrypt/streamcrypt/cmd/streamcrypt/internal/outcome"
	"github.com/streamcrypt/streamcrypt/internal/route"
	"github.com/streamcrypt/streamcrypt/internal/watch"
	"github.com/streamcrypt/streamcrypt/pipeline"
)

// describeRun returns the counts of a route that has ended. A payload that is
// no message counts as one, and is written if the route ended well.
func describeRun(r *route.Route, started time.Time, well bool) *outcome.Run {
	s, about := r.Snapshot(), r.About()
	written := s.Messages - s.Skipped - s.Rejected
	already := min(s.AlreadyThere, written)
	run := &outcome.Run{
		Direction: about.Direction, From: about.From, To: about.To, DeadLetters: about.DeadLetters,
		Started: started, Took: time.Since(started), Checkpointed: about.Checkpointed,
		Counts: outcome.Counts{
			Read: s.Messages, Written: written - already, AlreadyThere: already,
			Duplicates: max(s.Skipped, s.Duplicates),
			SetAside:   s.Rejected,
			Gaps:       s.Gaps, Reordered: s.Reordered, Foreign: s.Foreign, Unplaced: s.Unplaced,
			ExtraHeaders: s.ExtraHeaders,
			Deleted:      s.Deleted, Cut: s.Cut, Parked: s.Parked, BytesRead: s.Bytes, BytesWritten: s.BytesOut,
		},
		Reasons: nameReasons(s.Reasons), Parked: s.ParkedPlaces, Receipt: s.Receipt, Archive: s.Flags,
	}
	describePlaces(r, run)
	if about.Raw {
		run.Counts.Read = 1
		if well {
			run.Counts.Written = 1
		}
	}
	if about.To == "" {
		run.Counts.Written = 0
		for i := range run.Places {
			run.Places[i].Written, run.Places[i].BytesWritten = 0, 0
		}
	}
	if about.Direction == "rewrap" {
		run.Rewrap = &outcome.Rewrap{Rewrapped: s.Rewrapped, Before: s.Already, DataKeys: s.DataKeys}
	}
	return run
}

func nameReasons(counts map[pipeline.Reason]int64) outcome.Reasons {
	if len(counts) == 0 {
		return nil
	}
	named := make(outcome.Reasons, len(counts))
	for reason, n := range counts {
		named[string(reason)] = n
	}
	return named
}

// describePlaces adds how each place stands.
func describePlaces(r *route.Route, run *outcome.Run) {
	own, others := r.Places()
	for i := range own {
		run.Places = append(run.Places, describePlace(&own[i]))
	}
	if sum := describeFigures(&others); sum != (outcome.Counts{}) {
		run.Others = &sum
	}
}

func describePlace(p *watch.Place) outcome.Place {
	d := outcome.Place{Name: p.Name, Counts: describeFigures(&p.Figures)}
	if p.Read > 0 {
		d.Next = &p.Next
	}
	if p.Lag != watch.Unknown {
		d.Lag = &p.Lag
	}
	if p.Parked != nil {
		d.Counts.Parked, d.ParkedFor = 1, p.Parked.Error()
		if p.ParkedAt != watch.Unknown {
			d.ParkedAt = &p.ParkedAt
		}
	}
	return d
}

func describeFigures(f *watch.Figures) outcome.Counts {
	return outcome.Counts{
		Read: f.Read, Written: f.Written, Duplicates: f.Skipped, SetAside: f.RejectedTotal(),
		BytesRead: f.BytesIn, BytesWritten: f.BytesOut,
	}
}
