package apply

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/match"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// natural is a certain natural key of a table, with the places of its columns.
type natural struct {
	*schema.NaturalKey
	places, where []int
}

// naturals returns the natural keys by which rows of a table are recognised with nobody asked.
func (v *resolver) naturals(l *localTable) []natural {
	if l.journal == nil || !v.j.Recognises(l.Table) {
		return nil
	}
	var out []natural
keys:
	for _, k := range v.j.Profile.NaturalKeys(v.j.Catalogue, l.Table) {
		if !k.Certain || k.Of != l.Table {
			continue
		}
		n := natural{NaturalKey: k}
		for _, c := range k.Columns {
			at, ok := l.place[c]
			if !ok {
				continue keys
			}
			n.places = append(n.places, at)
		}
		for _, f := range k.Where {
			at, ok := l.place[f.Column]
			if !ok {
				continue keys
			}
			n.where = append(n.where, at)
		}
		out = append(out, n)
	}
	return out
}

// of makes one text of the natural key that values have, given by place; "" if they have none: a part is NULL or empty, or refers to nothing.
func (n *natural) of(value func(place int) []byte) string {
	for i, at := range n.where {
		if string(value(at)) != n.Where[i].Value {
			return ""
		}
	}
	var b strings.Builder
	for i, at := range n.places {
		part := string(value(at))
		if n.Columns[i].Ref == nil {
			part = match.Fold(part)
		} else if part == "0" {
			part = ""
		}
		if part == "" || i == 0 && len(n.Only) > 0 && !slices.ContainsFunc(n.Only, func(o string) bool { return match.Fold(o) == part }) {
			return ""
		}
		fmt.Fprintf(&b, "%d:%s", len(part), part)
	}
	return b.String()
}

// recognise finds rows of a block that are rows here under other keys, and makes aliases of them.
func (im *importer) recognise(ctx context.Context, w *block) error {
	v := im.resolver
	if err := v.saveAliases(ctx); err != nil {
		return err
	}
	if w.retried || w.l.isEmpty() || w.l.emptyAtStart || !im.rules.Valid {
		return nil
	}
	naturals := v.naturals(w.l)
	if len(naturals) == 0 {
		return nil
	}
	if len(w.found) < w.n { // the row that it is may just come in another file
		if err := v.alone(); err != nil {
			return err
		}
	}
	if may, err := im.mayBeUnsent(ctx, w.l); err != nil || !may {
		return err
	}
	for _, n := range naturals {
		if err := im.recogniseBy(ctx, w, n); err != nil {
			return err
		}
	}
	return v.saveAliases(ctx)
}

// mayBeUnsent reports whether a table has rows that were never in a file for the sender.
func (im *importer) mayBeUnsent(ctx context.Context, l *localTable) (bool, error) {
	if d := l.journal.Default; !d.Mask.IsEmpty() && d.Epoch > im.rules.Sent && d.From != im.peer.ID {
		return true, nil
	}
	if !l.rules.Sends() && im.rules.Met != 0 {
		return true, nil
	}
	if im.unsentTables == nil {
		var err error
		if im.unsentTables, _, err = journal.NewerTables(ctx, im.writer.s.conn, im.rules.Sent, im.peer.ID); err != nil {
			return false, err
		}
	}
	return im.unsentTables[l.journal.ID], nil
}

// recogniseBy is recognise by one natural key.
func (im *importer) recogniseBy(ctx context.Context, w *block, n natural) error {
	v := im.resolver
	there := map[string][]int{} // places in the block
	looked := false
	for i := range w.n {
		key := n.of(func(at int) []byte {
			if w.values[at] == nil {
				return nil
			}
			return w.values[at][i]
		})
		if key == "" {
			continue
		}
		there[key] = append(there[key], i)
		_, isHere := w.found[i]
		looked = looked || !isHere && !w.filtered[i]
	}
	if !looked {
		return nil
	}
	here, err := v.rowsByNatural(ctx, w, n, there)
	if err != nil {
		return err
	}
	taken := map[journal.Row]bool{}
	for _, f := range w.found {
		taken[f.row] = true
	}
	var at []int
	var rows []journal.Row
	for key, places := range there {
		if _, isHere := w.found[places[0]]; len(places) == 1 && !isHere && !w.filtered[places[0]] && len(here[key]) == 1 && !taken[here[key][0]] {
			at, rows = append(at, places[0]), append(rows, here[key][0])
		}
	}
	return im.pair(ctx, w, n, at, rows)
}

// maxScanned is how many rows a table has at most that is read whole to compare natural keys. A larger one is searched, if a column of the
// natural key has an index.
const maxScanned = 50_000

// rowsByNatural returns the rows here that have one of the natural keys of a block's rows, by these.
func (v *resolver) rowsByNatural(ctx context.Context, w *block, n natural, wanted map[string][]int) (map[string][]journal.Row, error) {
	l := w.l
	wrap := func(err error) error { return fmt.Errorf("compare natural keys in %s: %w", l.Name, err) }
	size, err := v.s.number(ctx, fmt.Sprintf("SELECT COUNT(*) FROM (SELECT 1 FROM %s LIMIT %d) some", schema.Quote(l.Name), maxScanned+1))
	if err != nil {
		return nil, wrap(err)
	}
	columns := slices.Clone(n.Columns)
	for _, f := range n.Where {
		columns = append(columns, f.Column)
	}
	query := "SELECT " + journal.Identity(l.Table, "")
	for _, c := range columns {
		query += ", " + c.Select("")
	}
	query += " FROM " + schema.Quote(l.Name)
	out := map[string][]journal.Row{}
	read := func(r []sql.RawBytes) error {
		key := n.of(func(at int) []byte {
			for i, c := range columns {
				if l.place[c] == at {
					return r[2+i]
				}
			}
			return nil
		})
		if key != "" && wanted[key] != nil {
			out[key] = append(out[key], journal.Row{Int: sqldb.Int(r[0]), Key: string(r[1])})
		}
		return nil
	}
	if size <= maxScanned {
		if err := v.s.each(ctx, query, read); err != nil {
			return nil, wrap(err)
		}
		return out, nil
	}
	indexed := slices.IndexFunc(n.Columns, func(c *schema.Column) bool { return l.ForceIndex([]*schema.Column{c}) != "" })
	if indexed < 0 {
		v.notes.add("%s has more than %d rows, and no index of the %s by which rows are recognised: new rows of %s are taken for others", l.Name, maxScanned, n.Columns[0].Name, v.peer.Name)
		return out, nil
	}
	c := n.Columns[indexed]
	var literals []string
	for _, places := range wanted {
		literals = append(literals, string(c.AppendLiteral(nil, w.values[l.place[c]][places[0]])))
	}
	slices.Sort(literals)
	query += l.ForceIndex([]*schema.Column{c}) + " WHERE " + schema.Quote(c.Name) + " IN ("
	for some := range slices.Chunk(slices.Compact(literals), maxLookUp) {
		if err := v.s.each(ctx, query+strings.Join(some, ",")+")", read); err != nil {
			return nil, wrap(err)
		}
	}
	return out, nil
}

// pair lets the rules say which of the rows of a block that have the natural key of a row here are that row.
func (im *importer) pair(ctx context.Context, w *block, n natural, at []int, rows []journal.Row) error {
	v, l := im.resolver, w.l
	if len(at) == 0 {
		return nil
	}
	place := map[journal.Row]int{}
	for i, r := range rows {
		place[r] = at[i]
	}
	cand := &keyedRows{l: l, found: map[int]found{}}
	var places []int
	err := v.readRows(ctx, l, rows, lockAlone, l.written, func(f found) {
		key, ok := l.keyOf(f)
		if !ok || n.of(func(at int) []byte { return f.values[at] }) == "" {
			return
		}
		cand.found[len(cand.keys)] = f
		cand.keys, places = append(cand.keys, key), append(places, place[f.row])
	})
	if err != nil || len(cand.keys) == 0 {
		return err
	}
	if err := v.readKnown(ctx, cand); err != nil {
		return err
	}
	returned, err := journal.HaveReturned(ctx, v.s.conn, l.journal.ID, cand.keys)
	if err != nil {
		return err
	}
	var theirs []string
	for _, i := range places {
		theirs = append(theirs, v.keys.at(w.Keys[i]).canonical())
	}
	var dead map[string]merge.Version
	if l.tombstones {
		if dead, err = journal.Tombstones(ctx, v.s.conn, l.journal.ID, theirs, v.j.Authors); err != nil {
			return err
		}
	}
	for c, own := range cand.keys {
		e := v.keys.at(w.Keys[places[c]])
		_, isDead := dead[theirs[c]]
		_, paired := v.aliases.Their(l.journal.ID, own)
		x := merge.Likeness{Stays: !l.rules.Sends(), Here: 1, There: 1, KeyKnown: isDead || e.aliased || v.aliases.IsOwn(l.journal.ID, theirs[c]), Paired: paired, Returned: returned[own], Apart: im.o.Apart != nil && im.o.Apart(l.Name, own, theirs[c]), Local: cand.known[c]}
		if !im.rules.Recognises(x) || len(theirs[c]) > journal.MaxAliasKey || len(own) > journal.MaxAliasKey {
			continue
		}
		v.addAlias(journal.Alias{Peer: v.peer.ID, Table: l.journal.ID, Their: theirs[c], Own: own, From: journal.AliasCertain, At: v.j.Now().UnixMicro()})
		e.key, e.aliased = own, true
		if w.found == nil {
			w.found = map[int]found{}
		}
		w.found[places[c]] = cand.found[c]
		if err := v.identify(l, w.Keys[places[c]], cand.found[c].row, cand.found[c].values); err != nil {
			return err
		}
		l.count.Recognised++
		if im.recognised == nil {
			im.recognised = map[*localTable][]journal.Row{}
		}
		im.recognised[l] = append(im.recognised[l], cand.found[c].row)
	}
	return nil
}

// resendReferring has rows sent again that refer to rows which were recognised: what was sent of them before has a key that the peer does not
// know, and waits there.
func (im *importer) resendReferring(ctx context.Context) error {
	if im.rules.Sent == 0 || len(im.recognised) == 0 {
		return nil
	}
	conn := im.writer.s.conn
	epoch, err := journal.NextEpoch(ctx, conn, true, im.j.Now())
	if err != nil {
		return err
	}
	resent := false
	sends := func(t *schema.Table) bool { return im.resolver.table(t).rules.Sends() }
	for l, rows := range im.recognised {
		some, err := im.j.ResendReferring(ctx, conn, l.Table, rows, sends, epoch.Epoch)
		if err != nil {
			return err
		}
		resent = resent || some
	}
	if !resent {
		return journal.DropEpoch(ctx, conn, epoch.Epoch)
	}
	return nil
}

// keyOf is the key, canonical, of a row that was read with the columns that are written.
func (l *localTable) keyOf(f found) (string, bool) {
	parts := make([]*string, len(l.KeyColumns))
	for i, c := range l.KeyColumns {
		if b := f.values[l.place[c]]; b != nil {
			s := string(b)
			parts[i] = &s
		}
	}
	if slices.Contains(parts, nil) {
		return "", false
	}
	return journal.Canonical(l.Table, journal.JoinKey(parts)), true
}
