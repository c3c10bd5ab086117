package apply

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// Retry tries rows of one peer again that wait, those that the filter chooses: in one transaction, as [Import] does. What still cannot be
// applied goes on waiting. It returns nil if there are none. Errors: as of Import.
func Retry(ctx context.Context, j *journal.Journal, peer string, filter journal.WaitingFilter, o Options) (*Report, error) {
	o.AcceptDeletions = true // they were counted when they came
	a := attempt{j: j, o: o, aside: map[asideKey]*cause{}}
	for n := 1; ; n++ {
		report, err := a.retry(ctx, peer, filter)
		var aside *asideError
		switch {
		case errors.As(err, &aside) && n <= maxAsideAttempts:
			a.letWait(aside, n == maxAsideAttempts)
		case errors.Is(err, errUnsealed) && o.Seal != nil && n < maxAttempts:
			if err := o.Seal(ctx); err != nil {
				return nil, err
			}
		case sqldb.IsLockConflict(err) && n < maxAttempts && ctx.Err() == nil:
			pause(ctx, n)
		default:
			return report, a.stop(ctx, err)
		}
	}
}

// retry is one try at it.
func (a *attempt) retry(ctx context.Context, peer string, filter journal.WaitingFilter) (*Report, error) {
	s, err := openSession(ctx, a.j.DB, &batch.Header{Base: batch.Position{Epoch: 1}})
	if err != nil {
		return nil, err
	}
	defer s.close()
	if err := journal.Gate(ctx, s.conn.Conn, true, a.o.Wait); err != nil {
		return nil, err
	}
	l, err := readPeerLink(ctx, a.j, s, peer, false)
	if err != nil {
		return nil, err
	}
	filter.Peer, filter.NotDropped = l.peer.ID, true
	l.meter = newMeter(l.peer, a.o)
	var rows []journal.WaitingRow
	err = journal.Waiting(ctx, s.conn, filter, func(q journal.WaitingRow) error { rows = append(rows, q); return nil })
	if err != nil || len(rows) == 0 {
		return nil, err
	}
	if err := l.openScopes(ctx); err != nil {
		return nil, err
	}
	im, err := newRetry(ctx, l, a.o, a.asides())
	if err != nil {
		return nil, err
	}
	if err := im.bringIn(ctx, func(ctx context.Context) error { return im.readWaitingRows(ctx, rows) }); err != nil {
		return nil, fmt.Errorf("try rows of %s again: %w", peer, err)
	}
	report := &Report{Sender: peer, Outcome: Applied}
	im.addCounts(report)
	report.Notes = l.notes.list
	if err := l.flushScopes(); err != nil {
		return nil, err
	}
	if l.epoch.used {
		l.peer.Link.RecordRetry(l.epoch.Epoch)
	}
	if err := l.save(ctx); err != nil || a.o.DryRun {
		return report, err
	}
	_, err = s.conn.ExecContext(ctx, "COMMIT")
	return report, err
}

// newRetry starts to bring in rows that waited: each has rules of its own.
func newRetry(ctx context.Context, l *peerLink, o Options, a *asides) (*importer, error) {
	resent, err := journal.ResendEpochs(ctx, l.s.conn, 0)
	if err != nil {
		return nil, err
	}
	ours := set(resent)
	rules := merge.Import{Self: l.j.Self, Peer: l.peer.ID, Epoch: l.epoch.Epoch, Valid: true, FromParent: l.peer.Role == access.Parent,
		Acked: l.peer.Link.Acked.Epoch, OwnResent: func(e uint64) bool { return ours[e] }}
	rules.Horizon = merge.Horizon(l.j.Now().UnixMicro(), o.horizon().Microseconds(), rules.FromParent)
	v := newResolver(l)
	w := newWriter(l, v, o)
	w.aside, v.aside, w.arrived = a, a, map[uint16][]string{}
	if w.awaited, err = journal.Awaited(ctx, l.s.conn); err != nil {
		return nil, err
	}
	return &importer{j: l.j, o: o, peer: l.peer, rules: rules, epoch: l.epoch, notes: l.notes, scopes: l.scopes, resolver: v, writer: w,
		deletions: map[*localTable]*deletionCounts{}}, nil
}

// retryRows is how many rows that waited are brought in as one block.
const retryRows = 500

// readWaitingRows brings in rows that waited: deletions first, then rows of referred tables before those that refer to them.
func (im *importer) readWaitingRows(ctx context.Context, rows []journal.WaitingRow) error {
	byNumber := map[uint16]*schema.Table{}
	for _, t := range im.j.Replicated() {
		byNumber[im.j.Tables[t.Name].ID] = t
	}
	rows = slices.DeleteFunc(rows, func(q journal.WaitingRow) bool { return byNumber[q.Table] == nil }) // the table is gone for now
	shapes := map[uint64]string{}
	shape := func(q journal.WaitingRow) string { return shapes[q.ID] }
	shapeOf := func(q journal.WaitingRow) string { // rows of one shape are one block
		names := []string{fmt.Sprint(q.Alive, " ", q.Lost)}
		for _, c := range byNumber[q.Table].Columns {
			if _, ok := q.Content[c.Name]; ok {
				names = append(names, c.Name)
			}
		}
		return strings.Join(names, "\x00")
	}
	for _, q := range rows {
		shapes[q.ID] = shapeOf(q)
	}
	slices.SortStableFunc(rows, func(a, b journal.WaitingRow) int {
		return cmp.Or(compareBool(a.Alive, b.Alive), cmp.Compare(byNumber[a.Table].Position, byNumber[b.Table].Position), cmp.Compare(shape(a), shape(b)))
	})
	for len(rows) > 0 {
		n, seen := 0, map[string]bool{}
		for n < len(rows) && n < retryRows && rows[n].Table == rows[0].Table && shape(rows[n]) == shape(rows[0]) && !seen[rows[n].Key] {
			seen[rows[n].Key] = true
			n++
		}
		im.resolver.keys.reset()
		if err := im.readWaitingBlock(ctx, byNumber[rows[0].Table], rows[:n]); err != nil {
			return err
		}
		rows = rows[n:]
	}
	return nil
}

func compareBool(a, b bool) int {
	switch {
	case a == b:
		return 0
	case b:
		return -1
	}
	return 1
}

// readWaitingBlock brings in rows of one table that have values for the same columns.
func (im *importer) readWaitingBlock(ctx context.Context, st *schema.Table, rows []journal.WaitingRow) error {
	v := im.resolver
	l := v.table(st)
	w := &block{Rows: &batch.Rows{}, t: &sentTable{Table: batch.Table{Name: st.Name}, local: l, keys: l}, retried: true,
		keyedRows: keyedRows{l: l, earlier: map[string]journal.WaitingRow{}}, pending: map[int][]reference{}, filtered: map[int]bool{}}
	usable := rows[:0:0]
	for _, q := range rows {
		key, ok := v.addStored(st, q.Key)
		if ok && q.Alive {
			key, ok = v.addStoredKey(l, q)
		}
		if !ok {
			continue // its table has another key now
		}
		w.Keys = append(w.Keys, key)
		w.earlier[v.keys.at(key).canonical()] = q
		w.groups = append(w.groups, q.Groups)
		usable = append(usable, q)
	}
	if w.n = len(usable); w.n == 0 {
		return nil
	}
	if !usable[0].Alive {
		return im.retryDeletions(ctx, w, usable)
	}
	for _, c := range st.Columns {
		if _, came := usable[0].Content[c.Name]; !came || c.Generated || c.Key {
			continue
		}
		values := v.storedValues(w, c, usable)
		w.t.columns = append(w.t.columns, c)
		w.Columns = append(w.Columns, values)
	}
	return im.readBlock(ctx, w)
}

// addStoredKey takes the key of a row into the dictionary, as its sender has it: its content has it so.
func (v *resolver) addStoredKey(l *localTable, q journal.WaitingRow) (uint32, bool) {
	if l.Root != l.Table {
		c, ok := q.Content[l.KeyColumns[0].Name]
		if !ok || c.Text == nil {
			return 0, false
		}
		return v.addStored(l.Root, *c.Text)
	}
	parts := make([]*string, len(l.KeyColumns))
	for p, c := range l.KeyColumns {
		value, ok := q.Content[c.Name]
		if !ok || (value.Table != "") != (c.Ref != nil && value.Text != nil) {
			return 0, false
		}
		parts[p] = value.Text
	}
	return v.addStored(l.Table, journal.JoinKey(parts))
}

// storedValues are the values of a column as a batch would have them.
func (v *resolver) storedValues(w *block, c *schema.Column, rows []journal.WaitingRow) batch.Values {
	out := batch.Values{Bytes: make([][]byte, len(rows))}
	if c.Ref != nil || slices.ContainsFunc(rows, func(q journal.WaitingRow) bool { return q.Content[c.Name].Table != "" }) {
		out.Refs = make([]uint32, len(rows))
	}
	for i, q := range rows {
		value := q.Content[c.Name]
		switch {
		case value.Text == nil:
		case value.Table == "" && c.Ref != nil && c.Ref.When == nil:
			if out.Refs[i] = batch.RefNowhere; *value.Text != "0" {
				w.differ(i, numberSent(c))
			}
		case value.Table == "":
			out.Bytes[i] = []byte(*value.Text)
		default:
			to := v.j.Catalogue.Named(value.Table)
			if to == nil { // nowhere, until its table is here
				out.Refs[i] = v.keys.add(entry{key: *value.Text, rare: &rare{far: value.Table}})
				continue
			}
			index, ok := v.addStored(to, *value.Text)
			if !ok {
				index = v.keys.add(entry{})
			}
			out.Refs[i] = index
		}
	}
	if c.Ref != nil && c.Ref.When == nil {
		out.Bytes = nil
	}
	return out
}

// retryDeletions brings in deletions that waited.
func (im *importer) retryDeletions(ctx context.Context, w *block, rows []journal.WaitingRow) error {
	l := w.l
	columns := l.referredColumns()
	found, err := im.resolver.locateDeleted(ctx, l, w.Keys, columns)
	if err != nil {
		return err
	}
	for i := range rows {
		if l.keeps(found.keys[i], found.found[i], columns) {
			im.writer.settledWaiting = append(im.writer.settledWaiting, rows[i].ID)
			continue
		}
		d := &deletion{l: l, key: found.keys[i], known: found.known[i], hasEntry: found.hasEntry[i], changes: found.changes[i], columns: columns,
			deleted: rows[i].Dead, waiting: &rows[i], retried: true}
		d.row, d.isHere = found.found[i]
		im.pendingDeletes = append(im.pendingDeletes, d)
	}
	return im.delete(ctx, reading)
}
