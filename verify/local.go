package verify

import (
	"context"
	"fmt"
	"slices"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// Fault is a kind of what is not as it should be between a node's data and what omsync knows of them.
type Fault string

// The kinds.
const (
	EntryWithoutRow   Fault = "versions of rows that are not there"      // a deletion was not captured
	RowWithoutEntry   Fault = "rows without versions"                    // an insert was not captured
	DeletedAlive      Fault = "rows that are there and count as deleted" // they came back unseen
	AliasWithoutRow   Fault = "aliases of rows that are not there"
	WaitingForNothing Fault = "waiting rows that nothing can bring"
	ReferenceToNoRow  Fault = "references to rows that are not there"
)

// Found is how many there are of a fault in a table.
type Found struct {
	Fault  Fault
	Table  string // "": of no table that is known
	Column string // of a reference
	Rows   int64
}

// Local checks a node against itself. It reads the tables' keys and omsync's own tables, and changes nothing.
func Local(ctx context.Context, j *journal.Journal, q sqldb.DB) ([]Found, error) {
	l := &local{j: j, q: q}
	for _, t := range j.Replicated() {
		if err := l.table(ctx, t); err != nil {
			return nil, fmt.Errorf("check %s: %w", t.Name, err)
		}
	}
	if err := l.aliases(ctx); err != nil {
		return nil, err
	}
	n, err := journal.WaitingForNothing(ctx, q)
	l.add(WaitingForNothing, "", "", n)
	return l.found, err
}

type local struct {
	j     *journal.Journal
	q     sqldb.DB
	found []Found
}

func (l *local) add(what Fault, table, column string, n int64) {
	if n > 0 {
		l.found = append(l.found, Found{what, table, column, n})
	}
}

func (l *local) table(ctx context.Context, t *schema.Table) error {
	meta := l.j.Tables[t.Name]
	n, err := journal.CountVersionsWithoutRow(ctx, l.q, t, meta.ID)
	if err != nil {
		return err
	}
	l.add(EntryWithoutRow, t.Name, "", n)
	if meta.Default.IsEmpty() {
		if n, err = journal.CountRowsWithoutVersion(ctx, l.q, t, meta.ID); err != nil {
			return err
		}
		l.add(RowWithoutEntry, t.Name, "", n)
	}
	if n, err = l.deletedAlive(ctx, t, meta.ID); err != nil {
		return err
	}
	l.add(DeletedAlive, t.Name, "", n)
	for _, c := range t.Columns {
		if c.Ref == nil || c.Ref.When != nil || c.Ref.ByName() || c.Ref.To == nil || c.Ref.ToColumn == nil {
			continue
		}
		if n, err = journal.CountDangling(ctx, l.q, c); err != nil {
			return err
		}
		l.add(ReferenceToNoRow, t.Name, c.Name, n)
	}
	return nil
}

// deletedAlive counts the rows that are there though their deletion is the last that is known of them.
func (l *local) deletedAlive(ctx context.Context, t *schema.Table, id uint16) (n int64, err error) {
	dead, err := journal.NewerTombstones(ctx, l.q, id, 0, merge.NoPeer, l.j.Authors)
	if err != nil {
		return 0, err
	}
	for some := range slices.Chunk(dead, atOnce) {
		keys := make([]string, len(some))
		for i, d := range some {
			keys[i] = d.Key
		}
		here, err := rowkey.Find(ctx, l.q, t, keys)
		if err != nil {
			return 0, err
		}
		n += int64(len(here))
	}
	return n, nil
}

// aliases counts aliases of rows that are neither here nor known to be deleted.
func (l *local) aliases(ctx context.Context) error {
	own := map[uint16][]string{}
	err := journal.EachAlias(ctx, l.q, func(a journal.Alias) error {
		own[a.Table] = append(own[a.Table], a.Own)
		return nil
	})
	if err != nil {
		return err
	}
	for _, t := range l.j.Replicated() {
		id := l.j.Tables[t.Name].ID
		n := int64(0)
		for some := range slices.Chunk(own[id], atOnce) {
			here, err := rowkey.Find(ctx, l.q, t, some)
			if err != nil {
				return err
			}
			dead, err := journal.Tombstones(ctx, l.q, id, some, l.j.Authors)
			if err != nil {
				return err
			}
			for _, key := range some {
				_, is := here[key]
				_, was := dead[key]
				if !is && !was {
					n++
				}
			}
		}
		l.add(AliasWithoutRow, t.Name, "", n)
	}
	return nil
}
