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
		s.Does = merge.Drift{Here: d.Here, There: d.Kind != digest.MissingThere, Known: d.Known, Peer: p.ID,
			Authority: j.On(d.Table, p).Decides(d.Known)}.Mends(keep)
		out = append(out, s)
	}
	return out
}

// Options say how a repair is made.
type Options struct {
	Wait time.Duration               // how long to wait for the gate
	Seal func(context.Context) error // seals what the application changed
}

// Mend does what a plan says. Steps that could not be done say why. Claims are made in one transaction, and each removal in its own.
func Mend(ctx context.Context, j *journal.Journal, steps []Step, o Options) error {
	if err := o.Seal(ctx); err != nil {
		return err
	}
	claims := map[*schema.Table][]journal.Row{}
	for _, s := range steps {
		if s.Does == merge.Claim {
			claims[s.Table] = append(claims[s.Table], s.At)
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
	for _, s := range removals {
		err := undo.Edit(ctx, j, undo.EditOptions{Wait: o.Wait, Seal: o.Seal}, func(e *undo.Editor) error { return e.Delete(ctx, s.Table, s.At) })
		var not *undo.NotTaken
		if errors.As(err, &not) {
			s.Does, s.Why = merge.Leave, not.Reason
		} else if err != nil {
			return fmt.Errorf("delete from %s: %w", s.Table.Name, err)
		}
	}
	return o.Seal(ctx)
}

// atOnce is how many rows' versions are held at once.
const atOnce = 2000

// claim stamps rows anew, in an epoch that mends.
func claim(ctx context.Context, j *journal.Journal, rows map[*schema.Table][]journal.Row, wait time.Duration) error {
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
