package capture

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"slices"
	"time"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/capture/trigger"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// Init makes the database a node: the omsync tables, the triggers, and a version for all that is there already. Again it
// goes on where it stopped; under another name it is an error.
func Init(ctx context.Context, db *sql.DB, cat *schema.Catalogue, p *schema.Profile, name string, now func() time.Time, warn func(string, ...any)) (*journal.Journal, error) {
	n, err := journal.LoadNode(ctx, db)
	switch {
	case err == journal.ErrNone:
		if err := journal.Create(ctx, db, journal.Node{Name: name, Profile: p.Name, History: journal.Random()}); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case n.Name != name:
		return nil, fmt.Errorf("this database is the node %s already: use that name, or omsync uninstall first", n.Name)
	}
	j, err := journal.Load(ctx, db, cat, p)
	if err != nil {
		return nil, err
	}
	j.Now = now
	if warn != nil {
		j.Warn = warn
	}
	_, err = Reconcile(ctx, j, time.Minute)
	return j, err
}

// Reconciled is what a change of the schema, or of the triggers, made necessary.
type Reconciled struct {
	Triggers []string // tables whose triggers were made or made again
	New      []string // tables that are captured for the first time
	Columns  []string // columns that were not there before, as table.column
	Widened  []string // tables that go further than before, or with more columns: they are sent again
	Missed   []string // tables whose triggers had been missing: changes may have gone by

	touched []*schema.Table // those whose line in the journal is to be written
}

// Ask lists the tables that every peer is to send again.
func (f *Reconciled) Ask() []string {
	out := append(slices.Clone(f.Missed), f.New...)
	for _, c := range f.Columns {
		for i := range c {
			if c[i] == '.' && !slices.Contains(out, c[:i]) {
				out = append(out, c[:i])
			}
		}
	}
	return out
}

// Reconcile brings triggers, column bits and versions in line with the catalogue. Where nothing has changed it reads the
// names of the triggers and writes nothing.
func Reconcile(ctx context.Context, j *journal.Journal, wait time.Duration) (*Reconciled, error) {
	f := &Reconciled{}
	if err := f.assign(ctx, j); err != nil {
		return nil, err
	}
	metas := make([]*journal.Table, 0, len(j.Tables))
	for _, t := range j.Tables {
		metas = append(metas, t)
	}
	missing, outdated, err := trigger.Compare(ctx, j.DB, j.Catalogue, metas)
	if err != nil {
		return nil, err
	}
	if len(missing)+len(outdated) > 0 {
		c, err := j.DB.Conn(ctx)
		if err != nil {
			return nil, err
		}
		defer c.Close()
		if f.Triggers, err = trigger.Install(ctx, c, j.Catalogue, metas); err != nil {
			return nil, err
		}
	}
	for _, t := range j.Replicated() {
		if !j.Tables[t.Name].Fresh && slices.Contains(missing, t.Name) {
			f.Missed = append(f.Missed, t.Name)
		}
	}
	if len(f.touched)+len(f.Missed) == 0 {
		return f, nil
	}
	return f, f.version(ctx, j, wait)
}

// assign gives new tables and columns their numbers and bits: before the triggers that write them.
func (f *Reconciled) assign(ctx context.Context, j *journal.Journal) error {
	for _, t := range j.Catalogue.Order() {
		jt := j.Tables[t.Name]
		if jt == nil {
			jt = &journal.Table{Name: t.Name, Fresh: true}
			j.Tables[t.Name] = jt
		}
		changed := jt.ID == 0
		for _, c := range t.Columns {
			if journal.HasBit(c) && jt.Assign(c.Name, c.FullType) {
				changed = true
			}
		}
		if changed {
			if err := journal.SaveColumns(ctx, j.DB, jt); err != nil {
				return err
			}
		}
		flow := flows(j, t)
		if reflect.DeepEqual(flow, jt.Flow) && !jt.Fresh && !jt.Grown() {
			continue
		}
		f.touched = append(f.touched, t)
		switch {
		case jt.Fresh:
			f.New = append(f.New, t.Name)
		case wider(jt.Flow, flow):
			f.Widened = append(f.Widened, t.Name)
		}
		freed(t, jt, flow)
		jt.Flow = flow
		for _, c := range jt.Columns {
			if c.New && t.Column(c.Name) != nil {
				f.Columns = append(f.Columns, t.Name+"."+c.Name)
			}
		}
	}
	return nil
}

// flows is how a table flows by the profile as it is now.
func flows(j *journal.Journal, t *schema.Table) journal.Flow {
	f := journal.Flow{Direction: j.Profile.Direction(t.Name).String()}
	for _, c := range t.Columns {
		switch {
		case !journal.HasBit(c):
		case c.Excluded != "":
			f.Excluded = append(f.Excluded, c.Name)
		case j.Profile.Excluded(t.Name, c.Name) == schema.ExcludeUp:
			f.ExcludedUp = append(f.ExcludedUp, c.Name)
		}
	}
	return f
}

// wider says whether a table goes further than it did, or with more columns.
func wider(was, is journal.Flow) bool {
	if was.Direction != is.Direction && was.Direction != "both" && is.Direction != "none" {
		return true
	}
	return slices.ContainsFunc(was.ExcludedUp, func(c string) bool { return !slices.Contains(is.ExcludedUp, c) && !slices.Contains(is.Excluded, c) })
}

// freed marks columns that did not travel and do now: like new ones, they have no versions.
func freed(t *schema.Table, jt *journal.Table, is journal.Flow) {
	for _, name := range jt.Flow.Excluded {
		for i, c := range jt.Columns {
			if c.Name == name && !slices.Contains(is.Excluded, name) && t.Column(name) != nil {
				jt.Columns[i].New = true
			}
		}
	}
}

// version gives versions to what the triggers have not seen, behind the gate.
func (f *Reconciled) version(ctx context.Context, j *journal.Journal, wait time.Duration) error {
	g, err := j.DB.Conn(ctx)
	if err != nil {
		return err
	}
	defer g.Close()
	if err := journal.Gate(ctx, g, false, wait); err != nil {
		return err
	}
	defer g.ExecContext(context.Background(), "ROLLBACK")
	if err := f.renew(ctx, j, g); err != nil {
		return err
	}
	epoch, err := journal.NextEpoch(ctx, g, len(f.Missed)+len(f.Widened) > 0, j.Now())
	if err != nil {
		return err
	}
	maker := merge.Stamper{Self: j.Self, Epoch: epoch.Epoch}
	for _, name := range f.New {
		if err := found(ctx, j, g, j.Catalogue.Table(name), maker); err != nil {
			return err
		}
	}
	for _, name := range f.Missed {
		if err := missed(ctx, j, g, j.Catalogue.Table(name), maker); err != nil {
			return err
		}
	}
	for _, name := range f.Widened {
		if err := journal.Resend(ctx, g, j.Tables[name], epoch.Epoch, j.Authors); err != nil {
			return err
		}
	}
	for _, t := range f.touched {
		jt := j.Tables[t.Name]
		for i, c := range jt.Columns {
			if !c.New {
				continue
			}
			jt.Columns[i].New = false
			if t.Column(c.Name) == nil || slices.Contains(f.Missed, t.Name) || slices.Contains(f.New, t.Name) {
				continue
			}
			if err := filled(ctx, j, g, t, t.Column(c.Name), maker); err != nil {
				return err
			}
		}
		if err := journal.SaveTable(ctx, g, jt); err != nil {
			return err
		}
	}
	if err := journal.RequestResend(ctx, g, f.Ask(), epoch.Epoch); err != nil {
		return err
	}
	_, err = g.ExecContext(ctx, "COMMIT")
	return err
}

// renew reads again, behind the gate, what imports and other runs may have written since the journal was read.
func (f *Reconciled) renew(ctx context.Context, j *journal.Journal, q sqldb.DB) (err error) {
	if j.Authors, err = journal.LoadAuthors(ctx, q); err != nil {
		return err
	}
	now, err := journal.LoadTables(ctx, q, j.Authors)
	if err != nil {
		return err
	}
	for name, t := range now {
		if jt := j.Tables[name]; jt != nil {
			jt.Default, jt.Fresh = t.Default, t.Fresh
		}
	}
	f.New = slices.DeleteFunc(f.New, func(name string) bool { return !j.Tables[name].Fresh })
	return nil
}

// found gives the rows that are there when a table is captured for the first time one default version: time 0, for
// nobody knows how old they are. An empty table gets none, so that a first load can give it its own.
func found(ctx context.Context, j *journal.Journal, q sqldb.DB, t *schema.Table, m merge.Stamper) error {
	jt := j.Tables[t.Name]
	jt.Fresh = false
	any := false
	err := sqldb.Each(ctx, q, "SELECT 1 FROM "+schema.Quote(t.Name)+" LIMIT 1", func([]sql.RawBytes) error { any = true; return nil })
	if err != nil {
		return fmt.Errorf("read %s: %w", t.Name, err)
	}
	if any {
		jt.Default = m.Found(j.Mask(t)).Groups[0]
	}
	return journal.SaveDefault(ctx, q, jt, j.Authors)
}

// missed stamps every row of a table one above its version, because changes may have gone by unseen: never by the clock,
// which would beat edits that others made meanwhile. What has an entry and no row any more is forgotten; the peers are
// asked for the table, which brings back a deletion that was not seen.
func missed(ctx context.Context, j *journal.Journal, q sqldb.DB, t *schema.Table, m merge.Stamper) error {
	jt := j.Tables[t.Name]
	name := schema.Quote(t.Name)
	same := "t." + schema.Quote(localName(t)) + " = v.pk"
	if t.Integer == nil {
		same = schema.LocalKeySQL(t, "t.") + " = v.k"
	}
	self := j.Authors.ID(j.Self)
	for _, s := range []string{
		fmt.Sprintf("DELETE v FROM omsync_version v LEFT JOIN %s t ON %s WHERE v.tbl = %d AND t.%s IS NULL", name, same, jt.ID, schema.Quote(t.LocalColumns[0].Name)),
		fmt.Sprintf("UPDATE omsync_version SET time = time + 1, author = %d, epoch = %d, frm = 0 WHERE tbl = %d", self, m.Epoch, jt.ID),
	} {
		if _, err := q.ExecContext(ctx, s); err != nil {
			return fmt.Errorf("stamp the rows of %s anew: %w", t.Name, err)
		}
	}
	if jt.Default.Mask != 0 {
		jt.Default = m.Touch(merge.Row{Known: true, Alive: true, Groups: []merge.Group{jt.Default}}).Groups[0]
	} else {
		jt.Default = m.Found(j.Mask(t)).Groups[0]
	}
	if err := returned(ctx, j, q, t, m); err != nil {
		return err
	}
	return journal.SaveDefault(ctx, q, jt, j.Authors)
}

func localName(t *schema.Table) string {
	if t.Integer != nil {
		return t.Integer.Name
	}
	return t.LocalColumns[0].Name
}

// returned stamps rows that were deleted once and inserted again while nobody looked: above their deletion.
func returned(ctx context.Context, j *journal.Journal, q sqldb.DB, t *schema.Table, m merge.Stamper) error {
	if t.Key != schema.KeyUUID {
		return nil
	}
	jt := j.Tables[t.Name]
	dead, err := journal.NewerTombstones(ctx, q, jt.ID, 0, 0xffff, j.Authors)
	if err != nil || len(dead) == 0 {
		return err
	}
	was := map[string]merge.Version{}
	var look []string
	for _, d := range dead {
		was[d.Key] = d.Version
		look = append(look, d.Key)
	}
	alive, err := rowkey.ByUUID(ctx, q, t, look)
	if err != nil {
		return err
	}
	var entries []journal.Entry
	var rows []journal.Row
	var back []string
	for k, r := range alive {
		row := m.Insert(merge.Row{Known: true, Dead: was[k]}, j.Mask(t), 0)
		entries, rows, back = append(entries, journal.Entry{Row: r, Groups: row.Groups}), append(rows, r), append(back, k)
	}
	if err := journal.PutVersions(ctx, q, jt.ID, rows, entries, j.Authors); err != nil {
		return err
	}
	return journal.DropTombstones(ctx, q, jt.ID, back)
}

// filled gives versions to the values of a new column that differ from its default: an upgrade script put them there.
func filled(ctx context.Context, j *journal.Journal, q sqldb.DB, t *schema.Table, c *schema.Column, m merge.Stamper) error {
	if c.Excluded != "" {
		return nil
	}
	jt := j.Tables[t.Name]
	differs := schema.Quote(c.Name) + " IS NOT NULL"
	if c.Default != nil && !c.DefaultExpr {
		differs = "NOT (" + schema.Quote(c.Name) + " <=> " + string(c.AppendLiteral(nil, []byte(*c.Default))) + ")"
	}
	var rows []journal.Row
	err := sqldb.Each(ctx, q, "SELECT "+journal.Identity(t, "")+" FROM "+schema.Quote(t.Name)+" WHERE "+differs, func(r []sql.RawBytes) error {
		rows = append(rows, journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])})
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for values of the new column %s.%s: %w", t.Name, c.Name, err)
	}
	bit := jt.Bit(c.Name)
	for part := range slices.Chunk(rows, 2000) {
		had, err := journal.Versions(ctx, q, jt.ID, part, j.Authors)
		if err != nil {
			return err
		}
		var old []journal.Row
		var entries []journal.Entry
		for _, r := range part {
			groups := had[r]
			if groups != nil {
				old = append(old, r)
			} else if jt.Default.Mask != 0 {
				groups = []merge.Group{jt.Default}
			} else {
				continue // inserted since: its change row tells
			}
			var rest []merge.Group
			for _, g := range groups {
				g.Mask &^= bit
				rest = append(rest, g)
			}
			rest = append(rest, merge.Group{Mask: bit, Version: merge.Version{Stamp: merge.Stamp{Time: 0, Author: m.Self}, Epoch: m.Epoch}})
			entries = append(entries, journal.Entry{Row: r, Groups: merge.Normalise(rest)})
		}
		if err := journal.PutVersions(ctx, q, jt.ID, old, entries, j.Authors); err != nil {
			return err
		}
	}
	return nil
}
