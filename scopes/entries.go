package scopes

import (
	"database/sql"
	"fmt"
	"slices"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
)

// entries is what is kept of one owner, of all children.
type entries struct {
	of    map[merge.Peer]entry
	dirty map[merge.Peer]bool
}

type entry struct {
	scope.Entry
	local int64 // 0: none
	kept  bool  // there is a row
}

const entryColumns = "s.owner_key, s.peer_id, s.local_id, s.since, s.told, s.gone, s.denied, s.asked, s.rule, s.purging"

func readEntry(r []sql.RawBytes) (scope.Owner, merge.Peer, entry) {
	return scope.Owner(r[0]), merge.Peer(sqldb.Uint(r[1])), entry{scope.Entry{Since: sqldb.Uint(r[3]), Told: sqldb.Uint(r[4]), Gone: sqldb.Uint(r[5]),
		Denied: sqldb.Uint(r[6]), Asked: sqldb.Int(r[7]) != 0, Rule: sqldb.Int(r[8]) != 0, Purge: sqldb.Int(r[9]) != 0}, sqldb.Int(r[2]), true}
}

// take keeps what was read of an owner, unless it was changed here since.
func (s *Store) take(r []sql.RawBytes) {
	o, p, e := readEntry(r)
	if all := s.entries[o]; all != nil && !all.dirty[p] {
		all.of[p] = e
	}
}

// readEntries reads what is kept of owners that it does not know of.
func (s *Store) readEntries(all []scope.Owner) {
	var ask []scope.Owner
	for _, o := range all {
		if s.entries[o] == nil {
			s.entries[o] = &entries{map[merge.Peer]entry{}, map[merge.Peer]bool{}}
			ask = append(ask, o)
		}
	}
	for some := range slices.Chunk(ask, fetchAtOnce) {
		b, _ := sqldb.AppendDerived([]byte("SELECT "+entryColumns+" FROM "), []string{"owner_key"}, len(some), 0, func(b []byte, row, _ int) []byte {
			return sqldb.Binary(b, string(some[row]))
		})
		b = append(b, " STRAIGHT_JOIN omsync_scope s FORCE INDEX (owner) ON s.owner_key = d.owner_key"...)
		s.each("whom children may have", b, func(r []sql.RawBytes) error { s.take(r); return nil })
	}
}

// shrinkEntries forgets what is known of owners, if that is much: what was not written yet stays.
func (s *Store) shrinkEntries() {
	if len(s.entries) <= maxPlaces {
		return
	}
	for o, all := range s.entries {
		if len(all.dirty) == 0 {
			delete(s.entries, o)
		}
	}
}

// Entry returns what is kept of an owner and a child.
func (s *Store) Entry(p merge.Peer, o scope.Owner) scope.Entry {
	if all := s.scoped[p]; all != nil && s.err == nil {
		return all[o]
	}
	if s.entries[o] == nil {
		s.readEntries([]scope.Owner{o})
	}
	if s.err != nil {
		return scope.Entry{}
	}
	return s.entries[o].of[p].Entry
}

// SetEntry keeps something of an owner and a child. An owner whose key is too long is in no scope.
func (s *Store) SetEntry(p merge.Peer, o scope.Owner, e scope.Entry) {
	delete(s.scoped, p)
	had := s.Entry(p, o)
	if s.err != nil || had == e || len(o) > journal.MaxOwnerKey || o == "" {
		return
	}
	s.noteChange(p, o, had, e)
	all := s.entries[o]
	was := all.of[p]
	was.Entry = e
	all.of[p], all.dirty[p] = was, true
}

// locate notes where owners are known now, in what is kept of them.
func (s *Store) locate(rows []Known) {
	for _, r := range rows {
		all := s.entries[scope.Owner(r.Key)]
		if all == nil {
			continue
		}
		for p, e := range all.of {
			if local := r.Local.Int; e.kept && e.local != local {
				e.local = local
				all.of[p], all.dirty[p] = e, true
			}
		}
	}
}

// Entries returns all owners of whom something is kept for a child. They are held at once.
func (s *Store) Entries(p merge.Peer) (out []scope.Owner) {
	s.eachEntry(p, "", func(o scope.Owner, _ scope.Entry) { out = append(out, o) })
	slices.Sort(out)
	return out
}

// Changed returns the owners of whom a header to a child that starts at the own epoch base may have something to say, and those that
// came into its scope since.
func (s *Store) Changed(p merge.Peer, base uint64) map[scope.Owner]scope.Entry {
	out := map[scope.Owner]scope.Entry{}
	s.eachEntry(p, fmt.Sprintf(" AND s.changed > %d", base), func(o scope.Owner, e scope.Entry) {
		if max(e.Since, e.Told, e.Gone, e.Denied) > base {
			out[o] = e
		}
	})
	return out
}

// ReadScope reads all that is kept of a child at once, where most of it is going to be asked for: it is held from then on.
func (s *Store) ReadScope(p merge.Peer) {
	all := map[scope.Owner]scope.Entry{}
	s.eachEntry(p, "", func(o scope.Owner, e scope.Entry) { all[o] = e })
	s.scoped[p] = all
}

// Asking returns the owners for whom a child asks and on whom a person is to decide.
func (s *Store) Asking(p merge.Peer) (out []scope.Owner) {
	s.eachEntry(p, " AND s.asked = 1", func(o scope.Owner, e scope.Entry) {
		if e.Asked {
			out = append(out, o)
		}
	})
	slices.Sort(out)
	return out
}

// eachEntry hands on what is kept of a child, as far as a condition chooses it, and what was changed here.
func (s *Store) eachEntry(p merge.Peer, where string, f func(scope.Owner, scope.Entry)) {
	query := fmt.Appendf(nil, "SELECT %s FROM omsync_scope s WHERE s.peer_id = %d%s", entryColumns, p, where)
	s.each("whom a child may have", query, func(r []sql.RawBytes) error {
		o, _, e := readEntry(r)
		if all := s.entries[o]; all == nil || !all.dirty[p] {
			f(o, e.Entry)
		}
		return nil
	})
	for o, all := range s.entries {
		if e := all.of[p].Entry; all.dirty[p] && e != (scope.Entry{}) {
			f(o, e)
		}
	}
}

// Locate notes which owners in a child's scope are here by now that were not when they came into it: so that SQL finds them, see [In].
func (s *Store) Locate(p merge.Peer) {
	if !s.HasOwners() {
		return
	}
	var lost []string
	query := fmt.Appendf(nil, "SELECT owner_key FROM omsync_scope WHERE local_id IS NULL AND peer_id = %d AND since > 0", p)
	s.each("whom a child may have", query, func(r []sql.RawBytes) error {
		lost = append(lost, string(r[0]))
		return nil
	})
	for some := range slices.Chunk(lost, fetchAtOnce) {
		found, err := rowkey.Find(s.ctx, s.o.Read, s.owners.Table, some)
		if s.fails(err) {
			return
		}
		var rows []Known
		var here []scope.Owner
		for key, r := range found {
			rows, here = append(rows, Known{Key: key, Local: r, Alive: true}), append(here, scope.Owner(key))
		}
		s.readEntries(here)
		s.locate(rows)
	}
}

// Came returns, by local id and in ascending order, the owners who came into a child's scope after the own epoch base and are here: a batch has
// their rows whole. Those that [Store.Locate] found are among them.
func (s *Store) Came(p merge.Peer, base uint64) (ids []int64) {
	query := fmt.Appendf(nil, "SELECT %s FROM omsync_scope s WHERE s.peer_id = %d AND s.changed > %d AND s.since > %[3]d", entryColumns, p, base)
	s.each("who came into a child's scope", query, func(r []sql.RawBytes) error {
		o, _, e := readEntry(r)
		if all := s.entries[o]; all != nil && all.dirty[p] {
			return nil
		}
		if e.local != 0 {
			ids = append(ids, e.local)
		}
		return nil
	})
	for _, all := range s.entries {
		if e := all.of[p]; all.dirty[p] && e.Since > base && e.local != 0 {
			ids = append(ids, e.local)
		}
	}
	slices.Sort(ids)
	return ids
}

// Know reads what is kept of owners, at once.
func (s *Store) Know(owners []scope.Owner) { s.readEntries(owners) }
