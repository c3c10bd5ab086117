package capture

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// restampRows is how many rows' entries are held at once.
const restampRows = 2000

// restamp gives versions to what the triggers have not seen, in one transaction behind the gate.
func (r *reconciler) restamp(ctx context.Context, wait time.Duration) error {
	gate, err := r.j.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer gate.Close()
	if err := journal.Gate(ctx, gate, false, wait); err != nil {
		return err
	}
	defer gate.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	if err := r.reload(ctx, gate); err != nil {
		return err
	}
	epoch, err := journal.NextEpoch(ctx, gate, len(r.found.Missed)+len(r.found.Replaced)+len(r.found.Widened) > 0, r.j.Now())
	if err != nil {
		return err
	}
	s := &restamper{j: r.j, gate: gate, stamper: merge.Stamper{Self: r.j.Self, Epoch: epoch.Epoch}}
	for _, name := range r.found.New {
		if err := s.firstSeen(ctx, r.j.Catalogue.Table(name)); err != nil {
			return err
		}
	}
	for _, name := range r.found.Missed {
		if err := s.touchAll(ctx, r.j.Catalogue.Table(name), r.others[name]); err != nil {
			return err
		}
	}
	for _, name := range r.found.Replaced {
		if err := s.findAgain(ctx, r.j.Catalogue.Table(name)); err != nil {
			return err
		}
	}
	for _, name := range slices.Concat(r.found.Missed, r.found.Replaced) {
		r.j.Tables[name].Made = journal.Made{}
		if err := journal.SaveMade(ctx, gate, r.j.Tables[name]); err != nil {
			return err
		}
	}
	for _, name := range r.found.Widened {
		if err := journal.Resend(ctx, gate, r.j.Tables[name], epoch.Epoch, r.j.Authors); err != nil {
			return err
		}
	}
	if len(r.found.Widened) > 0 {
		if err := journal.RecordResend(ctx, gate, epoch.Epoch); err != nil {
			return err
		}
	}
	for _, t := range r.changed {
		stamped := slices.Contains(slices.Concat(r.found.Missed, r.found.New, r.found.Replaced), t.Name)
		if err := s.newColumns(ctx, t, stamped); err != nil {
			return err
		}
	}
	if err := journal.RequestResend(ctx, gate, r.resendRequests(), r.found.Replaced, r.gained, epoch.Epoch); err != nil {
		return err
	}
	_, err = gate.ExecContext(ctx, "COMMIT")
	return err
}

// reload reads again, behind the gate, what imports and other runs may have written since the journal was read.
func (r *reconciler) reload(ctx context.Context, q sqldb.DB) (err error) {
	if r.j.Authors, err = journal.LoadAuthors(ctx, q); err != nil {
		return err
	}
	now, err := journal.LoadTables(ctx, q, r.j.Authors)
	if err != nil {
		return err
	}
	for name, t := range now {
		if meta := r.j.Tables[name]; meta != nil {
			meta.Default, meta.Fresh = t.Default, t.Fresh
		}
	}
	r.found.New = slices.DeleteFunc(r.found.New, func(name string) bool { return !r.j.Tables[name].Fresh })
	return nil
}

// resendRequests lists the tables that every peer is to send again.
func (r *reconciler) resendRequests() []string {
	out := slices.Concat(r.found.Missed, r.found.Replaced, r.found.New, r.asked)
	slices.Sort(out)
	return slices.Compact(out)
}

// restamper gives versions to rows that no trigger told of. Its connection holds the gate.
type restamper struct {
	j       *journal.Journal
	gate    sqldb.DB
	stamper merge.Stamper
}

// firstSeen gives the rows that are there when a table is captured for the first time one default version: time 0, for nobody knows
// how old they are. An empty table gets none, so that a first load can give it its own.
func (s *restamper) firstSeen(ctx context.Context, t *schema.Table) error {
	meta := s.j.Tables[t.Name]
	meta.Fresh = false
	any := false
	err := sqldb.Each(ctx, s.gate, "SELECT 1 FROM "+schema.Quote(t.Name)+" LIMIT 1", func([]sql.RawBytes) error { any = true; return nil })
	if err != nil {
		return fmt.Errorf("read %s: %w", t.Name, err)
	}
	if any {
		meta.Default = s.stamper.Found(s.j.Mask(t)).Groups[0]
	}
	return journal.SaveDefault(ctx, s.gate, meta, s.j.Authors)
}

// touchAll stamps every row of a table one above its version, because changes may have gone by unseen: never by the clock, which would
// beat edits that others made meanwhile. What has an entry and no row any more is forgotten; the peers are asked for the table, which
// brings back a deletion that was not seen.
//
// others are the numbers under which triggers noted changes of the table while it was a copy beside the one before it: of these, what
// deleted a row that is gone counts.
func (s *restamper) touchAll(ctx context.Context, t *schema.Table, others []uint16) error {
	meta := s.j.Tables[t.Name]
	err := journal.MoveDeletions(ctx, s.gate, t, others, meta.ID)
	if err == nil {
		err = journal.DropVersionsWithoutRow(ctx, s.gate, t, meta.ID)
	}
	if err == nil {
		err = journal.TouchVersions(ctx, s.gate, meta.ID, s.stamper, s.j.Authors)
	}
	if err != nil {
		return fmt.Errorf("stamp the rows of %s anew: %w", t.Name, err)
	}
	if !meta.Default.IsEmpty() {
		meta.Default = s.stamper.Touch(merge.Row{Known: true, Alive: true, Groups: []merge.Group{meta.Default}}).Groups[0]
	} else {
		meta.Default = s.stamper.Found(s.j.Mask(t)).Groups[0]
	}
	if err := s.stampReturned(ctx, t); err != nil {
		return err
	}
	return journal.SaveDefault(ctx, s.gate, meta, s.j.Authors)
}

// stampReturned stamps rows that were deleted once and inserted again while nobody looked: above their deletion.
func (s *restamper) stampReturned(ctx context.Context, t *schema.Table) error {
	if t.Key != schema.KeyUUID {
		return nil
	}
	id := s.j.Tables[t.Name].ID
	dead, err := journal.NewerTombstones(ctx, s.gate, id, 0, merge.NoPeer, s.j.Authors)
	if err != nil || len(dead) == 0 {
		return err
	}
	was := map[string]merge.Version{}
	var look []string
	for _, d := range dead {
		was[d.Key] = d.Version
		look = append(look, d.Key)
	}
	alive, err := rowkey.ByUUID(ctx, s.gate, t, look)
	if err != nil {
		return err
	}
	var entries []journal.Entry
	var rows []journal.Row
	var back []string
	for key, r := range alive {
		row := s.stamper.Insert(merge.Row{Known: true, Dead: was[key]}, s.j.Mask(t), 0)
		entries, rows, back = append(entries, journal.Entry{Row: r, Groups: row.Groups}), append(rows, r), append(back, key)
	}
	if err := journal.PutVersions(ctx, s.gate, id, rows, entries, s.j.Authors); err != nil {
		return err
	}
	if s.j.Recognises(t) {
		if err := journal.NoteReturned(ctx, s.gate, id, back, s.j.Now().UnixMicro()); err != nil {
			return err
		}
	}
	return journal.DropTombstones(ctx, s.gate, id, back)
}

// newColumns saves a table's line in the journal, and gives versions to what its new columns hold, unless all of the table was just
// stamped.
func (s *restamper) newColumns(ctx context.Context, t *schema.Table, stamped bool) error {
	meta := s.j.Tables[t.Name]
	for i, c := range meta.Columns {
		if !c.New {
			continue
		}
		meta.Columns[i].New = false
		if column := t.Column(c.Name); column != nil && !stamped {
			if err := s.newColumn(ctx, t, column); err != nil {
				return err
			}
		}
	}
	return journal.SaveTable(ctx, s.gate, meta)
}

// newColumn gives versions to the values of a new column that differ from its default: an upgrade script put them there.
func (s *restamper) newColumn(ctx context.Context, t *schema.Table, c *schema.Column) error {
	if c.Excluded != "" {
		return nil
	}
	differs := schema.Quote(c.Name) + " IS NOT NULL"
	if c.Default != nil && !c.DefaultExpr {
		differs = "NOT (" + schema.Quote(c.Name) + " <=> " + string(c.AppendLiteral(nil, []byte(*c.Default))) + ")"
	}
	var rows []journal.Row
	err := sqldb.Each(ctx, s.gate, "SELECT "+journal.Identity(t, "")+" FROM "+schema.Quote(t.Name)+" WHERE "+differs, func(r []sql.RawBytes) error {
		rows = append(rows, journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])})
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for values of the new column %s.%s: %w", t.Name, c.Name, err)
	}
	meta := s.j.Tables[t.Name]
	for part := range slices.Chunk(rows, restampRows) {
		had, err := journal.Versions(ctx, s.gate, meta.ID, part, s.j.Authors)
		if err != nil {
			return err
		}
		replaced, entries := s.withColumn(part, had, meta.Default, merge.Bit(meta.Bit(c.Name)))
		if err := journal.PutVersions(ctx, s.gate, meta.ID, replaced, entries, s.j.Authors); err != nil {
			return err
		}
	}
	return nil
}

// withColumn returns the entries of rows with a first version of one column, and the rows that had entries before.
func (s *restamper) withColumn(rows []journal.Row, had map[journal.Row][]merge.Group, ofRest merge.Group, column merge.Mask) (replaced []journal.Row, entries []journal.Entry) {
	first := merge.Group{Mask: column, Version: merge.Version{Stamp: merge.Stamp{Time: 0, Author: s.stamper.Self}, Epoch: s.stamper.Epoch}}
	for _, r := range rows {
		groups := had[r]
		switch {
		case groups != nil:
			replaced = append(replaced, r)
		case !ofRest.IsEmpty():
			groups = []merge.Group{ofRest}
		default:
			continue // inserted since: its change row tells
		}
		var all []merge.Group
		for _, g := range groups {
			g.Mask = g.Without(column)
			all = append(all, g)
		}
		entries = append(entries, journal.Entry{Row: r, Groups: merge.Normalise(append(all, first))})
	}
	return replaced, entries
}
