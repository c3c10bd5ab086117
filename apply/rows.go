package apply

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// block is rows of one table under way.
type block struct {
	*batch.Rows
	t       *sentTable
	n       int
	values  [][][]byte          // by place in localTable.written, then row; nil column: it did not come
	pending map[int][]reference // by row: references to rows that the batch has yet to bring
	groups  [][]merge.SentGroup // versions by row, in the bits here
	keyedRows
	differs  map[int]*cause // rows with a column that means something else on one side
	filtered map[int]bool   // rows that stay where they are
	retried  bool           // the rows have waited, and are tried again
	decided  []decision     // by row
	scoped   []*scoped      // by row, see look; nil: nothing is to be known
	integers []int64        // by row, of new ones that bring theirs; 0: the server gives one; nil: to all
}

// reference is a column that refers to a row which is not here yet.
type reference struct {
	column *schema.Column
	to     uint32
	plain  []byte // the value that came beside the key
}

// readRows brings in rows of one table. While the server is at work on rows of another, these wait; on some of the same table, they go on.
func (im *importer) readRows(ctx context.Context, b *batch.Rows) error {
	t := im.resolver.sent[b.Table]
	if r := im.writer.s.running; r != nil && r.l != t.local {
		if err := im.writer.s.finish(ctx); err != nil {
			return err
		}
	}
	if t.local == nil {
		im.notes.add("rows of %q are left out: %s", t.Name, t.why)
		return nil
	}
	t.joinBeside(b)
	w := &block{Rows: b, t: t, keyedRows: keyedRows{l: t.local}, n: len(b.Keys), pending: map[int][]reference{}, filtered: map[int]bool{}}
	if !w.l.rules.Takes() && !w.l.rules.ReturnsRows() && !w.l.rules.TakesBack() {
		w.l.count.Refused += int64(w.n)
		return nil
	}
	if err := im.resolver.checkKeys(w.l, b.Keys); err != nil {
		return err
	}
	if err := im.resolver.reserveRows(b.Keys); err != nil {
		return err
	}
	return im.readNext(ctx, w)
}

// readBlock brings in a block.
func (im *importer) readBlock(ctx context.Context, w *block) error {
	if err := im.resolver.touch(ctx, w.l); err != nil {
		return err
	}
	for _, step := range []func(context.Context, *block) error{
		im.resolver.locate,       // sets found
		im.resolver.translate,    // sets values and pending
		im.resolver.filter,       // sets filtered
		im.recognise,             // sets found, of rows that have another key here
		im.resolver.readVersions, // sets groups
		im.resolver.readLocal,    // sets keys, known, hasEntry and changes
		im.look,                  // sets scoped
	} {
		if err := step(ctx, w); err != nil {
			return err
		}
	}
	before := im.writer.s.written
	if err := im.settle(ctx, w); err != nil { // writes the rows
		return err
	}
	if err := im.writer.fillEarly(ctx); err != nil {
		return err
	}
	im.quiet = im.writer.s.written == before
	im.rowsRead += int64(w.n)
	if im.o.Progress != nil {
		im.o.Progress(im.rowsRead, 0)
	}
	return nil
}

// locate finds the rows that are here, locks them and reads them.
func (v *resolver) locate(ctx context.Context, w *block) error {
	if w.l.Root != w.l.Table || w.l.KeyColumns[0].Ref != nil {
		if err := v.resolve(ctx, w.Keys); err != nil {
			return err
		}
	}
	if w.l.emptyAtStart {
		for _, k := range w.Keys {
			if e := v.keys.at(k); e.state == unknown && e.root == w.l {
				e.state = coming
			}
		}
		return v.resolveParts(ctx, w.Keys)
	}
	if err := v.findBlock(ctx, w); err != nil {
		return err
	}
	for i, f := range w.found {
		if err := v.identify(w.l, w.Keys[i], f.row, f.values); err != nil {
			return err
		}
	}
	return nil
}

// findBlock finds the rows of a block, or takes what was found before.
func (v *resolver) findBlock(ctx context.Context, w *block) (err error) {
	a := w.ahead
	if !a.isFresh(v.s) {
		w.ahead = nil
		w.found, err = v.find(ctx, w.l, w.Keys, lockAlone, w.l.written)
		return err
	}
	w.found = make(map[int]found, len(a.rows))
	for _, r := range a.rows {
		v.takeFound(w.l, w.Keys, a.at, a.values, w.found, r.n, r.found)
	}
	a.rows, a.at, a.values = nil, nil, nil
	return nil
}

// translate turns the batch's values into those of this database.
func (v *resolver) translate(ctx context.Context, w *block) error {
	w.values = make([][][]byte, len(w.l.written))
	for i, c := range w.t.columns {
		if c == nil || c.Generated || !w.carries(i) {
			continue
		}
		if c.Ref == nil && w.Columns[i].Refs == nil {
			w.values[w.l.place[c]] = w.Columns[i].Bytes
			continue
		}
		if c.Ref == nil {
			if err := v.referencesUnknownHere(ctx, w, c, w.Columns[i]); err != nil {
				return err
			}
			continue
		}
		if err := v.references(ctx, w, c, w.Columns[i]); err != nil {
			return err
		}
	}
	return nil
}

// references turns keys into the local integers of their rows.
func (v *resolver) references(ctx context.Context, w *block, c *schema.Column, sent batch.Values) error {
	if err := v.checkPlainValues(w, c, sent); err != nil {
		return err
	}
	keys := make([]uint32, 0, w.n)
	var other map[int]bool
	for i, r := range sent.Refs {
		if r < batch.FirstRef {
			continue
		}
		err := v.checkTarget(c, r)
		var table *otherTable
		switch {
		case errors.As(err, &table):
			if other == nil {
				other = map[int]bool{}
			}
			other[i] = true
			w.differ(i, &cause{error: table, code: journal.WaitsForSchema, column: c.Name})
		case err != nil:
			return err
		case v.keys.at(r).state != written || !v.filledLater(w.l, c):
			keys = append(keys, r)
		}
	}
	if err := v.resolve(ctx, keys); err != nil {
		return err
	}
	to, err := v.checkInherited(ctx, c.Ref, keys)
	if err != nil {
		return err
	}
	out := make([][]byte, w.n)
	var room []byte // of integers
	for i := range out {
		r := batch.RefNull
		if sent.Refs != nil {
			r = sent.Refs[i]
		}
		switch {
		case other[i]: // what it is there, it is not here
		case r >= batch.FirstRef:
			ok := false
			room, out[i], ok = v.appendValue(room, c.Ref, r)
			if ok && to != nil && !v.present[to][v.keys.at(r).inherited()] {
				ok = false
			}
			if !ok {
				p := reference{column: c, to: r}
				if sent.Bytes != nil {
					p.plain = sent.Bytes[i]
				}
				w.pending[i], out[i] = append(w.pending[i], p), nil
				continue
			}
			v.keys.at(r).asked = true
		case r == batch.RefNowhere:
			out[i] = []byte("0")
		case sent.Bytes != nil:
			out[i] = sent.Bytes[i]
		}
	}
	w.values[w.l.place[c]] = out
	return nil
}

// filledLater reports whether a reference to a row that the server is at work on may wait until the row that has it is written: see rounds.
func (v *resolver) filledLater(l *localTable, c *schema.Column) bool {
	return l.emptyAtStart && l.refersToItself(c) && c.Ref.Patched() && !v.scoped && (v.aside == nil || !v.aside.last)
}

// checkPlainValues lets rows wait of which a column that refers to a row here comes as a plain number: at the sender it is no reference.
// Where the sender says that it is one, such a number is damage.
func (v *resolver) checkPlainValues(w *block, c *schema.Column, sent batch.Values) error {
	if c.Ref.When != nil || w.retried || w.t.Columns[slices.Index(w.t.columns, c)].Ref {
		return checkPlain(c, sent)
	}
	for i, b := range sent.Bytes {
		if b != nil && string(b) != "0" {
			w.differ(i, numberSent(c))
		}
	}
	return nil
}

// numberSent is the cause of a row with a number where a reference is due.
func numberSent(c *schema.Column) *cause {
	return &cause{code: journal.WaitsForSchema, column: c.Name, error: fmt.Errorf("the schemas differ: its %s comes as a number, and here it refers to a row of %s: "+
		"make the foreign key at the sender, or name the column under [references.%s] in a profile file there, and have the sender export with --full", c.Name, c.Ref.To.Name, c.Table.Name)}
}

// referencesUnknownHere turns keys into local integers for a column that is a reference at the sender and none here: a foreign key is
// missing here, and the value must be right all the same.
func (v *resolver) referencesUnknownHere(ctx context.Context, w *block, c *schema.Column, sent batch.Values) error {
	var keys []uint32
	for _, r := range sent.Refs {
		if r >= batch.FirstRef {
			keys = append(keys, r)
		}
	}
	if err := v.resolve(ctx, keys); err != nil {
		return err
	}
	out := make([][]byte, w.n)
	for i, r := range sent.Refs {
		switch {
		case r == batch.RefNowhere:
			out[i] = []byte("0")
		case r == batch.RefNull && sent.Bytes != nil:
			out[i] = sent.Bytes[i]
		case r >= batch.FirstRef:
			e := v.keys.at(r)
			switch {
			case e.root == nil:
				w.differ(i, refersFar(c, e.far()))
			case isInteger(c) != (e.root.Integer != nil):
				w.differ(i, &cause{error: &otherTable{c, e.root}, code: journal.WaitsForSchema, column: c.Name})
			case e.state != here:
				w.differ(i, refersNowhere(c, e.root, e.key))
			default:
				out[i] = e.inherited().value(e.root)
			}
		}
	}
	if len(keys) > 0 {
		v.notes.add("%s.%s refers to rows at %s and to none here: the rows are found all the same; make the foreign key here, or name the column under [references.%[1]s] in a profile file",
			w.l.Name, c.Name, v.peer.Name)
	}
	w.values[w.l.place[c]] = out
	return nil
}

// isInteger reports whether a column can hold the integer of a row.
func isInteger(c *schema.Column) bool {
	switch c.Type {
	case "tinyint", "smallint", "mediumint", "int", "bigint":
		return true
	}
	return false
}

// differ notes why a row cannot be applied as the schemas are.
func (w *block) differ(i int, why *cause) {
	if w.differs == nil {
		w.differs = map[int]*cause{}
	}
	w.differs[i] = why
}

// checkInherited looks for the targets of a reference to a table that shares its ancestor's key: the row itself must be there too.
// It returns that table, nil if it is no such one.
func (v *resolver) checkInherited(ctx context.Context, ref *schema.Ref, keys []uint32) (*localTable, error) {
	if ref.When != nil || ref.To.Root == ref.To {
		return nil, nil
	}
	to := v.table(ref.To)
	var rows []inherited
	for _, r := range keys {
		if e := v.keys.at(r); e.state == here {
			rows = append(rows, e.inherited())
		}
	}
	return to, v.check(ctx, to, rows)
}

// filter finds the rows that stay where they are: by what comes of them, or by what they are here.
func (v *resolver) filter(_ context.Context, w *block) error {
	columns := w.l.filters.Columns(w.l.Table)
	if w.l.filters == nil {
		return nil
	}
	for i := range w.n {
		stays, known := w.l.filters.FilteredOut(w.l.Table, v.keys.at(w.Keys[i]).key)
		for _, c := range columns {
			at, ok := w.l.place[c]
			if stays || known || !ok {
				continue
			}
			if values := w.values[at]; values != nil && values[i] != nil {
				stays = w.l.filters.Match(c, string(values[i]))
			}
			if f, here := w.found[i]; here && !stays && f.values[at] != nil {
				stays = w.l.filters.Match(c, string(f.values[at]))
			}
		}
		if w.filtered[i] = stays; stays {
			w.l.count.Refused++
		}
	}
	return nil
}

// readLocal reads what is known here of the rows.
func (v *resolver) readLocal(ctx context.Context, w *block) error {
	w.keys = make([]string, w.n)
	for i, k := range w.Keys {
		w.keys[i] = v.keys.at(k).canonical()
	}
	if !w.retried {
		if err := v.readWaiting(ctx, &w.keyedRows); err != nil {
			return err
		}
	}
	return v.readKnown(ctx, &w.keyedRows)
}
