package apply

import (
	"database/sql"
	"fmt"
	"slices"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
)

// losses records values of a block's row that lost.
func (x *run) losses(w *rows, i int, lost []merge.Conflict) error {
	for _, l := range lost {
		err := x.lose(w.l, w.keys[i], l, func(c *schema.Column) (*string, error) {
			if !l.Incoming {
				return x.global(c, w.found[i].values[w.l.at[c]])
			}
			for _, p := range w.pending[i] {
				if p.column == c {
					k := x.entry(p.to).canonical()
					return &k, nil
				}
			}
			return x.sent(w, i, c)
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// sent is an incoming value as the sender has it: references by their keys.
func (x *run) sent(w *rows, i int, c *schema.Column) (*string, error) {
	at := slices.Index(w.t.columns, c)
	if at < 0 {
		return nil, nil
	}
	v := w.Columns[at]
	if v.Refs != nil && v.Refs[i] >= batch.FirstRef {
		e := x.entry(v.Refs[i])
		k := e.key
		if e.root != nil {
			k = e.canonical()
		}
		return &k, nil
	}
	if v.Bytes != nil && v.Bytes[i] != nil {
		s := string(v.Bytes[i])
		return &s, nil
	}
	return nil, nil
}

// lossesOf records values of a row that is deleted, or its deletion.
func (x *run) lossesOf(d *deletion, lost []merge.Conflict) error {
	var values [][]byte // read again: there may be many deletions, and few are recorded
	value := func(c *schema.Column) (*string, error) {
		if values == nil {
			if err := x.readRows(d.l, []journal.Row{d.row.row}, "", d.l.written, func(f found) { values = f.values }); err != nil {
				return nil, err
			}
		}
		if values == nil {
			return nil, fmt.Errorf("%s: a row that was locked is gone", d.l.Name)
		}
		return x.global(c, values[d.l.at[c]])
	}
	for _, l := range lost {
		if err := x.lose(d.l, d.key, l, value); err != nil {
			return err
		}
	}
	return nil
}

// lose records one loss, column by column.
func (x *run) lose(l *local, key string, lost merge.Conflict, value func(*schema.Column) (*string, error)) error {
	c := journal.Conflict{Table: l.Name, Key: key, Loser: lost.Loser, Winner: lost.Winner, At: x.j.Now().UnixMicro(), Epoch: x.epoch.Epoch, Deletion: lost.Deletion}
	columns := 0
	if !lost.Deletion {
		for _, column := range l.Columns {
			bit := l.jt.Bit(column.Name)
			if bit&lost.Mask == 0 || bit&l.mask == 0 || column.InsertOnly {
				continue
			}
			v, err := value(column)
			if err != nil {
				return err
			}
			columns++
			c.Column, c.Value = column.Name, v
			if err := x.record(c); err != nil {
				return err
			}
		}
	}
	if columns == 0 && lost.Mask&merge.Existence != 0 {
		c.Column, c.Value = "", nil
		return x.record(c)
	}
	return nil
}

// global is a value of this database as it means the same everywhere: a reference is the key of its row.
func (x *run) global(c *schema.Column, v []byte) (*string, error) {
	if v == nil {
		return nil, nil
	}
	s := string(v)
	if c.Ref == nil || c.Ref.When != nil || c.Ref.To.Integer == nil || c.Ref.ToColumn != c.Ref.To.Integer {
		return &s, nil
	}
	root := c.Ref.To.Root
	if root.Integer == nil || len(root.KeyColumns) != 1 || root.KeyColumns[0].Ref != nil {
		return &s, nil
	}
	query := fmt.Sprintf("SELECT %s FROM %s WHERE %s = %d", schema.Quote(root.KeyColumns[0].Name), schema.Quote(root.Name), schema.Quote(root.Integer.Name), sqldb.Int(v))
	err := sqldb.Each(x.ctx, x.c, query, func(r []sql.RawBytes) error {
		s = journal.Canonical(root, string(r[0]))
		return nil
	})
	return &s, err
}

// records takes in conflicts that others recorded: of what the sender may send, like the values themselves.
func (x *run) records(b *batch.Records) error {
	t := x.numbers[b.Table]
	if t.local == nil {
		x.note("records of conflicts in %q are left out: %s", t.Name, t.why)
		return nil
	}
	if err := x.checkKeys(t.local, b.Keys); err != nil {
		return err
	}
	for i, k := range b.Keys {
		c := journal.Conflict{Table: t.local.Name, Key: x.entry(k).canonical(), Column: b.Columns[i], Loser: merge.Stamp{Time: b.LostTimes[i], Author: b.LostAuthors[i]},
			Winner: merge.Stamp{Time: b.WonTimes[i], Author: b.WonAuthors[i]}, At: b.At[i], Epoch: x.epoch.Epoch, From: x.peer.ID}
		if b.Values[i] != nil {
			v := string(b.Values[i])
			c.Value = &v
		}
		c.Deletion = c.Column == "" && b.Notes != nil && b.Notes[i] == deletionNote
		if !x.mayRecord(t, c) {
			x.note("records of conflicts in %s.%q are left out: %s may not send them", t.local.Name, c.Column, x.peer.Name)
			continue
		}
		if err := x.record(c); err != nil {
			return err
		}
	}
	return nil
}

// recordBytes is how much of conflicts is held before it is written.
const recordBytes = 4 << 20

// record takes a conflict down.
func (x *run) record(c journal.Conflict) error {
	x.lost = append(x.lost, c)
	x.lostBytes += 200 + len(c.Key)
	if c.Value != nil {
		x.lostBytes += len(*c.Value)
	}
	if x.lostBytes < recordBytes {
		return nil
	}
	return x.recordLost()
}

// mayRecord says whether the sender may record a conflict about this.
func (x *run) mayRecord(t *table, c journal.Conflict) bool {
	if !x.mayChange(t.local.Table) && !(c.Deletion && x.mayReturn(t.local.Table)) {
		return false
	}
	return c.Column == "" || slices.ContainsFunc(t.columns, func(k *schema.Column) bool { return k != nil && k.Name == c.Column })
}

// deletionNote marks the record of a deletion that lost.
const deletionNote = "deletion"

// recordLost writes the conflicts that were taken down.
func (x *run) recordLost() error {
	n, err := journal.PutConflicts(x.ctx, x.c, x.lost)
	if n > 0 {
		x.wrote = true
	}
	x.report.Conflicts += n
	x.lost, x.lostBytes = nil, 0
	return err
}

// sendAgain does what the header asks for: tables that the sender switched on, or in which it gained a column, or whose
// triggers had been missing, get a new epoch that only sends again.
func (x *run) sendAgain(h *batch.Header) error {
	var todo []string
	for _, a := range h.Requests {
		ask, ok := journal.ParseResendRequest(a)
		if !ok || ask.Epoch <= x.peer.Answered[ask.Table] || !x.goes(ask.Table) {
			continue // an older request may come again, in a file that was late
		}
		if x.peer.Answered == nil {
			x.peer.Answered = map[string]uint64{}
		}
		x.peer.Answered[ask.Table] = ask.Epoch
		todo = append(todo, ask.Table)
	}
	if len(todo) == 0 {
		return nil
	}
	again, err := journal.NextEpoch(x.ctx, x.c, true, x.j.Now())
	if err != nil {
		return err
	}
	for _, name := range todo {
		if err := journal.Resend(x.ctx, x.c, x.j.Tables[name], again.Epoch, x.j.Authors); err != nil {
			return err
		}
	}
	return x.loadsSentAgain(again.Epoch)
}

// goes says whether a table's rows go to the sender of the batch.
func (x *run) goes(name string) bool {
	t := x.j.Catalogue.Table(name)
	if t == nil || !t.Replicated || x.j.Tables[t.Name] == nil || t.Name != name {
		return false
	}
	d := x.j.Profile.Direction(name)
	return d != access.None && (d != access.Down || x.peer.Role != access.Parent)
}

// loadsSentAgain lets the links know on which a load is under way: its rows are no longer told by their epochs.
func (x *run) loadsSentAgain(epoch uint64) error {
	x.peer.Link.RecordResend(epoch)
	peers, err := journal.Peers(x.ctx, x.c)
	if err != nil {
		return err
	}
	for _, p := range peers {
		if p.ID == x.peer.ID || p.Link.Receiving.ID == 0 {
			continue
		}
		if p, err = journal.PeerByName(x.ctx, x.c, p.Name, true); err != nil {
			return err
		}
		p.Link.RecordResend(epoch)
		if err := journal.SavePeer(x.ctx, x.c, p); err != nil {
			return err
		}
	}
	return nil
}
