package capture

import (
	"context"
	"slices"

	"github.com/omsync/omsync/capture/trigger"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// findReplaced finds tables that were dropped and made again, and notes it before the triggers are made, which would hide it. Of the
// others whose triggers are made now, it is forgotten when they were.
func (r *reconciler) findReplaced(ctx context.Context, found []trigger.Found) error {
	var err error
	for _, f := range found {
		meta := r.j.Tables[f.Table]
		if t := r.j.Catalogue.Table(f.Table); !t.Replicated || meta == nil || meta.Fresh || meta.Made.Replaced {
			continue
		}
		is := r.made[f.Table]
		signs := merge.TableSigns{
			Remade:      is.Table != meta.Made.Table && is.Table != "" && meta.Made.Table != "",
			JournalToo:  is.Journal != meta.Made.Journal,
			Bare:        f.Bare,
			Retriggered: is.Triggers != meta.Made.Triggers && is.Triggers != "" && meta.Made.Triggers != "",
			Copied:      f.Away || len(f.Others) > 0,
		}
		if f.Bare && signs.Remade && !signs.Copied {
			if signs.Copied, err = journal.ChangedSince(ctx, r.j.DB, meta.ID, is.Table); err != nil {
				return err
			}
		}
		switch {
		case signs.Replaced():
			meta.Made.Replaced = true
			if meta.Made.LastChange, err = journal.LastChange(ctx, r.j.DB, meta.ID, f.Made); err != nil {
				return err
			}
		case f.Missing || f.Outdated:
			meta.Made = journal.Made{}
		default:
			continue
		}
		if err := journal.SaveMade(ctx, r.j.DB, meta); err != nil {
			return err
		}
	}
	return nil
}

// sortMissed notes the tables whose changes may have gone by, and those that are others than before. Where no peer can give back what
// such a table held, its rows count as ever.
func (r *reconciler) sortMissed(ctx context.Context, found []trigger.Found) error {
	var peers []*journal.Peer
	var err error
	if slices.ContainsFunc(r.j.Replicated(), func(t *schema.Table) bool { return r.j.Tables[t.Name].Made.Replaced }) {
		if peers, err = journal.Peers(ctx, r.j.DB); err != nil {
			return err
		}
	}
	missing := map[string]bool{}
	r.others = map[string][]uint16{}
	for _, f := range found {
		missing[f.Table], r.others[f.Table] = f.Missing || len(f.Others) > 0, f.Others
	}
	for _, t := range r.j.Replicated() {
		replaced := r.j.Tables[t.Name].Made.Replaced
		switch {
		case r.j.Tables[t.Name].Fresh:
		case replaced && slices.ContainsFunc(peers, func(p *journal.Peer) bool {
			return r.j.On(t, p).TakesAllRows()
		}):
			r.found.Replaced = append(r.found.Replaced, t.Name)
		case r.missed || replaced || missing[t.Name]:
			r.found.Missed = append(r.found.Missed, t.Name)
		}
	}
	return nil
}

// saveMade notes which tables there are now.
func (r *reconciler) saveMade(ctx context.Context) error {
	for _, f := range r.on {
		meta := r.j.Tables[f.Table]
		if is := r.made[f.Table]; meta != nil && meta.ID != 0 && r.j.Catalogue.Table(f.Table).Replicated && is != meta.Made {
			meta.Made = is
			if err := journal.SaveMade(ctx, r.j.DB, meta); err != nil {
				return err
			}
		}
	}
	for name, meta := range r.j.Tables { // a table that is gone is another when it is back, also within a second
		if _, there := r.made[name]; !there && meta.Made.Table != "" && meta.Made.Table != gone {
			meta.Made.Table = gone
			if err := journal.SaveMade(ctx, r.j.DB, meta); err != nil {
				return err
			}
		}
	}
	return nil
}

// gone stands in place of the time when a table was made that is not there now.
const gone = "gone"

// findAgain has the rows of a table that is another than before count as found: see [merge.TableSigns.Replaced]. One that is empty is
// filled by the first load that comes, as if it were new.
func (s *restamper) findAgain(ctx context.Context, t *schema.Table) error {
	meta := s.j.Tables[t.Name]
	if err := journal.Forget(ctx, s.gate, meta); err != nil {
		return err
	}
	meta.Default = merge.Group{}
	return s.firstSeen(ctx, t)
}
