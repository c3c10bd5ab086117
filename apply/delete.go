package apply

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"
	"strconv"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// deletion is a row that the sender deleted.
type deletion struct {
	l    *local
	key  string // canonical
	dead merge.Sent

	// What was found of it, once it was looked for.
	isHere  bool
	row     found // with the columns of referred alone
	known   merge.Row
	had     bool
	used    []uint64
	columns []*schema.Column // of row.values
}

// collect takes in deletions. They are carried out together: whether one may go depends on the others.
func (x *run) collect(b *batch.Deletions) error {
	t := x.numbers[b.Table]
	if t.local == nil {
		x.note("deletions in %q are left out: %s", t.Name, t.why)
		return nil
	}
	if !x.mayChange(t.local.Table) {
		t.local.count.Refused += int64(len(b.Keys))
		x.report.Refused += int64(len(b.Keys))
		return nil
	}
	if err := x.checkKeys(t.local, b.Keys); err != nil {
		return err
	}
	if err := x.touch(t.local); err != nil {
		return err
	}
	if t.local.Root != t.local.Table || t.local.KeyColumns[0].Ref != nil {
		if err := x.resolve(b.Keys); err != nil {
			return err
		}
	}
	filter := x.j.Profile.RowFilter(t.Name)
	columns := t.local.referred(filter)
	rows, err := x.find(t.local, b.Keys, "FOR UPDATE", columns)
	if err != nil {
		return err
	}
	w := &rowsOf{l: t.local, found: rows}
	for _, k := range b.Keys {
		w.keys = append(w.keys, x.entry(k).canonical())
	}
	if err := x.knownOf(w); err != nil {
		return err
	}
	for i := range b.Keys {
		if t.local.stays(filter, w.keys[i], rows[i], columns) {
			t.local.count.Refused++
			x.report.Refused++
			continue
		}
		d := &deletion{l: t.local, key: w.keys[i], known: w.known[i], had: w.had[i], used: w.used[i],
			dead: merge.Sent{Stamp: merge.Stamp{Time: b.Times[i], Author: b.Authors[i]}, Epoch: b.Epochs[i]}}
		d.row, d.isHere = rows[i]
		d.columns = columns
		x.going = append(x.going, d)
	}
	if len(x.going) < goingLimit {
		return nil
	}
	return x.delete(false)
}

// goingLimit is how many deletions are held at once. What is referred to from beyond is put off to the end; what refers to
// a row beyond that turns out to stay is gone by then.
const goingLimit = 200_000

// referred is the columns by which rows of the table are referred to other than by their integers, and the one that the
// profile's filter looks at.
func (l *local) referred(filter *schema.RowFilter) (out []*schema.Column) {
	add := func(c *schema.Column) {
		if _, ok := l.at[c]; ok && !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	for _, ref := range l.Children {
		if ref.When == nil && ref.ToColumn != l.Integer {
			add(ref.ToColumn)
		}
	}
	if filter != nil {
		add(l.Column(filter.Column))
	}
	return out
}

// stays says whether the profile keeps a row where it is, by its key or by what it holds here.
func (l *local) stays(filter *schema.RowFilter, key string, here found, columns []*schema.Column) bool {
	stays, known := journal.FilteredOut(l.Table, filter, key)
	if known {
		return stays
	}
	at := slices.Index(columns, l.Column(filter.Column))
	return at >= 0 && here.values != nil && here.values[at] != nil && filter.Match(string(here.values[at]))
}

// delete carries out the deletions that may go. What something here still refers to is put off until the rows of the batch
// are in, and stays if that is still so then: a deletion never takes anything with it.
func (x *run) delete(last bool) error {
	all := x.going
	x.going = nil
	if len(all) == 0 {
		return nil
	}
	var may []*deletion
	write := map[*local]*deaths{}
	var order []*local
	to := func(l *local) *deaths {
		if write[l] == nil {
			write[l] = &deaths{}
			order = append(order, l)
		}
		return write[l]
	}
	incoming := func(d *deletion) merge.Incoming {
		return merge.Incoming{Dead: d.dead, Ack: x.head.Ack.Epoch, NeverSent: x.held(d.l, d.known)}
	}
	settle := func(d *deletion, stays bool) error {
		out := x.im.Settle(d.known, incoming(d), x.policy(d.l.Table), merge.Compare{}, stays)
		if err := x.lossesOf(d, out.Conflicts); err != nil {
			return err
		}
		return x.decided(d, out, stays, to(d.l))
	}
	for _, d := range all {
		switch {
		case !x.mayTouch(d.l.Table, d.known):
			d.l.count.Refused++
			x.report.Refused++
		case !d.isHere || x.im.Outlives(d.known, incoming(d)):
			if err := settle(d, false); err != nil {
				return err
			}
		default:
			may = append(may, d)
		}
	}
	refs, err := x.referrers(may)
	if err != nil {
		return err
	}
	for i, stays := range merge.RefuseDeletions(len(may), refs) {
		if stays && !last {
			x.deferred = append(x.deferred, may[i])
			continue
		}
		if err := settle(may[i], stays); err != nil {
			return err
		}
	}
	for _, l := range order {
		if err := x.writeDeaths(l, write[l]); err != nil {
			return err
		}
	}
	return nil
}

// deaths is what is to be written about deletions in one table.
type deaths struct {
	rows    []journal.Row // to be deleted
	old     []journal.Row
	entries []journal.Entry
	dead    []journal.Tombstone
	refused []journal.Tombstone
	used    []uint64
}

func (x *run) decided(d *deletion, out merge.Outcome, stays bool, w *deaths) error {
	switch {
	case out.Action == merge.Delete:
		w.rows = append(w.rows, d.row.row)
		w.dead = append(w.dead, journal.Tombstone{Key: d.key, Version: out.Row.Dead})
		d.l.count.Deleted++
		x.report.Deleted++
		if d.had {
			w.old = append(w.old, d.row.row)
		}
	case d.isHere:
		d.l.count.Unchanged++
		x.report.Unchanged++
		if stays && x.im.FromParent && d.l.direction != access.Both { // only what others need goes up for it
			w.refused = append(w.refused, journal.Tombstone{Key: d.key, Version: merge.Version{Stamp: d.dead.Stamp, Epoch: x.epoch.Epoch}})
		}
		if !out.Changed && len(d.used) == 0 {
			return nil
		}
		w.entries = append(w.entries, journal.Entry{Row: d.row.row, Groups: out.Row.Groups})
		if d.had {
			w.old = append(w.old, d.row.row)
		}
	default:
		d.l.count.Unchanged++
		x.report.Unchanged++
		if out.Changed {
			w.dead = append(w.dead, journal.Tombstone{Key: d.key, Version: out.Row.Dead})
		}
	}
	w.used = append(w.used, d.used...)
	return nil
}

func (x *run) writeDeaths(l *local, w *deaths) error {
	if len(w.rows)+len(w.entries)+len(w.dead)+len(w.refused) == 0 {
		return nil
	}
	x.wrote = true
	var authors []string
	for _, d := range slices.Concat(w.dead, w.refused) {
		authors = append(authors, d.Author)
	}
	for _, e := range w.entries {
		for _, g := range e.Groups {
			authors = append(authors, g.Author)
		}
	}
	slices.Sort(authors)
	if err := x.authors(slices.Compact(authors)); err != nil {
		return err
	}
	if err := x.deleteRows(l, w.rows); err != nil {
		return err
	}
	if err := journal.DropChanges(x.ctx, x.c, w.used); err != nil {
		return err
	}
	if err := journal.PutVersions(x.ctx, x.c, l.jt.ID, w.old, w.entries, x.j.Authors); err != nil {
		return err
	}
	if err := journal.PutRefusedDeletions(x.ctx, x.c, l.jt.ID, w.refused, x.j.Authors); err != nil {
		return err
	}
	return journal.PutTombstones(x.ctx, x.c, l.jt.ID, w.dead, x.j.Authors)
}

func (x *run) deleteRows(l *local, rows []journal.Row) error {
	if l.Integer == nil {
		for _, r := range rows {
			b, err := l.whereRow([]byte("DELETE FROM "+schema.Quote(l.Name)+" WHERE "), r)
			if err != nil {
				return err
			}
			if _, err := x.c.ExecContext(x.ctx, string(b)); err != nil {
				return fmt.Errorf("delete from %s: %w", l.Name, err)
			}
		}
		return nil
	}
	for part := range slices.Chunk(rows, 1000) {
		ids := make([]int64, len(part))
		for i, r := range part {
			ids[i] = r.Int
		}
		b := journal.Integers([]byte("DELETE t FROM "), ids)
		b = fmt.Appendf(b, " STRAIGHT_JOIN %s t%s ON t.%s = d.id", schema.Quote(l.Name), l.byInteger(), schema.Quote(l.Integer.Name))
		if _, err := x.c.ExecContext(x.ctx, string(b)); err != nil {
			return fmt.Errorf("delete from %s: %w", l.Name, err)
		}
	}
	return nil
}

// referrers finds what refers to rows that are to go, as merge.Refused wants it. The rows are locked, so that nothing new
// can come to refer to them by a foreign key.
func (x *run) referrers(may []*deletion) ([][2]int, error) {
	place := map[*local]map[journal.Row]int{}
	var order []*local
	for i, d := range may {
		if place[d.l] == nil {
			place[d.l] = map[journal.Row]int{}
			order = append(order, d.l)
		}
		if _, twice := place[d.l][d.row.row]; twice {
			return nil, fmt.Errorf("%w: a row of %s is deleted twice", batch.ErrCorrupt, d.l.Name)
		}
		place[d.l][d.row.row] = i
	}
	var out [][2]int
	for _, l := range order {
		for _, ref := range l.Children {
			byValue := map[string]int{}
			var values [][]byte
			for _, i := range place[l] {
				v, ok := may[i].referredBy(ref)
				if ok {
					byValue[string(v)] = i
					values = append(values, v)
				}
			}
			slices.SortFunc(values, func(a, b []byte) int { return slices.Compare(a, b) })
			from := x.referring(ref.From.Table)
			for part := range slices.Chunk(values, 500) {
				to := map[string]int{}
				for _, v := range part {
					to[string(v)] = byValue[string(v)]
				}
				err := x.refersTo(ref, l.Table, part, from, func(r journal.Row, value string) {
					by, goes := place[from][r]
					if !goes {
						by = -1
					}
					for _, i := range meant(to, value) {
						out = append(out, [2]int{by, i})
					}
				})
				if err != nil {
					return nil, err
				}
			}
		}
	}
	return out, nil
}

// meant is the deletions that a row refers to which the server found to hold one of these values. It compares as the
// column does: a name in another case, or with a space after it, is the same name. What is none of the values as it stands
// may therefore mean any of them.
func meant(to map[string]int, value string) []int {
	if i, ok := to[value]; ok {
		return []int{i}
	}
	return slices.Collect(maps.Values(to))
}

// referring is a table that refers to others, whether or not it travels.
func (x *run) referring(t *schema.Table) *local {
	if l := x.locals[t.Name]; l != nil {
		return l
	}
	if x.j.Tables[t.Name] != nil {
		return x.local(t)
	}
	return &local{Table: t}
}

// referredBy is the value by which a reference points to the row.
func (d *deletion) referredBy(ref *schema.Ref) ([]byte, bool) {
	if ref.When != nil || ref.ToColumn == d.l.Integer {
		return strconv.AppendInt(nil, d.row.row.Int, 10), true
	}
	if at := slices.Index(d.columns, ref.ToColumn); at >= 0 && d.row.values[at] != nil {
		return d.row.values[at], true
	}
	return nil, false
}

// refersTo reads the rows whose reference holds one of these values.
func (x *run) refersTo(ref *schema.Ref, to *schema.Table, values [][]byte, from *local, f func(journal.Row, string)) error {
	c := ref.From
	b := []byte("SELECT " + journal.Identity(from.Table, "") + ", " + schema.Quote(c.Name))
	var formats func(string) string
	if w := ref.When; w != nil {
		via := w.Via
		if via == nil {
			via = w.LookupColumn
		}
		b = append(b, ", "+schema.Quote(via.Name)...)
		var err error
		if formats, err = journal.Discriminator(x.ctx, x.c, w); err != nil {
			return err
		}
	}
	b = append(b, " FROM "+schema.Quote(from.Name)+" WHERE "+schema.Quote(c.Name)+" IN ("...)
	for i, v := range values {
		if i > 0 {
			b = append(b, ',')
		}
		b = c.AppendLiteral(b, v)
	}
	err := sqldb.Each(x.ctx, x.c, string(append(b, ')')), func(r []sql.RawBytes) error {
		if ref.When != nil && ref.When.Target(formats(string(r[3]))) != to {
			return nil
		}
		f(journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}, string(r[2]))
		return nil
	})
	if err != nil {
		return fmt.Errorf("look for what refers to %s: %w", to.Name, err)
	}
	return nil
}
