package apply

import (
	"context"
	"fmt"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// asides are the rows of one batch that cannot be applied, as the tries at it found out.
type asides struct {
	known map[asideKey]*cause // by earlier tries
	late  map[asideKey]*cause // by this one, when it had begun to write them
	last  bool                // no row is written before what it refers to is here
}

type asideKey struct{ table, key string } // the key canonical

// asideError asks for another try, in which these rows wait from the start.
type asideError struct{ late map[asideKey]*cause }

func (e *asideError) Error() string { return fmt.Sprintf("%d rows cannot be applied", len(e.late)) }

// lateAsides returns an *asideError if rows turned out to be inapplicable when they were being written.
func (im *importer) lateAsides(context.Context) error {
	if a := im.writer.aside; a != nil && len(a.late) > 0 {
		return &asideError{a.late}
	}
	return nil
}

// incomingRow returns a row of a block as the rules read it, and the rules for it: a row that takes the place of one that waits, or that
// waited itself, is settled as of when that came.
func (im *importer) incomingRow(w *block, i int, known merge.Row) (merge.Incoming, *merge.Import) {
	in := im.incomingAlone(w, i)
	q, waited := w.waited(i)
	if !waited {
		in.NeverSent, in.Columns = w.l.rules.NeverSent(known, in.Whose), w.l.whole
		return in, &im.rules
	}
	if !w.retried {
		q.Waiting = im.rules.Waiting(in).After(q.Waiting)
	}
	rules := im.rules.Of(q.Waiting)
	in = q.Incoming
	in.NeverSent, in.Columns = w.l.rules.NeverSent(known, in.Whose), w.l.whole
	return in, &rules
}

// waited returns what waits of a row, or did.
func (w *keyedRows) waited(i int) (journal.WaitingRow, bool) {
	q, ok := w.earlier[w.keys[i]]
	return q, ok
}

// passedOver reports whether a row is to be left as it waits: one that was dropped and comes as it was then, or one that comes older than it waits.
func (im *importer) passedOver(w *block, i int) bool {
	q, waited := w.waited(i)
	return waited && (q.Dropped.At != 0 && !im.rules.News(im.incomingAlone(w, i)) || !w.retried && im.rules.OlderThan(q.Waiting))
}

// mustWait returns why a row cannot be applied that needs no more than a look at it; nil if nothing is known against it.
func (im *importer) mustWait(w *block, i int, rules *merge.Import, known merge.Row) *cause {
	if why := im.known(w.l, w.keys[i]); why != nil {
		return why
	}
	return im.stampsRefused(rules, known, w.groups[i]...)
}

// known returns the cause that an earlier try found.
func (im *importer) known(l *localTable, key string) *cause { return im.writer.aside.cause(l, key) }

// cause returns the cause that an earlier try found; nil if it found none.
func (a *asides) cause(l *localTable, key string) *cause {
	if a == nil {
		return nil
	}
	return a.known[asideKey{l.Name, key}]
}

// stampsRefused returns the cause of a row of which a stamp is not taken; nil if all are.
func (im *importer) stampsRefused(rules *merge.Import, known merge.Row, groups ...merge.SentGroup) *cause {
	for _, g := range groups {
		if !rules.Takes(known, g.Stamp) {
			return im.beyondHorizon(g.Stamp)
		}
	}
	return nil
}

// lacks returns the cause of a row that is to be written and refers to what is not here, and cannot come later in the batch; nil if it
// refers to nothing such. early: what may come back for the row (see bringBackFor) does not count yet.
func (im *importer) lacks(ctx context.Context, w *block, i int, early bool) (*cause, error) {
	out := w.decided[i].Outcome
	if out.Action != merge.Insert && out.Action != merge.Update {
		return nil, nil
	}
	if why := w.differs[i]; why != nil {
		return why, nil
	}
	if im.writer.aside == nil {
		return nil, nil
	}
	mayCome := func(at uint32) bool {
		to := im.resolver.keys.at(at)
		return early && to.root != nil && rowName{to.root, to.canonical()}.mayReturn(im.resolver)
	}
	for _, p := range w.pending[i] {
		if !w.l.writes(im.written(w, i), w.l.place[p.column]) || p.plain != nil || mayCome(p.to) { // a plain value stays as it came
			continue
		}
		to := im.resolver.keys.at(p.to)
		if to.root == nil {
			return refersFar(p.column, to.far()), nil
		}
		if im.writer.aside.last || !p.column.Ref.Patched() || im.known(to.root, to.canonical()) != nil {
			return im.resolver.refersNowhere(ctx, p.column, to.root, to.key)
		}
	}
	if out.Action == merge.Insert {
		if _, ok := im.resolver.keyValues(w.l, w.Keys[i]); !ok {
			if c, at := im.missingPart(w, i); !mayCome(at) {
				e := im.resolver.keys.at(at)
				return im.resolver.refersNowhere(ctx, c, e.root, e.key)
			}
		}
	}
	return nil, nil
}

// wait sets a row aside that the import has not begun to write.
func (im *importer) wait(ctx context.Context, w *block, i int, why *cause) error {
	e := im.resolver.keys.at(w.Keys[i])
	if w.scoped != nil {
		w.scoped[i].waits = true
	}
	if im.writer.aside == nil {
		return im.writer.setAside(w.l, e.key, why)
	}
	q, waited := w.waited(i)
	now := im.j.Now().UnixMicro()
	if w.retried {
		return im.writer.triedInVain(ctx, &q, why.reason(w.l, e.key), now)
	}
	row := im.waitingRow(w, i)
	row.Reason, row.Since, row.Tried = why.reason(w.l, e.key), now, now
	if waited {
		row.Waiting, row.Since = row.Waiting.After(q.Waiting), q.Since
	}
	im.writer.noteWaiting(w.l, row.Reason.Text)
	return im.writer.keepWaiting(ctx, row)
}

// notedWaiting is of how many rows of a table that wait an import says why.
const notedWaiting = 3

// noteWaiting counts a row that waits, and says why of the first ones.
func (w *writer) noteWaiting(l *localTable, why string) {
	if l.count.Waiting++; l.count.Waiting <= notedWaiting {
		w.resolver.notes.add("waits: %s", why)
	}
}

// triedInVain notes that a row goes on waiting: most for what they waited for before.
func (w *writer) triedInVain(ctx context.Context, q *journal.WaitingRow, why journal.Reason, now int64) error {
	if why == q.Reason {
		w.triedWaiting = append(w.triedWaiting, q.ID)
		return nil
	}
	return journal.TriedWaiting(ctx, w.s.conn, q.ID, why, now)
}

// waitDeletion sets a deletion aside.
func (im *importer) waitDeletion(ctx context.Context, d *deletion, why *cause) error {
	if im.writer.aside == nil {
		return im.writer.setAside(d.l, d.key, why)
	}
	now := im.j.Now().UnixMicro()
	if d.retried {
		return im.writer.triedInVain(ctx, d.waiting, why.reason(d.l, d.key), now)
	}
	row := journal.WaitingRow{Peer: im.peer.ID, Table: d.l.journal.ID, Key: d.key, Waiting: im.rules.Waiting(im.incoming(d)), Reason: why.reason(d.l, d.key), Since: now, Tried: now}
	im.writer.noteWaiting(d.l, row.Reason.Text)
	return im.writer.keepWaiting(ctx, row)
}

// incomingAlone is a row of a block as it came, whatever waits.
func (im *importer) incomingAlone(w *block, i int) merge.Incoming {
	row := w.found[i].row
	in := merge.Incoming{Alive: true, Groups: w.groups[i], Ack: im.ackOf(w.l, row)}
	if w.Acks != nil && !im.unsent[w.l.journal.ID][row] {
		in.Ack = im.rules.RowAck(w.Acks[i])
	}
	in.Unseen = w.t.lacks.Unseen(in.Ack)
	if !w.retried {
		in.Missed = w.t.lacks.Missed(in.Ack)
		in.Whose = w.l.rules.SaysWhose(w.groups[i])
	}
	return in
}

// noLongerWaits notes that a row is settled: what waited of it is done with.
func (im *importer) noLongerWaits(w *block, i int) {
	if q, ok := w.waited(i); ok {
		im.writer.settledWaiting = append(im.writer.settledWaiting, q.ID)
		w.l.count.Retried++
	}
}

// content is what came of a row, its key among it: references as the keys of their rows.
func (v *resolver) content(w *block, i int) journal.Content {
	out := journal.Content{}
	for at, c := range w.t.columns {
		if c == nil || c.Generated || !w.carries(at) {
			continue
		}
		sent := w.Columns[at]
		switch {
		case sent.Refs != nil && sent.Refs[i] >= batch.FirstRef:
			out[c.Name] = v.reference(sent.Refs[i])
		case sent.Refs != nil && sent.Refs[i] == batch.RefNowhere:
			nowhere := "0"
			out[c.Name] = journal.Value{Text: &nowhere}
		case sent.Bytes != nil && sent.Bytes[i] != nil:
			text := string(sent.Bytes[i])
			out[c.Name] = journal.Value{Text: &text}
		default:
			out[c.Name] = journal.Value{}
		}
	}
	v.addKeyContent(out, w.l, w.Keys[i])
	return out
}

// unknownTable stands for the table of a row of which nothing can be found any more.
const unknownTable = "?"

// reference is a row that is referred to, as it is stored.
func (v *resolver) reference(i uint32) journal.Value {
	e := v.keys.at(i)
	key, table := e.key, unknownTable
	switch {
	case e.root != nil:
		table = e.root.Name
	case e.far() != "" && key != "":
		table = e.far()
	}
	return journal.Value{Text: &key, Table: table}
}

// addKeyContent adds the columns of a row's key.
func (v *resolver) addKeyContent(out journal.Content, l *localTable, i uint32) {
	e := v.keys.at(i)
	if l != e.root { // the key of an ancestor's row
		out[l.KeyColumns[0].Name] = v.reference(i)
		return
	}
	parts, ok := journal.SplitKey(e.key, len(l.KeyColumns))
	if !ok {
		return
	}
	refs := v.keys.refs(e)
	for p, c := range l.KeyColumns {
		if refs != nil && refs[p] != 0 {
			out[c.Name] = v.reference(refs[p])
		} else {
			out[c.Name] = journal.Value{Text: parts[p]}
		}
	}
}

// maxArrived is how many keys are remembered of rows that came and for which others wait. What waits for more is tried in its turn.
const maxArrived = 100_000

// noteArrived remembers a new row, if rows wait for some of its table or of its ancestor's, whose key it has.
func (w *writer) noteArrived(l *localTable, key string) {
	root := w.resolver.table(l.Root).journal
	if root == nil || !w.awaited[root.ID] || len(w.arrived[root.ID]) >= maxArrived {
		return
	}
	w.arrived[root.ID] = append(w.arrived[root.ID], journal.Canonical(l.Table, key))
}

// dropSettled forgets the rows that waited and are settled.
func (im *importer) dropSettled(ctx context.Context) error {
	if err := journal.TouchWaiting(ctx, im.writer.s.conn, im.writer.triedWaiting, im.j.Now().UnixMicro()); err != nil {
		return err
	}
	if len(im.writer.settledWaiting) == 0 {
		return nil
	}
	_, err := journal.ForgetWaiting(ctx, im.writer.s.conn, journal.WaitingFilter{IDs: im.writer.settledWaiting})
	im.writer.settledWaiting = nil
	return err
}

// readWaiting reads which of the rows wait in a version that the sender sent before.
func (v *resolver) readWaiting(ctx context.Context, w *keyedRows) error {
	w.earlier = nil
	if w.l.journal == nil || v.waiting[w.l.journal.ID] == nil {
		return nil
	}
	keys, err := v.mayWait(ctx, w)
	if err != nil || len(keys) == 0 {
		return err
	}
	w.earlier = map[string]journal.WaitingRow{}
	f := journal.WaitingFilter{Peer: v.peer.ID, Table: w.l.journal.ID, Keys: keys, NotLost: true}
	return journal.Waiting(ctx, v.s.conn, f, func(q journal.WaitingRow) error {
		q.Content = nil // the row that comes takes its place
		w.earlier[q.Key] = q
		return nil
	})
}

// waitingTable is a table of which versions of the sender's rows wait.
type waitingTable struct {
	asked, read bool                // the rows of a block were looked for; the keys of all were read
	keys        journal.WaitingKeys // nil: not read, or too many
}

// maxWaitingKeys is of how many rows of a table that wait an import remembers the keys.
const maxWaitingKeys = 10_000

// mayWait returns the keys of those rows that are to be looked for among what waits. For a table of which few wait they are all read, once
// it turns out that the batch has many rows of it.
func (v *resolver) mayWait(ctx context.Context, w *keyedRows) (_ []string, err error) {
	t := v.waiting[w.l.journal.ID]
	if !t.asked {
		t.asked = true
		return w.keys, nil
	}
	if !t.read {
		t.read = true
		if t.keys, err = journal.ReadWaitingKeys(ctx, v.s.conn, v.peer.ID, w.l.journal.ID, maxWaitingKeys); err != nil {
			return nil, err
		}
	}
	if t.keys == nil {
		return w.keys, nil
	}
	return t.keys.Among(w.keys), nil
}

// addStored takes a key into the dictionary as the journal stores it.
func (v *resolver) addStored(st *schema.Table, key string) (uint32, bool) {
	root := v.table(st.Root)
	parts, ok := journal.SplitKey(key, len(root.KeyColumns))
	if !ok {
		return 0, false
	}
	e := entry{root: root, key: key}
	var refs []uint32
	for p, c := range root.KeyColumns {
		if c.Ref == nil || c.Ref.When != nil || parts[p] == nil {
			continue
		}
		to, ok := v.addStored(c.Ref.To, *parts[p])
		if !ok {
			return 0, false
		}
		if refs == nil {
			refs = make([]uint32, len(root.KeyColumns))
		}
		refs[p] = to
	}
	if refs != nil {
		e.refs = v.keys.keep(refs)
	}
	e.key, e.aliased = v.ownSince(root, e.key) // it may have been found out since
	return v.keys.add(e), true
}
