package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/streamcrypt/streamcrypt/internal/migrate"
	"github.com/streamcrypt/streamcrypt/internal/proof"
	"github.com/streamcrypt/streamcrypt/internal/route"
)

// compareSides returns the comparison of both sides, as verify --against does
// it, over connections of its own.
func (c *migrateCmd) compareSides(
	p *program, config route.Config, s *route.Standing,
) func(ctx context.Context, until map[string]int64) (migrate.Verdict, error) {
	return func(ctx context.Context, until map[string]int64) (verdict migrate.Verdict, err error) {
		from, sealed, err := s.LookURLs()
		if err != nil {
			return failComparison(ctx, err)
		}
		c.sealed = sealed
		report, err := compareInPasses(func(passes int) (_ *proof.Report, err error) {
			options := route.CompareOptions{Against: sealed, Passes: passes, NoDigests: true}
			comparison, err := route.Compare(ctx, newComparedConfig(config, from), options, p.newEnv())
			if err != nil {
				return nil, err
			}
			defer func() { err = errors.Join(err, comparison.Close()) }()
			err = comparison.Run(ctx)
			if _, found := errors.AsType[*route.FindingError](err); err != nil && !found {
				return nil, err
			}
			return comparison.Report(), nil
		})
		if err != nil {
			return failComparison(ctx, err)
		}
		return judgeReport(report, until), nil
	}
}

// compareInPasses compares again, in more passes, where one takes too much
// memory: nobody is there to say --passes.
func compareInPasses(compare func(passes int) (*proof.Report, error)) (report *proof.Report, err error) {
	for _, passes := range []int{1, 8, 64} {
		if report, err = compare(passes); !errors.Is(err, proof.ErrMemory) {
			break
		}
	}
	return report, err
}

// newComparedConfig returns the configuration of a comparison for that of the
// route.
func newComparedConfig(c route.Config, from string) route.Config {
	return route.Config{
		From: from, Keys: c.Keys, Context: c.Context, ContextSet: c.ContextSet, KeyContext: c.KeyContext, Bind: c.Bind,
		Dictionary: c.Dictionary, KeyStore: c.KeyStore, Workers: c.Workers, Budget: c.Budget, ReadAhead: c.ReadAhead,
		Wait: c.Wait, Settings: c.Settings,
	}
}

// failComparison says that both sides were not compared. A signal is passed on;
// everything else does not end the route.
func failComparison(ctx context.Context, err error) (migrate.Verdict, error) {
	if ctx.Err() != nil {
		return migrate.Verdict{}, ctx.Err()
	}
	return migrate.Verdict{Text: "the comparison failed: " + err.Error()}, nil
}

// judgeReport judges a report up to the given positions. Both sides go on, so
// that records behind these may not be sealed yet, nor those of a place that is
// new since the positions were asked for.
func judgeReport(r *proof.Report, until map[string]int64) migrate.Verdict {
	c := &r.Counts
	if c.Matched+c.Superseded == 0 && c.Unverifiable > 0 {
		return migrate.Verdict{Text: "nothing could be compared: the plaintext is gone"}
	}
	found := c.Extra + c.Different + c.Reordered + c.Undecryptable + c.Duplicates + c.Unplaced + c.ExtraHeaders
	late := int64(0)
	for i := range r.Places {
		place := &r.Places[i]
		end := until[place.Place] // a new place has none, and all of it is behind that
		isBefore := func(o proof.Origin) bool { return o.Offset < end }
		switch listed := place.Origins[proof.Missing.String()]; {
		case place.Counts.Missing == 0:
		case place.Counts.Missing == place.Counts.MissingAtEnd && len(listed) > 0 &&
			!slices.ContainsFunc(listed, isBefore):
			late += place.Counts.Missing
		default:
			found += place.Counts.Missing
		}
	}
	text := fmt.Sprintf("%d records, %d alike, %d whose plaintext is gone, %d behind the positions",
		c.PlainRecords, c.Matched, c.Unverifiable, late)
	if found > 0 || !r.Identical && late == 0 {
		return migrate.Verdict{Compared: r.Problem == "", Text: fmt.Sprintf("%s; %d missing, %d extra, %d different, "+
			"%d reordered, %d undecryptable, %d twice, %d unplaced: verify --against names them", text,
			c.Missing-late, c.Extra, c.Different, c.Reordered, c.Undecryptable, c.Duplicates, c.Unplaced)}
	}
	return migrate.Verdict{Compared: r.Problem == "", Equal: r.Problem == "", Text: text}
}
