package apply

import (
	"context"
	"database/sql"

	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// maxAhead is how many bytes a block, and the rows that are found for it, have at most to be looked up while the block before is settled: both are
// held then.
const maxAhead = 4 << 20

// lookedUp is what the server said of the rows of a block, which it was asked while the block before was settled.
type lookedUp struct {
	at       []int // by value that was looked for: the row of the block
	values   [][][]byte
	written  int // statements that had written something when it was asked: what was written since may have changed it
	rows     []lookedUpRow
	tooMuch  bool // it is not all
	unsealed *unsealed
	versions map[journal.Row][]merge.Group
}

type lookedUpRow struct {
	n int // which value it was found by
	found
}

// isFresh reports whether nothing was written since it was asked.
func (a *lookedUp) isFresh(s *session) bool { return a != nil && !a.tooMuch && a.written == s.written }

// mayLookAhead reports whether the rows of a block may be looked for before the block that came before it is settled. They are found by nothing but
// what the batch says, and no row of their table is found to be another than it was called by.
func (im *importer) mayLookAhead(w *block) bool {
	l := w.l
	return im.itemSize > 0 && im.itemSize <= maxAhead && !im.resolver.scoped &&
		l.touched && !l.emptyAtStart && l.Key == schema.KeyUUID && l.KeyIndexed && l.Root == l.Table && len(im.resolver.naturals(l)) == 0
}

// readNext brings in a block that may be looked up while the one before is settled; it is settled itself while the next is looked up.
// A block that writes may change what is found for the next: so where the last one wrote, they take turns.
func (im *importer) readNext(ctx context.Context, w *block) error {
	if !im.quiet || !im.mayLookAhead(w) {
		if err := im.settleDue(ctx); err != nil {
			return err
		}
		if err := im.resolver.touch(ctx, w.l); err != nil {
			return err
		}
		if !im.quiet || !im.mayLookAhead(w) {
			return im.readBlock(ctx, w)
		}
	}
	if err := im.writer.s.finish(ctx); err != nil {
		return err
	}
	im.resolver.lookAhead(ctx, w)
	due := im.due
	im.due = w
	if due == nil {
		return nil
	}
	return im.readBlock(ctx, due)
}

// settleDue brings in the block whose rows are being looked up.
func (im *importer) settleDue(ctx context.Context) error {
	due := im.due
	if im.due = nil; due == nil {
		return nil
	}
	if err := im.writer.s.finish(ctx); err != nil {
		return err
	}
	return im.readBlock(ctx, due)
}

// lookAhead has the server asked for the rows of a block and what is known of them. Until it has answered, nothing else is asked.
func (v *resolver) lookAhead(ctx context.Context, w *block) {
	a := &lookedUp{written: v.s.written}
	w.ahead = a
	a.at, a.values = v.wanted(w.l, w.Keys)
	look := lookUp{w.l, w.l.KeyColumns, a.values, lockAlone, w.l.written}
	most := v.s.maxStatement
	v.s.ask(func(conn *sql.Conn) error {
		a.rows = make([]lookedUpRow, 0, len(a.values))
		size := 0
		err := look.run(ctx, conn, most, func(n int, f found) {
			if size += f.size(); size <= maxAhead {
				a.rows = append(a.rows, lookedUpRow{n, f})
			}
		})
		if a.tooMuch = size > maxAhead; err != nil || a.tooMuch {
			return err
		}
		if a.unsealed, err = readUnsealed(ctx, conn, w.l); err != nil {
			return err
		}
		rows := make([]journal.Row, len(a.rows))
		for i, r := range a.rows {
			rows[i] = r.row
		}
		a.versions, err = journal.Versions(ctx, conn, w.l.journal.ID, rows, v.j.Authors)
		return err
	})
}

func (f found) size() (n int) {
	for _, v := range f.values {
		n += len(v)
	}
	return n
}
