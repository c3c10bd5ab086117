package verify

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/digest"
	"github.com/omsync/omsync/export"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// Off is a time in which triggers of tables may have been missing: it began after From, and ended before To.
type Off struct {
	Tables   []string
	From, To time.Time
}

// Causes tells why rows differ, as far as this node can.
type Causes struct {
	j                     *journal.Journal
	peer                  *journal.Peer
	off                   []Off
	emptyHere, emptyThere map[string]bool              // tables, in small letters, of which one end has no rows
	made                  map[string]time.Time         // when tables were made, as the server says
	came                  map[uint64]time.Time         // when epochs of this node were made
	dangling              map[*schema.Table]danglingAt // rows with a reference to no row
}

type danglingAt map[journal.Row]*schema.Column

// NewCauses looks for what may have made the rows differ that a comparison with a peer found. off: when triggers were missing, oldest first.
func NewCauses(ctx context.Context, j *journal.Journal, q sqldb.DB, p *journal.Peer, c *export.Compared, off []Off) (*Causes, error) {
	out := &Causes{j: j, peer: p, off: off, emptyHere: map[string]bool{}, emptyThere: map[string]bool{}, made: map[string]time.Time{}, came: map[uint64]time.Time{}, dangling: map[*schema.Table]danglingAt{}}
	for _, t := range c.Tables {
		out.emptyHere[strings.ToLower(t.Name)], out.emptyThere[strings.ToLower(t.Name)] = t.Here == 0 && t.There > 0, t.There == 0 && t.Here > 0
	}
	here := map[*schema.Table][]journal.Row{}
	for _, d := range c.Differences {
		if d.Here {
			here[d.Table] = append(here[d.Table], d.At)
		}
	}
	for t, rows := range here {
		if err := out.findDangling(ctx, q, t, rows); err != nil {
			return nil, err
		}
	}
	if len(c.Differences) == 0 {
		return out, nil
	}
	wanted := []uint64{0}
	for _, d := range c.Differences {
		wanted = append(wanted, lastEpoch(d.Known))
	}
	slices.Sort(wanted)
	query := "SELECT e.id, e.created_at FROM " + string(journal.Integers(nil, slices.Compact(wanted))) + " JOIN omsync_epoch e ON e.id = d.id"
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		out.came[sqldb.Uint(r[0])] = time.UnixMicro(sqldb.Int(r[1]))
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read when epochs were made: %w", err)
	}
	err = sqldb.Each(ctx, q, "SELECT table_name, UNIX_TIMESTAMP(create_time) FROM information_schema.tables WHERE table_schema = DATABASE()", func(r []sql.RawBytes) error {
		out.made[strings.ToLower(string(r[0]))] = time.Unix(sqldb.Int(r[1]), 0)
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("ask when tables were made: %w", err)
	}
	return out, nil
}

// findDangling finds which of a table's rows have a reference to no row.
func (c *Causes) findDangling(ctx context.Context, q sqldb.DB, t *schema.Table, rows []journal.Row) error {
	out := danglingAt{}
	for _, column := range t.Columns {
		ref := column.Ref
		if ref == nil || ref.When != nil || ref.ByName() || ref.To == nil || ref.ToColumn == nil {
			continue
		}
		for some := range slices.Chunk(rows, atOnce) {
			query := fmt.Sprintf("SELECT %s FROM %s WHERE %s AND %s <> 0 AND NOT EXISTS (SELECT 1 FROM %s r WHERE r.%s = %[2]s.%[4]s)", journal.Identity(t, ""), schema.Quote(t.Name), rowkey.Where(t, some),
				schema.Quote(column.Name), schema.Quote(ref.To.Name), schema.Quote(ref.ToColumn.Name))
			err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
				out[journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])}] = column
				return nil
			})
			if err != nil {
				return fmt.Errorf("look for what %s of %s refers to: %w", column.Name, t.Name, err)
			}
		}
	}
	c.dangling[t] = out
	return nil
}

// Of returns why a row differs, as far as that can be told.
func (c *Causes) Of(d export.Difference) string {
	rules, name := c.j.On(d.Table, c.peer), strings.ToLower(d.Table.Name)
	parents := rules.Decides(d.Known) == parentHere(c.peer)
	dangling := c.dangling[d.Table][d.At]
	switch {
	case d.State == export.Flies:
		return "a change of it is under way: exchange files, and compare again"
	case d.State == export.Waits:
		return "it came, and cannot be applied yet: see omsync quarantine list"
	case d.Here && parents && c.peer.Role == access.Parent && merge.MadeHere(d.Known):
		return "it was changed here, and only the parent's changes count"
	case !d.Here && c.emptyHere[name]:
		return "no row of the table is left here: it was emptied by TRUNCATE, which fires no trigger, or by loading an empty copy of it" + c.when(d)
	case !d.Here && d.Known.Known:
		return "it was deleted here, and is there again without omsync having seen that"
	case !d.Here:
		return "it was deleted here, or added there, without omsync having seen that" + c.when(d)
	case dangling != nil:
		return fmt.Sprintf("its %s refers to no row of %s here: it was written, or that row was deleted, with foreign keys off", dangling.Name, dangling.Ref.To.Name) + c.when(d)
	case !d.Known.Known:
		return "it was added here without omsync having seen that: its triggers were off, or the table was loaded from a file" + c.when(d)
	case d.Kind == digest.MissingThere && c.emptyThere[name]:
		return "no row of the table is left there: it was emptied by TRUNCATE, which fires no trigger, or by loading an empty copy of it"
	case d.Kind == digest.MissingThere:
		return "it was deleted there, or added here, without omsync having seen that: by TRUNCATE, or with triggers or foreign keys off" + c.when(d)
	}
	return "it was changed here or there without omsync having seen that: with its triggers off, or by loading a backup of the table" + c.when(d)
}

// when says what is known here of times at which changes of the row's table went unseen.
func (c *Causes) when(d export.Difference) string {
	const form = "2006-01-02 15:04"
	for _, o := range slices.Backward(c.off) {
		if slices.ContainsFunc(o.Tables, func(t string) bool { return strings.EqualFold(t, d.Table.Name) }) {
			return fmt.Sprintf("; here its triggers were off some time between %s and %s", o.From.Local().Format(form), o.To.Local().Format(form))
		}
	}
	if made, at := c.made[strings.ToLower(d.Table.Name)], c.came[lastEpoch(d.Known)]; !at.IsZero() && made.After(at) {
		return fmt.Sprintf("; here the table was made anew on %s, after the latest change of the row that omsync has seen, as by loading it from a backup", made.Local().Format(form))
	}
	return ""
}

// lastEpoch returns this node's epoch in which it came to know the latest change of a live row; 0: it knows none.
func lastEpoch(known merge.Row) (last uint64) {
	for _, g := range known.Groups {
		last = max(last, g.Epoch)
	}
	return last
}

// parentHere returns who the parent is, of the two ends of the link.
func parentHere(p *journal.Peer) merge.Authority {
	if p.Role == access.Parent {
		return merge.DecidedThere
	}
	return merge.DecidedHere
}
