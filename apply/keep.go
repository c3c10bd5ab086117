package apply

import (
	"cmp"
	"context"
	"database/sql"
	"fmt"
	"slices"
	"time"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
)

// DefaultKeep is how long rows that an import deletes are kept whole, where nobody says otherwise.
const DefaultKeep = 90 * 24 * time.Hour

func (o *Options) keepDeleted() time.Duration { return cmp.Or(o.Keep, DefaultKeep) }

// forgetRows is how many kept rows one statement forgets, forgetTimes how many statements an import makes for it at most. They are
// transactions of their own, before that of the import: two imports at one time must not wait for each other here.
const forgetRows, forgetTimes = 1000, 50

// forgetDeleted forgets kept rows that are old enough.
func forgetDeleted(ctx context.Context, j *journal.Journal, o Options) error {
	if o.DryRun {
		return nil
	}
	keep := max(o.keepDeleted(), 0)
	err := forgetOld(ctx, j, keep, journal.PruneDeleted)
	if err != nil {
		return err
	}
	return forgetOld(ctx, j, max(keep, KeepDropped), journal.PruneDropped)
}

// KeepDropped is how long rows that were dropped are kept at least: as long as deleted ones, where these are kept longer.
const KeepDropped = 7 * 24 * time.Hour

// forgetOld forgets in portions what is older.
func forgetOld(ctx context.Context, j *journal.Journal, than time.Duration, prune func(ctx context.Context, q sqldb.DB, before int64, limit int) (int64, error)) error {
	for range forgetTimes {
		n, err := prune(ctx, j.DB, j.Now().Add(-than).UnixMicro(), forgetRows)
		switch {
		case sqldb.IsLockConflict(err): // the next import does it
			return nil
		case err != nil || n < forgetRows:
			return err
		}
	}
	return nil
}

// keepRows and keepBytes bound what of deleted rows is held at once. A row that is longer alone is held alone.
const keepRows, keepBytes = 500, 4 << 20

// keepDeleted keeps rows of a table whole that are to be deleted. They are locked.
func (w *writer) keepDeleted(ctx context.Context, l *localTable, d *tableDeletions) error {
	if !w.keep || len(d.rows) == 0 {
		return nil
	}
	if err := w.addAuthors(ctx, d.authors()); err != nil {
		return err
	}
	says := map[*schema.Column]func(string) string{}
	tooLong := 0
	for first := 0; first < len(d.rows); {
		n, err := w.keepable(ctx, l, d.rows[first:min(first+keepRows, len(d.rows))])
		if err != nil {
			return err
		}
		some := d.keep[first : first+n]
		if err := w.readContents(ctx, l, d.rows[first:first+n], some, says); err != nil {
			return err
		}
		long, err := journal.KeepDeleted(ctx, w.s.conn, l.journal.ID, some, w.j.Authors)
		if err != nil {
			return err
		}
		for i := range some {
			some[i].Content = nil
		}
		tooLong += long
		first += n
	}
	if tooLong > 0 {
		w.resolver.notes.add("%d rows of %s were deleted and are not kept: they are too long", tooLong, l.Name)
	}
	return nil
}

// keepable returns how many of the first of these rows, at least one, are held at once.
func (w *writer) keepable(ctx context.Context, l *localTable, rows []journal.Row) (int, error) {
	long := l.longColumns()
	switch {
	case len(long) == 0:
		return len(rows), nil
	case l.Integer == nil:
		return 1, nil
	}
	integers := make([]int64, len(rows))
	for i, r := range rows {
		integers[i] = r.Int
	}
	size := "0"
	for _, c := range long {
		size += "+IFNULL(LENGTH(t." + schema.Quote(c.Name) + "), 0)"
	}
	b := journal.Integers([]byte("SELECT d.id, "+size+" FROM "), integers)
	b = fmt.Appendf(b, " STRAIGHT_JOIN %s t%s ON t.%s = d.id", schema.Quote(l.Name), l.byInteger(), schema.Quote(l.Integer.Name))
	sizes := make(map[int64]int64, len(rows))
	err := w.s.each(ctx, string(b), func(r []sql.RawBytes) error {
		sizes[sqldb.Int(r[0])] = sqldb.Int(r[1])
		return nil
	})
	if err != nil {
		return 0, fmt.Errorf("read rows of %s that are deleted: %w", l.Name, err)
	}
	sum := sizes[integers[0]]
	for i, n := range integers[1:] {
		if sum += sizes[n]; sum > keepBytes {
			return i + 1, nil
		}
	}
	return len(rows), nil
}

// longColumns returns the columns whose values may be so long that their lengths are looked at first.
func (l *localTable) longColumns() (out []*schema.Column) {
	for _, c := range l.written {
		switch c.Type {
		case "text", "mediumtext", "longtext", "blob", "mediumblob", "longblob", "json", "geometry":
			out = append(out, c)
		case "varbinary", "varchar":
			if c.Length > 2000 {
				out = append(out, c)
			}
		}
	}
	return out
}

// readContents reads rows into what is kept of them, references as the keys of their rows. says has what values of columns that decide
// about references mean.
func (w *writer) readContents(ctx context.Context, l *localTable, rows []journal.Row, into []journal.Deleted, says map[*schema.Column]func(string) string) error {
	at := make(map[journal.Row]int, len(rows))
	for i, r := range rows {
		at[r] = i
	}
	values := make([][][]byte, len(rows))
	err := w.resolver.readRows(ctx, l, rows, lockNone, l.written, func(f found) {
		if i, ok := at[f.row]; ok {
			values[i] = f.values
		}
	})
	if err != nil {
		return err
	}
	if slices.ContainsFunc(values, func(v [][]byte) bool { return v == nil }) {
		return fmt.Errorf("%s: a row that was locked is gone", l.Name)
	}
	for i := range into {
		into[i].Content = make(journal.Content, len(l.written))
	}
	for place, c := range l.written {
		if c.Local {
			continue
		}
		of := make([]journal.Value, len(rows))
		for i, v := range values {
			if v[place] != nil {
				s := string(v[place])
				of[i].Text = &s
			}
		}
		if c.Ref != nil {
			if err := w.keysOf(ctx, l, c, of, values, says); err != nil {
				return err
			}
		}
		for i := range into {
			into[i].Content[c.Name] = of[i]
		}
	}
	return nil
}

// keysOf puts the keys of the rows that values of a column refer to in their place. What refers to no row is 0, as it is everywhere else.
func (w *writer) keysOf(ctx context.Context, l *localTable, c *schema.Column, of []journal.Value, values [][][]byte, says map[*schema.Column]func(string) string) error {
	targets, err := w.targetsOf(ctx, l, c, values, says)
	if err != nil {
		return err
	}
	wanted := map[*schema.Table][]string{}
	for i, to := range targets {
		if to != nil && of[i].Text != nil {
			wanted[to] = append(wanted[to], *of[i].Text)
		}
	}
	for to, some := range wanted {
		ref := c.Ref
		if ref.When != nil {
			ref = &schema.Ref{From: c, To: to, ToColumn: to.Integer}
		}
		keys, err := rowkey.Referred(ctx, w.s.conn, ref, some)
		if err != nil {
			return err
		}
		for i := range of {
			if targets[i] != to || of[i].Text == nil {
				continue
			}
			if key := keys[*of[i].Text]; key != nil {
				k := journal.Canonical(to, *key)
				of[i] = journal.Value{Text: &k, Table: to.Name}
			} else {
				nowhere := "0"
				of[i].Text = &nowhere
			}
		}
	}
	return nil
}

// targetsOf returns which table each row's value of a column refers to; nil for a plain value.
func (w *writer) targetsOf(ctx context.Context, l *localTable, c *schema.Column, values [][][]byte, says map[*schema.Column]func(string) string) ([]*schema.Table, error) {
	out := make([]*schema.Table, len(values))
	when := c.Ref.When
	if when == nil {
		for i := range out {
			out[i] = c.Ref.To
		}
		return out, nil
	}
	if says[c] == nil {
		var err error
		if says[c], err = journal.Discriminator(ctx, w.s.conn, when); err != nil {
			return nil, err
		}
	}
	place, decides := l.place[c], l.place[when.Decides()]
	for i, v := range values {
		if journal.IsNumber(v[place]) && v[decides] != nil {
			out[i] = when.Target(says[c](string(v[decides])))
		}
	}
	return out, nil
}
