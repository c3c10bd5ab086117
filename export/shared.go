package export

import (
	"context"
	"crypto/sha256"
	"fmt"
	"slices"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/export/share"
	"github.com/omsync/omsync/features"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// Where fewer rows changed, or fewer children are there, a file is made for its receiver alone; and where so many changed that they are better not
// held in memory.
const (
	fewChildren  = 4
	fewShared    = 300
	mostShared   = 50_000
	leastSection = 64
	mostSection  = 20_000
)

// window is what changed above an epoch, as of a position, as the peers of one signature lack it.
type window struct {
	*share.Window
	as       signature
	from     uint64
	at       merge.Position
	children int
	versions map[*schema.Table]entries
	// Of each table, the highest epoch of an entry, and that of a tombstone.
	live, dead map[uint16]uint64
}

// shared is how a file is put together of sections and what goes to the peer alone.
type shared struct {
	list     []share.Interval
	sections []*section
	share.File
}

// maySections reports whether files to the peer may have sections at all: it is a child that has what others have, but for its own rows.
func (p *plan) maySections(o Options) bool {
	return o.Sections != nil && p.peer.Role == access.Child && p.features.Writable(p.peer.Heard).Has(features.Sections) && !p.match && p.proof == sends &&
		!p.silent && !p.scopes.filters && p.aliases.None() && p.head.Load == 0 && p.head.Base.Epoch > 0 && p.peer.Link.Receiving.ID == 0
}

// goesAlone reports whether what a row of a table holds, or whether it goes, may be another thing for each peer.
func (p *plan) goesAlone(t *table) bool {
	far := slices.ContainsFunc(slices.Concat(t.KeyColumns, t.columns), func(c *schema.Column) bool {
		return c.Ref != nil && slices.ContainsFunc(c.Ref.Targets(), func(to *schema.Table) bool { return p.known[to] == nil || to.Integer == nil })
	})
	return far || !t.rules.SendsAllRows() || t.secret != nil || t.filters != nil || t.waiting || p.saysPublic(t.Table)
}

// stands reports whether rows of a table stand anywhere in a file, by the rows that they refer to. Where others have changed too, all goes in the order
// of tables.
func (p *plan) stands(t *table) bool {
	return t.Integer != nil && t.owed == 0 && !t.lost && t.refused == nil && t.kept == nil && t.staff == nil && !t.rules.SendsBack() && t.knows == p.peer.ID &&
		(t.meta.Default.IsEmpty() || t.meta.Default.Epoch <= p.head.Base.Epoch) && !p.filtered(t.Table)
}

// findNewer finds the tables that have entries and tombstones above the base which did not come from the peer. What was read for another peer says it of
// those that have any.
func (x *exporter) findNewer(ctx context.Context) (err error) {
	base := x.head.Base.Epoch
	if all := x.out.o.Sections; all != nil && x.maySections(x.out.o) {
		if w := all.windowOf(nil, x.head.Upto, base); w != nil && w.live != nil {
			x.newer, x.buried = above(w.live, base), above(w.dead, base)
			return nil
		}
	}
	x.newer, x.buried, err = journal.NewerTables(ctx, x.snap, base, x.peer.ID)
	return err
}

func above(last map[uint16]uint64, base uint64) map[uint16]bool {
	out := map[uint16]bool{}
	for t, epoch := range last {
		if epoch > base {
			out[t] = true
		}
	}
	return out
}

// share settles which sections the file has, and makes those that are not there; nil: it has none.
func (x *exporter) share(ctx context.Context) (s *shared, err error) {
	defer func() {
		if s == nil {
			x.window = nil
		}
	}()
	if !x.maySections(x.out.o) || x.snap.SealedSome() || len(x.unsent.nameless)+len(x.unsent.waiting)+len(x.unsent.before) > 0 {
		return nil, nil
	}
	for _, t := range x.tables {
		if !x.stands(t) && (x.newer[t.meta.ID] || t.owed != 0 || t.lost || t.refused != nil || t.staff != nil && len(t.staff.lacked) > 0 || !t.meta.Default.IsEmpty() && t.meta.Default.Epoch > x.head.Base.Epoch) {
			return nil, nil
		}
	}
	w, err := x.readWindow(ctx)
	if err != nil || w == nil {
		return nil, err
	}
	x.window = w
	s = &shared{}
	rows, tables, columns := 0, 0, 0
	for _, i := range w.Divide(x.head.Base.Epoch, x.head.Upto.Epoch, x.peer.ID, x.out.o.Sections.limits()) {
		made, err := x.section(ctx, w, i)
		if err != nil {
			return nil, err
		}
		if made.Section == nil {
			continue
		}
		t, c := made.Tables()
		if tables, columns = tables+t, columns+c; tables > maxSectionTables || columns > maxSectionColumns {
			return nil, nil
		}
		rows += made.Rows()
		s.list, s.sections = append(s.list, i), append(s.sections, made)
	}
	if !x.out.o.Sections.pays(w.children, rows) {
		return nil, nil
	}
	s.File, err = w.Arrange(x.head.Base.Epoch, s.list, func(i int) []share.Row { return s.sections[i].refers }, func(rows []share.Row) ([]share.Row, error) { return x.refersFrom(ctx, rows) })
	if err != nil || len(s.Ahead) > rows/4 && !x.out.o.Sections.always {
		return nil, err
	}
	return s, nil
}

// What sections describe counts against the limits of a file, with what the rest of it does.
const maxSectionTables, maxSectionColumns = 2048, 1 << 16

// readWindow reads what changed since the peer's base, unless it was read for another one; nil: few children are there, or too much has changed.
func (x *exporter) readWindow(ctx context.Context) (*window, error) {
	as, all, base := x.signature(), x.out.o.Sections, x.head.Base.Epoch
	w := all.windowOf(&as, x.head.Upto, base)
	if w == nil {
		w = &window{as: as, from: base, at: x.head.Upto}
		if err := x.fillWindow(ctx, w); err != nil {
			return nil, err
		}
		all.setWindow(w)
	}
	if w.Window == nil || !all.pays(w.children, w.Len()) {
		return nil, nil
	}
	return w, nil
}

func (x *exporter) fillWindow(ctx context.Context, w *window) (err error) {
	if w.children, err = journal.CountChildren(ctx, x.snap); err != nil || !x.out.o.Sections.pays(w.children, mostShared) {
		return err
	}
	if w.live, w.dead, err = journal.LastEpochs(ctx, x.snap); err != nil {
		return err
	}
	var list []share.Entry
	w.versions = map[*schema.Table]entries{}
	for _, t := range x.tables {
		if !x.stands(t) {
			continue
		}
		rows, ok, err := journal.ChangedRows(ctx, x.snap, t.meta.ID, w.from, mostShared-len(list), x.j.Authors)
		if err != nil || !ok {
			return err
		}
		alone := x.goesAlone(t)
		for r, groups := range rows {
			e := entryOf(groups)
			e.Row, e.Alone = share.Row{Table: t.meta.ID, ID: r.Int}, alone
			list = append(list, e)
		}
		w.versions[t.Table] = rows
	}
	w.Window = share.NewWindow(list)
	return nil
}

// entryOf returns what counts of a live row.
func entryOf(groups []merge.Group) share.Entry {
	e := share.Entry{Involves: merge.Row{Known: true, Alive: true, Groups: groups}.Involves()}
	for _, g := range groups {
		e.Epoch = max(e.Epoch, g.Epoch)
		if g.Has(merge.Existence) {
			e.Born = g.Epoch
		}
	}
	return e
}

// signature is that of the sections of a file to the peer: two peers have the same if and only if rows that involve neither go to both in the same bytes.
func (p *plan) signature() (s signature) {
	h := sha256.New()
	fmt.Fprintln(h, p.history.ID, p.j.Catalogue.Fingerprint(), p.manyColumns, p.needed().Writable(p.peer.Heard).Without(features.ShortKeys).Names())
	goes := map[*table]int{}
	for i, t := range p.tables {
		goes[t] = i + 1
	}
	for _, t := range p.j.Catalogue.Tables {
		k := p.known[t]
		if k == nil {
			fmt.Fprintln(h, t.Name, t.Integer != nil)
			continue
		}
		fmt.Fprintln(h, t.Name, t.Root.Name, k.meta.ID, goes[k], p.stands(k), p.goesAlone(k), k.sendsIntegers(), k.policies, p.saysPublic(t))
		for _, c := range slices.Concat(t.KeyColumns, k.columns) {
			fmt.Fprint(h, c.Name, " ", kind(c), " ", p.slot(k.meta, c))
			if c.Ref != nil {
				fmt.Fprint(h, " ", c.Ref.Beside, c.Ref.ByName(), c.Ref.Patched())
				for _, to := range c.Ref.Targets() {
					fmt.Fprint(h, " ", to.Name)
				}
			}
			fmt.Fprintln(h)
		}
	}
	return signature(h.Sum(nil))
}

// ofShared returns the rows of a table among some.
func ofShared(rows []share.Row, tbl uint16) (out []journal.Row) {
	from, _ := slices.BinarySearchFunc(rows, tbl, func(r share.Row, tbl uint16) int { return int(r.Table) - int(tbl) })
	for _, r := range rows[from:] {
		if r.Table != tbl {
			break
		}
		out = append(out, journal.Row{Int: r.ID})
	}
	return out
}

// writeShared writes rows that go ahead, sections, and the rest.
func (x *exporter) writeShared(ctx context.Context, s *shared) error {
	if err := x.writeThose(ctx, s.Ahead); err != nil {
		return err
	}
	for _, made := range s.sections {
		f, err := x.out.current()
		if err != nil {
			return err
		}
		if err := f.w.Section(made.Section); err != nil {
			return err
		}
		short := f.dict.short
		f.dict = newDictionary(x.plan, f.w)
		f.dict.short = short
		f.made.Rows += int64(made.Rows())
		x.out.count(made.Rows())
	}
	return x.writeThose(ctx, s.Rest)
}

// writeThose writes some rows, those of referred tables before those of referring ones.
func (x *exporter) writeThose(ctx context.Context, rows []share.Row) error {
	for _, t := range x.tables {
		some := ofShared(rows, t.meta.ID)
		if len(some) == 0 {
			continue
		}
		if err := newReader(x.plan, t).eachOf(ctx, some, func(p *portion) error { return x.writeBlock(ctx, t, p, nil) }); err != nil {
			return err
		}
	}
	return nil
}
