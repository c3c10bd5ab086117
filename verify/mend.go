package verify

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/undo"
)

// Step is what is done about one row.
type Step struct {
	export.Difference
	Does merge.Mending
	Why  string // why nothing was done, or what else to know; for people

	stays merge.Mending // what is done instead of a removal that is not taken
}

// Plan returns what a node does about the rows that differ from those of a peer. keep: rows that are here and were deleted there, or the
// other way round, while nobody looked are sent again, and not deleted. What is in flight or waits is left alone.
func Plan(j *journal.Journal, p *journal.Peer, c *export.Compared, keep bool) []Step {
	var out []Step
	for _, d := range c.Differences {
		if d.State != export.Differs {
			continue
		}
		s := Step{Difference: d}
		drift := merge.Drift{Here: d.Here, There: d.Kind != digest.MissingThere, Known: d.Known, Peer: p.ID, Authority: j.On(d.Table, p).Decides(d.Known)}
		s.Does, s.stays = drift.Mends(keep), drift.Stays()
		out = append(out, s)
	}
	return out
}

// Options say how a repair is made.
type Options struct {
	Wait time.Duration               // how long to wait for the gate
	Seal func(context.Context) error // seals what the application changed
}

// Mend does what a plan says. Steps that could not be done say why. Claims are made in one transaction, and each removal in its
// own; what cannot be deleted, since rows that stay refer to it, is claimed in the end if the peer does not decide about it.
func Mend(ctx context.Context, j *journal.Journal, steps []Step, o Options) error {
	if err := o.Seal(ctx); err != nil {
		return err
	}
	claims := claimed{}
	for _, s := range steps {
		if s.Does == merge.Claim || s.Does == merge.Remove && !s.Known.Known { // of a deleted row that nothing was known of, nothing would be kept
			claims.add(s)
		}
	}
	if err := claim(ctx, j, claims, o.Wait); err != nil {
		return fmt.Errorf("claim rows: %w", err)
	}
	removals := make([]*Step, 0)
	for i := range steps {
		if steps[i].Does == merge.Remove {
			removals = append(removals, &steps[i])
		}
	}
	slices.SortStableFunc(removals, func(a, b *Step) int { return cmp.Compare(b.Table.Position, a.Table.Position) }) // referring rows first
	stay := claimed{}
	for _, s := range removals {
		err := undo.Edit(ctx, j, undo.EditOptions{Wait: o.Wait, Seal: o.Seal}, func(e *undo.Editor) error { return e.Delete(ctx, s.Table, s.At) })
		var not *undo.NotTaken
		if errors.As(err, &not) {
			if s.Does, s.Why = s.stays, not.Reason; s.Does == merge.Claim {
				stay.add(*s)
			}
		} else if err != nil {
			return fmt.Errorf("delete from %s: %w", s.Table.Name, err)
		}
	}
	if err := claim(ctx, j, stay, o.Wait); err != nil {
		return fmt.Errorf("claim rows: %w", err)
	}
	return o.Seal(ctx)
}

// claimed are rows that are to be claimed.
type claimed map[*schema.Table][]journal.Row

func (c claimed) add(s Step) { c[s.Table] = append(c[s.Table], s.At) }

// atOnce is how many rows' versions are held at once.
const atOnce = 2000

// claim stamps rows anew, in an epoch that mends.
func claim(ctx context.Context, j *journal.Journal, rows claimed, wait time.Duration) error {
	if len(rows) == 0 {
		return nil
	}
	gate, err := j.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer gate.Close()
	if err := journal.Gate(ctx, gate, false, wait); err != nil {
		return err
	}
	defer gate.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	epoch, err := journal.NextEpoch(ctx, gate, false, j.Now())
	if err != nil {
		return err
	}
	if err := journal.NoteMends(ctx, gate, epoch.Epoch); err != nil {
		return err
	}
	c := &claimer{j: j, stamper: merge.Stamper{Self: j.Self, Epoch: epoch.Epoch}}
	for _, t := range j.Replicated() {
		some := rows[t]
		slices.SortFunc(some, rowkey.Compare)
		for part := range slices.Chunk(some, atOnce) {
			if err := c.claim(ctx, gate, t, part); err != nil {
				return err
			}
		}
	}
	_, err = gate.ExecContext(ctx, "COMMIT")
	return err
}
