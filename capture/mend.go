package capture

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
)

// MendOptions say which stamps are mended.
type MendOptions struct {
	LaterThan time.Time     // stamps later than this
	DryRun    bool          // count them, and change nothing
	Wait      time.Duration // how long to wait for the gate
}

// Mended says what MendStamps found, or has mended.
type Mended struct {
	Tables  []MendedTable // those with something to mend, by name
	Authors []string      // whose stamps these were, by name
	Latest  time.Time     // of these stamps
	Waiting int64         // rows that waited for a clock to reach their stamps, and are forgotten: they come again
}

// MendedTable counts what of a table had stamps that were mended.
type MendedTable struct {
	Name      string
	Rows      int64 // that have versions of their own
	Deletions int64
	Default   bool // the version of all its other rows, too
}

// MendStamps gives versions of now to all that is stamped later than it is told, as [merge.Stamper.Mend] says, in one transaction behind
// the gate, and notes that every peer is to be asked for the tables. A clock that cannot be right is an error.
func MendStamps(ctx context.Context, j *journal.Journal, o MendOptions) (*Mended, error) {
	now := j.Now()
	if !merge.ClockIsSane(now.UnixMicro()) {
		return nil, fmt.Errorf("this computer's clock says %s: set it first, for what is mended is stamped by it", now.UTC().Format(time.DateTime))
	}
	if o.LaterThan.Before(now) {
		return nil, fmt.Errorf("%s is past: stamps up to now are right", o.LaterThan.UTC().Format(time.DateTime))
	}
	if !o.DryRun { // what is not sealed yet may be an edit of a row to be mended
		if _, err := Seal(ctx, j, o.Wait); err != nil {
			return nil, err
		}
	}
	gate, err := j.DB.Conn(ctx)
	if err != nil {
		return nil, err
	}
	defer gate.Close()
	if err := journal.Gate(ctx, gate, false, o.Wait); err != nil {
		return nil, err
	}
	defer gate.ExecContext(context.WithoutCancel(ctx), "ROLLBACK")
	if err := j.Reload(ctx, gate); err != nil {
		return nil, err
	}
	epoch, err := journal.NextEpoch(ctx, gate, false, now)
	if err != nil {
		return nil, err
	}
	m := &mender{j: j, gate: gate, stamper: merge.Stamper{Self: j.Self, Epoch: epoch.Epoch}, limit: o.LaterThan.UnixMicro(), now: now.UnixMicro(), authors: map[string]bool{}}
	for _, name := range slices.Sorted(maps.Keys(j.Tables)) {
		if err := m.table(ctx, j.Tables[name]); err != nil {
			return nil, fmt.Errorf("mend the stamps of %s: %w", name, err)
		}
	}
	tables, err := m.dropWaiting(ctx)
	if err != nil {
		return nil, err
	}
	found := m.found()
	if o.DryRun || len(found.Tables) == 0 && len(tables) == 0 {
		return found, nil
	}
	for _, t := range found.Tables {
		if c := j.Catalogue.Table(t.Name); c != nil && c.Replicated {
			tables = append(tables, t.Name)
		}
	}
	if err := journal.RequestResend(ctx, gate, tables, nil, nil, epoch.Epoch); err != nil {
		return nil, err
	}
	_, err = gate.ExecContext(ctx, "COMMIT")
	return found, err
}

// mender mends the stamps of one table after the other. Its connection holds the gate.
type mender struct {
	j          *journal.Journal
	gate       sqldb.DB
	stamper    merge.Stamper
	limit, now int64
	tables     []MendedTable
	authors    map[string]bool
	latest     int64
	waiting    int64
}

func (m *mender) found() *Mended {
	return &Mended{Tables: m.tables, Authors: slices.Sorted(maps.Keys(m.authors)), Latest: time.UnixMicro(m.latest).UTC(), Waiting: m.waiting}
}

// dropWaiting forgets the rows that wait for a clock to reach their stamps, and returns their tables: what they hold comes again, mended, from
// where it was mended.
func (m *mender) dropWaiting(ctx context.Context) (tables []string, err error) {
	f := journal.WaitingFilter{Reason: journal.WaitsForStamp, NotDropped: true}
	names := map[uint16]string{}
	for name, t := range m.j.Tables {
		names[t.ID] = name
	}
	counts, err := journal.CountWaitingRows(ctx, m.gate)
	if err != nil {
		return nil, err
	}
	for _, c := range counts {
		if c.Reason == f.Reason && !slices.Contains(tables, names[c.Table]) {
			tables = append(tables, names[c.Table])
		}
		if c.Reason == f.Reason {
			m.waiting += c.Rows
		}
	}
	_, err = journal.ForgetWaiting(ctx, m.gate, f)
	return tables, err
}

// mend mends one row, and notes whose its late stamps were.
func (m *mender) mend(row merge.Row) (merge.Row, bool) {
	out, mended := m.stamper.Mend(row, m.limit, m.now)
	for _, g := range append(slices.Clone(row.Groups), merge.Group{Version: row.Dead}) {
		if g.Time > m.limit {
			m.authors[g.Author] = true
			m.latest = max(m.latest, g.Time)
		}
	}
	return out, mended
}

func (m *mender) table(ctx context.Context, t *journal.Table) error {
	count := MendedTable{Name: t.Name}
	if !t.Default.IsEmpty() {
		row, mended := m.mend(merge.Row{Known: true, Alive: true, Groups: []merge.Group{t.Default}})
		if count.Default = mended; mended {
			t.Default = row.Groups[0]
			if err := journal.SaveDefault(ctx, m.gate, t, m.j.Authors); err != nil {
				return err
			}
		}
	}
	err := journal.LateEntries(ctx, m.gate, t.ID, m.limit, m.j.Authors, func(entries []journal.Entry) error {
		rows := make([]journal.Row, len(entries))
		for i := range entries {
			row, _ := m.mend(merge.Row{Known: true, Alive: true, Groups: entries[i].Groups})
			rows[i], entries[i].Groups = entries[i].Row, row.Groups
		}
		count.Rows += int64(len(rows))
		return journal.PutVersions(ctx, m.gate, t.ID, rows, entries, m.j.Authors)
	})
	if err != nil {
		return err
	}
	err = journal.LateTombstones(ctx, m.gate, t.ID, m.limit, m.j.Authors, func(dead []journal.Tombstone) error {
		for i := range dead {
			row, _ := m.mend(merge.Row{Known: true, Dead: dead[i].Version})
			dead[i].Version = row.Dead
		}
		count.Deletions += int64(len(dead))
		return journal.PutTombstones(ctx, m.gate, t.ID, dead, m.j.Authors)
	})
	if err == nil && (count.Default || count.Rows+count.Deletions > 0) {
		m.tables = append(m.tables, count)
	}
	return err
}
