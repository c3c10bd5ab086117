package scopes

import (
	"slices"
	"strconv"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/schema"
	"github.com/omsync/omsync/scope"
)

// maxNames is how many rows of one table are held with their keys.
const maxNames = 50_000

// targets returns the rows to which values of a column of a table lead; those that lead nowhere are left out.
func (s *Store) targets(t *schema.Table, c *schema.Column, values []string) map[string]scope.Row {
	if len(values) == 0 || s.err != nil {
		return nil
	}
	if path := s.step(t, c); len(path) > 1 {
		rows, err := rowkey.Referring(s.ctx, s.o.Read, path[0].To, values)
		if s.fails(err) {
			return nil
		}
		return s.name(path[0].To.Table, rows)
	} else if path == nil { // it names one of the staff
		return s.name(s.base(c), integers(values))
	}
	out := s.name(s.owners.Table, integers(values))
	for _, base := range s.owners.Bases {
		if base == t {
			continue
		}
		var rest []string
		for _, v := range values {
			if _, found := out[v]; !found {
				rest = append(rest, v)
			}
		}
		for v, row := range s.name(base, integers(rest)) {
			out[v] = row
		}
	}
	return out
}

func integers(values []string) map[string]journal.Row {
	out := make(map[string]journal.Row, len(values))
	for _, v := range values {
		if n, err := strconv.ParseInt(v, 10, 64); err == nil {
			out[v] = journal.Row{Int: n}
		}
	}
	return out
}

// name returns those of the rows that are here and have a key, by the same values, and fetches where they stand.
func (s *Store) name(t *schema.Table, rows map[string]journal.Row) map[string]scope.Row {
	var ask []journal.Row
	for _, r := range rows {
		ask = append(ask, r)
	}
	slices.SortFunc(ask, rowkey.Compare)
	out := make(map[string]scope.Row, len(rows))
	if len(ask) == 0 {
		return out
	}
	keys := s.Keys(t, slices.Compact(ask))
	known := make([]Known, 0, len(keys))
	for r, key := range keys {
		if key != "" {
			known = append(known, Known{Key: key, Local: r, Alive: true})
		}
	}
	s.fetch(t, known)
	for v, r := range rows {
		if key := keys[r]; key != "" {
			out[v] = scope.Row{Table: t.Name, Key: key}
		}
	}
	return out
}

// Keys returns the keys of rows, canonical, "" for those that are not here or have none.
func (s *Store) Keys(t *schema.Table, rows []journal.Row) map[journal.Row]string {
	held := s.heldKeys(t)
	out := make(map[journal.Row]string, len(rows))
	var ask []journal.Row
	for _, r := range rows {
		if key, known := held[r]; known {
			out[r] = key
		} else {
			ask = append(ask, r)
		}
	}
	found, err := rowkey.OfBy(s.ctx, s.o.Read, t, ask, s.keysOf)
	if s.fails(err) {
		return nil
	}
	for _, r := range ask {
		if key := found[r]; key != "" {
			out[r] = journal.Canonical(t, key)
		}
		if held != nil {
			held[r] = out[r]
		}
	}
	return out
}

// keysOf is Keys of rows that others are named by.
func (s *Store) keysOf(t *schema.Table, rows []journal.Row) (map[journal.Row]string, error) {
	return s.Keys(t, rows), s.err
}

// heldKeys is what is kept of the keys of a table's rows, with room for more; nil: nothing. It keeps those of rows that others belong by, where nothing
// may be written: what was read stays as it is.
func (s *Store) heldKeys(t *schema.Table) map[journal.Row]string {
	if s.o.Write != nil || !s.owners.LeadsOver(t) {
		return nil
	}
	if s.names[t] == nil || len(s.names[t]) > maxNames {
		s.names[t] = map[journal.Row]string{}
	}
	return s.names[t]
}
