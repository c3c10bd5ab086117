package exchange

import (
	"context"
	"errors"
	"slices"

	"github.com/omsync/omsync/apply"
	"github.com/omsync/omsync/exchange/attempts"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// Bounds of what is tried again, beside [attempts.Turn]: of one peer's rows in one transaction those that wait for a row that has come; and
// all of one peer's in one run.
const (
	arrivedAtOnce = 1000
	retryBytes    = 4 << 20
	retriedInARun = 10_000
	retriesOfARun = 40
)

// noteArrived remembers what came in that others wait for.
func (r *importRun) noteArrived(p *apply.Report) {
	r.cameIn += p.Inserted + p.Updated + p.Deleted + p.Unchanged + p.Waiting
	for table, keys := range p.Arrived {
		if r.arrived == nil {
			r.arrived = map[uint16][]string{}
		}
		r.arrived[table] = append(r.arrived[table], keys...)
	}
}

// retry tries rows again that wait: those that wait for what has come in, and those that were not tried for longest, as long as something
// comes of it. So a million rows that wait cost an import no more than a thousand, whoever sent them.
func (r *importRun) retry(ctx context.Context) error {
	if r.o.DryRun {
		return nil
	}
	peers, err := r.waitingPeers(ctx)
	if err != nil {
		return err
	}
	most, err := r.turn(ctx, peers)
	if err != nil {
		return err
	}
	rows := map[merge.Peer]int{} // tried in this run
	for round := 0; round < retriesOfARun; round++ {
		arrived := r.arrived
		r.arrived = nil
		filters := []journal.WaitingFilter{{NotDropped: true, LongestUntried: true, MaxBytes: retryBytes}}
		for table, keys := range arrived {
			for part := range slices.Chunk(keys, arrivedAtOnce) {
				filters = append(filters, journal.WaitingFilter{AwaitedTable: table, AwaitedKeys: part, NotDropped: true, Limit: arrivedAtOnce, MaxBytes: retryBytes})
			}
		}
		again, left := false, most
		for _, p := range peers {
			for _, f := range filters {
				if f.LongestUntried {
					f.Limit = int(left)
				}
				if rows[p.ID] >= retriedInARun || f.Limit <= 0 {
					continue
				}
				f.Peer = p.ID
				ids, err := journal.WaitingIDs(ctx, r.Journal.DB, f)
				if err != nil {
					return err
				}
				if len(ids) == 0 {
					continue
				}
				rows[p.ID] += len(ids)
				n, err := r.retrySome(ctx, p, ids)
				if err != nil {
					return err
				}
				again = again || n > 0
				if f.LongestUntried {
					left -= int64(len(ids)) - n
				}
			}
		}
		if !again {
			break
		}
	}
	return nil
}

// turn returns how many rows are tried again of those that were not tried for longest, of all peers together, as long as nothing comes of it.
func (r *importRun) turn(ctx context.Context, peers []*journal.Peer) (int64, error) {
	if r.record == nil || len(peers) == 0 { // a person asked for it
		return attempts.TurnRows, nil
	}
	var waiting int64
	for _, p := range peers {
		n, err := journal.CountWaitingUpTo(ctx, r.Journal.DB, p.ID, attempts.TurnRows+1)
		if err != nil {
			return 0, err
		}
		if waiting += n; waiting > attempts.TurnRows {
			break
		}
	}
	return r.record.Turn(r.cameIn, waiting), nil
}

// waitingPeers returns the peers of which rows wait and may be tried again, in the order of their turns.
func (r *importRun) waitingPeers(ctx context.Context) ([]*journal.Peer, error) {
	all, err := journal.Peers(ctx, r.Journal.DB)
	if err != nil {
		return nil, err
	}
	byID := map[merge.Peer]*journal.Peer{}
	var ids []merge.Peer
	for _, p := range all {
		if p.State.Exchanges() {
			byID[p.ID], ids = p, append(ids, p.ID)
		}
	}
	turns, err := journal.WaitingPeers(ctx, r.Journal.DB, ids)
	if err != nil {
		return nil, err
	}
	var out []*journal.Peer
	for _, id := range turns {
		out = append(out, byID[id])
	}
	return out, nil
}

// retrySome tries some rows of a peer again, and returns how many wait no more. What is wrong with some of them is no reason for anything
// else to stop: they are found by halving, and their turn comes after all others'.
func (r *importRun) retrySome(ctx context.Context, p *journal.Peer, ids []uint64) (int64, error) {
	n, err := r.retryOnce(ctx, p, ids)
	if err == nil || ctx.Err() != nil || r.Journal.DB.PingContext(ctx) != nil {
		return n, err
	}
	r.Journal.Warn("rows of %s that wait could not be tried again: %v", p.Name, err)
	h := halving{run: r, peer: p, tries: maxHalved}
	err = h.retry(ctx, ids)
	return n + h.done, err
}

// maxHalved is how often rows are tried in a run to find those that cannot be.
const maxHalved = 32

// halving looks for rows that cannot be tried again.
type halving struct {
	run   *importRun
	peer  *journal.Peer
	tries int // that are left
	done  int64
}

// retry tries rows of which some cannot be tried, in halves.
func (h *halving) retry(ctx context.Context, ids []uint64) error {
	if len(ids) <= 1 || h.tries <= 0 {
		return journal.TouchWaiting(ctx, h.run.Journal.DB, ids, h.run.Journal.Now().UnixMicro())
	}
	half := len(ids) / 2
	for _, some := range [][]uint64{ids[:half], ids[half:]} {
		h.tries--
		n, err := h.run.retryOnce(ctx, h.peer, some)
		h.done += n
		if err == nil {
			continue
		}
		if ctx.Err() != nil {
			return err
		}
		if err := h.retry(ctx, some); err != nil {
			return err
		}
	}
	return nil
}

// retryOnce tries some rows of a peer again in one transaction.
func (r *importRun) retryOnce(ctx context.Context, p *journal.Peer, ids []uint64) (int64, error) {
	report, err := apply.Retry(ctx, r.Journal, p.Name, journal.WaitingFilter{IDs: ids}, r.applyOptions(r.Journal))
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

// RetryWaiting tries rows again that wait, whatever was found before: those that the filter chooses and nobody dropped. It calls each with what came of it,
// and returns how many wait no more.
func (n *Node) RetryWaiting(ctx context.Context, f journal.WaitingFilter, each func(*Result) error) (int64, error) {
	run := &importRun{Node: n, each: each}
	peers, err := journal.Peers(ctx, n.Journal.DB)
	if err != nil {
		return 0, err
	}
	var sum int64
	for _, p := range peers {
		if f.Peer != 0 && f.Peer != p.ID {
			continue
		}
		of := f
		of.Peer, of.NotDropped = p.ID, true
		ids, err := journal.WaitingIDs(ctx, n.Journal.DB, of)
		if err != nil {
			return sum, err
		}
		if len(ids) > 0 && !p.State.Exchanges() {
			n.Journal.Warn("%d rows of %s that wait are not tried while it is suspended: omsync peer resume %[2]s", len(ids), p.Name)
			continue
		}
		for some := range slices.Chunk(ids, attempts.TurnRows) {
			done, err := run.retrySome(ctx, p, some)
			if err != nil {
				return sum, err
			}
			sum += done
		}
	}
	return sum, run.retry(ctx)
}
