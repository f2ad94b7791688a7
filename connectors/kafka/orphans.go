package kafka

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/streamcrypt/streamcrypt/internal/retry"
)

// A process without an instance that is killed leaves transactions open, and
// nobody will use their ids again. Brokers end them by themselves, but late:
// they look for expired ones each 10 s. Until then readers of committed records
// wait, and so does the new owner of a partition if its offset is in such a
// transaction. Therefore the leader of the group aborts them as soon as
// a round has shown that their process is no member any more: the coordinator
// refuses the offsets of such a process in any case.

// orphanTries is how many times a leader looks again for such transactions:
// a broker that is away, or has just taken transactions over, lists none of its
// own.
const orphanTries = 4

var orphanPauses = retry.Policy{First: time.Second, Longest: 4 * time.Second}

// abortOrphans aborts the transactions of processes that are not among those of
// the group, until ctx ends: from then on others may be.
func (s *Source) abortOrphans(ctx context.Context, processes []string) {
	for waits := orphanPauses.Begin(); ; {
		ids, err := s.cluster.ListTransactions(ctx)
		for _, id := range ids {
			if process, ok := s.processOf(id); !ok || slices.Contains(processes, process) {
				continue
			}
			if ctx.Err() != nil {
				return
			}
			if aborted := s.cluster.AbortTransaction(ctx, id, s.timing.timeout); aborted != nil {
				err = aborted
				continue
			}
			s.Log.Info("kafka: aborted a transaction that was left open by a process which is no member any more",
				"group", s.Group, "transactional_id", id)
		}
		if err == nil || waits.Tries() == orphanTries || waits.Wait(ctx) != nil {
			if err != nil {
				s.Log.Debug("kafka: not all brokers told which transactions are open", "group", s.Group, "error", err)
			}
			return
		}
	}
}

// randomInstance is the length of the name of a process that was given none.
const randomInstance = 12

// processOf returns the process without an instance to which a transactional id
// belongs. It is false for the id of any other one: ids of other groups, and of
// other programs, may begin with the name of this group, but have no such name
// in this place.
func (s *Source) processOf(id string) (process string, ok bool) {
	rest, ok := strings.CutPrefix(id, s.Group+"-")
	if !ok {
		return "", false
	}
	process, lane, ok := strings.Cut(rest, "-")
	if !ok || len(process) != randomInstance || strings.Trim(process, base32Letters) != "" {
		return "", false
	}
	n, err := strconv.ParseUint(lane, 10, 31)
	if err != nil || strconv.FormatUint(n, 10) != lane {
		return "", false
	}
	return process, true
}

// base32Letters are those of rand.Text.
const base32Letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
