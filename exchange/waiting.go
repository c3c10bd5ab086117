package exchange

import (
	"context"
	"errors"
	"slices"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/journal"
)

// retryAtOnce is how many rows of a peer that wait are tried again in one transaction; arrivedAtOnce of how many keys those are looked for
// that wait for them.
const retryAtOnce, arrivedAtOnce = 200, 1000

// noteArrived remembers what came in that others wait for.
func (r *importRun) noteArrived(p *apply.Report) {
	for table, keys := range p.Arrived {
		if r.arrived == nil {
			r.arrived = map[uint16][]string{}
		}
		r.arrived[table] = append(r.arrived[table], keys...)
	}
}

// retry tries rows again that wait: those that wait for what has come in, and of each peer those that were not tried for longest, as long
// as something comes of it. So a million rows that wait cost an import no more than a thousand.
func (r *importRun) retry(ctx context.Context) error {
	if r.o.DryRun {
		return nil
	}
	peers, err := journal.Peers(ctx, r.Journal.DB)
	if err != nil {
		return err
	}
	peers = slices.DeleteFunc(peers, func(p *journal.Peer) bool { return !p.State.Exchanges() })
	for again := true; again; {
		again = false
		arrived := r.arrived
		r.arrived = nil
		filters := []journal.WaitingFilter{{LongestUntried: true, Limit: retryAtOnce}}
		for table, keys := range arrived {
			for part := range slices.Chunk(keys, arrivedAtOnce) {
				filters = append(filters, journal.WaitingFilter{AwaitedTable: table, AwaitedKeys: part})
			}
		}
		for _, p := range peers {
			for _, f := range filters {
				n, err := r.retrySome(ctx, p.Name, f)
				if err != nil {
					return err
				}
				again = again || n > 0
			}
		}
	}
	return nil
}

// retrySome tries some rows of a peer again, and returns how many wait no more.
func (r *importRun) retrySome(ctx context.Context, peer string, f journal.WaitingFilter) (int64, error) {
	report, err := apply.Retry(ctx, r.Journal, peer, f, r.applyOptions())
	if errors.Is(err, journal.ErrBusy) { // the next run does it
		return 0, nil
	}
	if err != nil || report == nil {
		return 0, err
	}
	r.noteArrived(report)
	if report.Retried == 0 {
		return 0, nil
	}
	return report.Retried, r.each(&Result{Report: report, Waited: true})
}

// RetryWaiting tries rows again that wait, whatever was found before: those that the filter chooses. It calls each with what came of it,
// and returns how many wait no more.
func (n *Node) RetryWaiting(ctx context.Context, f journal.WaitingFilter, each func(*Result) error) (int64, error) {
	run := &importRun{Node: n, each: each}
	peers, err := journal.Peers(ctx, n.Journal.DB)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, p := range peers {
		if !p.State.Exchanges() || f.Peer != 0 && f.Peer != p.ID {
			continue
		}
		done, err := run.retrySome(ctx, p.Name, f)
		if err != nil {
			return sum, err
		}
		sum += done
	}
	return sum, run.retry(ctx)
}
