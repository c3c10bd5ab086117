package scopes

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
)

// Changes reports whether there is anything that Flush writes.
func (s *Store) Changes() bool {
	if len(s.dirty)+len(s.wantsNew)+len(s.heldNew)+len(s.purgesNew)+len(s.log) > 0 || s.seeksChanged() || s.public != nil && len(s.public.dirty) > 0 {
		return true
	}
	for _, m := range s.exceptions {
		if len(m.dirty) > 0 {
			return true
		}
	}
	for _, all := range s.entries {
		if len(all.dirty) > 0 {
			return true
		}
	}
	return false
}

// Flush writes what the rules changed, and returns the first error of the store: then nothing of the transaction may be committed. After it the
// store goes on.
func (s *Store) Flush() error {
	if s.err != nil || !s.Changes() {
		return s.err
	}
	if s.o.Write == nil {
		s.fails(errors.New("scopes: something changed where nothing may be written"))
		return s.err
	}
	for _, write := range []func() error{s.flushPeers, s.flushEntries, s.flushMarks, s.flushUpwards, s.flushSeeks, s.flushLog} {
		if err := write(); err != nil {
			s.fails(fmt.Errorf("keep whom a child may have: %w", err))
			break
		}
	}
	return s.err
}

// rows writes rows of a table in portions; row appends one, without its brackets.
func (s *Store) rows(head, tail string, n int, row func(b []byte, i int) []byte) error {
	b := []byte(head)
	for i := range n {
		if len(b) > len(head) {
			b = append(b, ',')
		}
		b = append(row(append(b, '('), i), ')')
		if i < n-1 && len(b) < portion {
			continue
		}
		if err := sqldb.Exec(s.ctx, s.o.Write, string(b)+tail); err != nil {
			return err
		}
		b = b[:len(head)]
	}
	return nil
}

// portion is how many bytes of rows one statement has, but for its last row.
const portion = 1 << 18

func (s *Store) flushPeers() error {
	for _, id := range slices.Sorted(maps.Keys(s.dirty)) {
		p := s.peers[id]
		rules, err := journal.EncodeScopeRules(p.rules)
		if err != nil {
			return err
		}
		_, err = s.o.Write.ExecContext(s.ctx, "REPLACE INTO omsync_scope_peer (peer_id, own, since, approve, whole, rules) VALUES (?, ?, ?, ?, ?, ?)",
			uint32(id), !p.All, p.Since, p.Approve, p.whole, rules)
		if err != nil {
			return err
		}
		p.kept = true
	}
	clear(s.dirty)
	return nil
}

type changed struct {
	p merge.Peer
	o scope.Owner
}

func (s *Store) flushEntries() error {
	var put, gone []changed
	for o, all := range s.entries {
		for p := range all.dirty {
			if all.of[p].Entry == (scope.Entry{}) {
				gone = append(gone, changed{p, o})
			} else {
				put = append(put, changed{p, o})
			}
		}
	}
	if err := s.locateNew(put); err != nil {
		return err
	}
	err := s.rows("REPLACE INTO omsync_scope (peer_id, owner_key, local_id, since, told, gone, denied, changed, asked, rule, purging) VALUES ", "", len(put), func(b []byte, i int) []byte {
		e := s.entries[put[i].o].of[put[i].p]
		b = append(sqldb.Binary(fmt.Appendf(b, "%d,", put[i].p), string(put[i].o)), ',')
		return fmt.Appendf(b, "NULLIF(%d, 0),%d,%d,%d,%d,%d,%t,%t,%t", e.local, e.Since, e.Told, e.Gone, e.Denied, max(e.Since, e.Told, e.Gone, e.Denied), e.Asked, e.Rule, e.Purge)
	})
	if err != nil {
		return err
	}
	for some := range slices.Chunk(gone, fetchAtOnce) {
		b, _ := sqldb.AppendDerived([]byte("DELETE s FROM "), []string{"peer_id", "owner_key"}, len(some), 0, func(b []byte, row, c int) []byte {
			if c == 0 {
				return fmt.Append(b, some[row].p)
			}
			return sqldb.Binary(b, string(some[row].o))
		})
		b = append(b, " STRAIGHT_JOIN omsync_scope s FORCE INDEX (PRIMARY) ON s.peer_id = d.peer_id AND s.owner_key = d.owner_key"...)
		if err := sqldb.Exec(s.ctx, s.o.Write, string(b)); err != nil {
			return err
		}
	}
	for _, c := range slices.Concat(put, gone) {
		all := s.entries[c.o]
		delete(all.dirty, c.p)
		e := all.of[c.p]
		e.kept = e.Entry != scope.Entry{}
		all.of[c.p] = e
	}
	return nil
}

// locateNew finds the local ids of owners that something is kept of for the first time.
func (s *Store) locateNew(put []changed) error {
	if !s.HasOwners() {
		return nil
	}
	var ask []string
	for _, c := range put {
		e := s.entries[c.o].of[c.p]
		if r, here := s.local[scope.Row{Table: s.owners.Table.Name, Key: string(c.o)}]; here {
			e.local = r.Int
			s.entries[c.o].of[c.p] = e
		} else if !e.kept {
			ask = append(ask, string(c.o))
		}
	}
	slices.Sort(ask)
	ask = slices.Compact(ask)
	for some := range slices.Chunk(ask, fetchAtOnce) {
		found, err := s.find(some)
		if err != nil {
			return err
		}
		for _, c := range put {
			if r, here := found[string(c.o)]; here {
				e := s.entries[c.o].of[c.p]
				e.local = r.Int
				s.entries[c.o].of[c.p] = e
			}
		}
	}
	return nil
}

func (s *Store) flushMarks() error {
	for p, m := range s.exceptions {
		if err := s.flushRows("omsync_scope_row", fmt.Sprintf("%d,", p), fmt.Sprintf("t.peer_id = %d AND ", p), "peer_id, ", m); err != nil {
			return err
		}
	}
	if s.public == nil {
		return nil
	}
	return s.flushRows("omsync_public", "", "", "", s.public)
}

func (s *Store) flushRows(table, first, where, columns string, m *marks) error {
	var put, gone []scope.Row
	for row := range m.dirty {
		if m.of[row].In() {
			put = append(put, row)
		} else {
			gone = append(gone, row)
		}
	}
	id := func(row scope.Row) uint16 { return s.j.Tables[s.table(row).Name].ID }
	err := s.rows("REPLACE INTO "+table+" ("+columns+"table_id, row_key, whole_key, since) VALUES ", "", len(put), func(b []byte, i int) []byte {
		b = fmt.Appendf(append(b, first...), "%d,", id(put[i]))
		return fmt.Appendf(journal.AppendKey(b, put[i].Key), ",%d", m.of[put[i]])
	})
	if err != nil {
		return err
	}
	byTable := map[uint16][]string{}
	for _, row := range gone {
		byTable[id(row)] = append(byTable[id(row)], row.Key)
	}
	for t, keys := range byTable {
		for some := range slices.Chunk(keys, fetchAtOnce) {
			b := journal.KeyList([]byte("DELETE t FROM "), some)
			b = fmt.Appendf(b, " STRAIGHT_JOIN %s t FORCE INDEX (PRIMARY) ON %st.table_id = %d AND t.row_key = d.row_key", table, where, t)
			if err := sqldb.Exec(s.ctx, s.o.Write, string(b)); err != nil {
				return err
			}
		}
	}
	clear(m.dirty)
	return nil
}

func (s *Store) flushUpwards() error {
	put, gone := s.partWants()
	err := s.rows("INSERT INTO omsync_want (owner_key, made_at) VALUES ", " ON DUPLICATE KEY UPDATE made_at = made_at", len(put), func(b []byte, i int) []byte {
		return fmt.Appendf(sqldb.Binary(b, string(put[i])), ",%d", s.j.Now().UnixMicro())
	})
	if err == nil {
		err = s.dropOwners("omsync_want", gone)
	}
	put, gone = nil, nil
	for o, epoch := range s.heldNew {
		if epoch != 0 {
			put = append(put, o)
		} else {
			gone = append(gone, o)
		}
	}
	if err == nil {
		err = s.rows("REPLACE INTO omsync_held (owner_key, epoch) VALUES ", "", len(put), func(b []byte, i int) []byte {
			return fmt.Appendf(sqldb.Binary(b, string(put[i])), ",%d", s.heldNew[put[i]])
		})
	}
	if err == nil {
		err = s.dropOwners("omsync_held", gone)
	}
	put, gone = nil, nil
	for o, u := range s.purgesNew {
		if u != (scope.Purge{}) {
			put = append(put, o)
		} else {
			gone = append(gone, o)
		}
	}
	if err == nil {
		err = s.rows("REPLACE INTO omsync_purge (owner_key, told, ack, done) VALUES ", "", len(put), func(b []byte, i int) []byte {
			u := s.purgesNew[put[i]]
			return fmt.Appendf(sqldb.Binary(b, string(put[i])), ",%d,%d,%t", u.Told, u.Ack, u.Done)
		})
	}
	if err == nil {
		err = s.dropOwners("omsync_purge", gone)
	}
	clear(s.wantsNew)
	clear(s.heldNew)
	clear(s.purgesNew)
	return err
}

func (s *Store) partWants() (put, gone []scope.Owner) {
	for o, want := range s.wantsNew {
		if want {
			put = append(put, o)
		} else {
			gone = append(gone, o)
		}
	}
	return put, gone
}

func (s *Store) dropOwners(table string, owners []scope.Owner) error {
	for some := range slices.Chunk(owners, fetchAtOnce) {
		b, _ := sqldb.AppendDerived([]byte("DELETE t FROM "), []string{"owner_key"}, len(some), 0, func(b []byte, row, _ int) []byte {
			return sqldb.Binary(b, string(some[row]))
		})
		b = append(b, " STRAIGHT_JOIN "+table+" t FORCE INDEX (PRIMARY) ON t.owner_key = d.owner_key"...)
		if err := sqldb.Exec(s.ctx, s.o.Write, string(b)); err != nil {
			return err
		}
	}
	return nil
}

// Carry gives a child what was kept of the one of that name that was removed last: it is added again, as after its machine was lost.
func Carry(ctx context.Context, q sqldb.DB, name string, to merge.Peer) error {
	from := uint64(0)
	query := fmt.Sprintf("SELECT MAX(id) FROM omsync_peer WHERE name = %s AND role = 'child' AND state = 'removed'", sqldb.Binary(nil, name))
	err := sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		from = sqldb.Uint(r[0])
		return nil
	})
	var statements []string
	for _, table := range []string{"omsync_scope_peer", "omsync_scope", "omsync_scope_row", "omsync_reply"} {
		statements = append(statements, fmt.Sprintf("UPDATE %s SET peer_id = %d WHERE peer_id = %d", table, to, from))
	}
	if err == nil && from != 0 {
		err = sqldb.Exec(ctx, q, statements...)
	}
	if err != nil {
		return fmt.Errorf("give a child its scope back: %w", err)
	}
	return nil
}

// AskAgain has a node whose parent was added, perhaps again, ask it for all of whom it was told before.
func AskAgain(ctx context.Context, j *journal.Journal, tx sqldb.DB) error {
	s, err := Open(ctx, j, Options{Read: tx, Write: tx, Cause: Person})
	if err != nil || !s.HasOwners() {
		return err
	}
	s.Node().Rejoin(0)
	return s.Flush()
}
