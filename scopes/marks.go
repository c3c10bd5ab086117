package scopes

import (
	"cmp"
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
)

// marks is rows that have something of their own: exceptions of a child, or what is public. They are few, and read at once.
type marks struct {
	of    map[scope.Row]scope.Sight
	dirty map[scope.Row]bool
}

func newMarks() *marks { return &marks{map[scope.Row]scope.Sight{}, map[scope.Row]bool{}} }

func (m *marks) set(row scope.Row, since scope.Sight) {
	if m.of[row] == since {
		return
	}
	m.dirty[row] = true
	if m.of[row] = since; since == scope.Out {
		delete(m.of, row)
	}
}

// list returns the rows whose mark is of an epoch above base, in an order of their own.
func (m *marks) list(base uint64) (out []scope.Row) {
	for row, since := range m.of {
		if uint64(since) > base {
			out = append(out, row)
		}
	}
	slices.SortFunc(out, func(a, b scope.Row) int { return cmp.Or(cmp.Compare(a.Table, b.Table), cmp.Compare(a.Key, b.Key)) })
	return out
}

// readMarks reads all marks of a table that a condition chooses.
func (s *Store) readMarks(table, where string) *marks {
	m := newMarks()
	names := map[uint64]string{}
	for _, t := range s.j.Tables {
		names[uint64(t.ID)] = t.Name
	}
	s.each("rows that a child may have", []byte("SELECT table_id, row_key, whole_key, since FROM "+table+where), func(r []sql.RawBytes) error {
		key := string(r[1])
		if r[2] != nil {
			key = string(r[2])
		}
		m.of[scope.Row{Table: names[sqldb.Uint(r[0])], Key: key}] = scope.Sight(sqldb.Uint(r[3]))
		return nil
	})
	return m
}

func (s *Store) exceptionsOf(p merge.Peer) *marks {
	if s.exceptions[p] == nil {
		s.exceptions[p] = s.readMarks("omsync_scope_row", fmt.Sprintf(" WHERE peer_id = %d", p))
	}
	return s.exceptions[p]
}

func (s *Store) publicRows() *marks {
	if s.public == nil {
		s.public = s.readMarks("omsync_public", "")
	}
	return s.public
}

// Exception returns since when a child has a row in its sight by an exception.
func (s *Store) Exception(p merge.Peer, row scope.Row) scope.Sight {
	since := s.exceptionsOf(p).of[row]
	if s.err != nil {
		return scope.Out
	}
	return since
}

// SetException gives a row an exception for a child, or takes it away.
func (s *Store) SetException(p merge.Peer, row scope.Row, since scope.Sight) {
	if m := s.exceptionsOf(p); s.hasTable(row) {
		m.set(row, since)
	}
}

// hasTable reports whether a row is of a table that the journal numbers.
func (s *Store) hasTable(row scope.Row) bool {
	if t := s.table(row); s.err == nil && (t == nil || s.j.Tables[t.Name] == nil) {
		s.fails(fmt.Errorf("scopes: the table %q is not captured here", row.Table))
	}
	return s.err == nil
}

// Exceptions returns all rows that a child has by exceptions.
func (s *Store) Exceptions(p merge.Peer) []scope.Row { return s.exceptionsOf(p).list(0) }

// ExceptionsSince returns those that it has since after the own epoch base.
func (s *Store) ExceptionsSince(p merge.Peer, base uint64) []scope.Row {
	return s.exceptionsOf(p).list(base)
}

// Public returns since when all may have a row.
func (s *Store) Public(row scope.Row) scope.Sight {
	since := s.publicRows().of[row]
	if s.err != nil {
		return scope.Out
	}
	return since
}

// SetPublic lets all have a row.
func (s *Store) SetPublic(row scope.Row, since scope.Sight) {
	if m := s.publicRows(); s.hasTable(row) {
		m.set(row, since)
	}
}

// PublicSince returns the rows that all may have since after the own epoch base.
func (s *Store) PublicSince(base uint64) []scope.Row { return s.publicRows().list(base) }

// Waiting returns the live rows of a child's that wait here. They are held at once.
func (s *Store) Waiting(p merge.Peer) (out []scope.Arrival) {
	if s.err != nil {
		return nil
	}
	type arrival struct {
		table   string
		key     string
		content journal.Content
	}
	var all []arrival
	names := map[uint16]string{}
	for _, t := range s.j.Tables {
		names[t.ID] = t.Name
	}
	err := journal.Waiting(s.ctx, s.o.Read, journal.WaitingFilter{Peer: p}, func(w journal.WaitingRow) error {
		if w.Alive {
			all = append(all, arrival{names[w.Table], w.Key, w.Content})
		}
		return nil
	})
	if s.fails(err) {
		return nil
	}
	for _, w := range all {
		if t := s.table(scope.Row{Table: w.table}); t != nil {
			out = append(out, s.arrival(t, w.key, w.content))
		}
	}
	return out
}

// arrival returns a row that waits as it came.
func (s *Store) arrival(t *schema.Table, key string, content journal.Content) scope.Arrival {
	place := s.PlaceOf(t, true, func(c *schema.Column) (string, bool) {
		if v, ok := content[c.Name]; ok && v.Text != nil {
			return *v.Text, true
		}
		return "", false
	})
	a := scope.Arrival{Row: scope.Row{Table: t.Name, Key: key}, Place: place, News: true}
	for _, name := range slices.Sorted(maps.Keys(content)) {
		v := content[name]
		to := s.j.Catalogue.Named(v.Table)
		if v.Text == nil || to == nil || s.kind(to) == scope.Common {
			continue
		}
		row := scope.Row{Table: to.Name, Key: *v.Text}
		if s.Place(row); !s.alive(row) {
			a.Needs = append(a.Needs, row)
		}
	}
	return a
}
