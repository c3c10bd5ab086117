package scopes

import (
	"database/sql"
	"maps"
	"slices"

	"github.com/omsync/omsync/capture/rowkey"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/scope"
)

// Want reports whether this node asks its parent for an owner.
func (s *Store) Want(o scope.Owner) bool { return s.wanted()[o] }

func (s *Store) wanted() map[scope.Owner]bool {
	if s.wants == nil {
		s.wants = map[scope.Owner]bool{}
		s.each("for whom this node asks", []byte("SELECT owner_key FROM omsync_want"), func(r []sql.RawBytes) error {
			s.wants[scope.Owner(r[0])] = true
			return nil
		})
	}
	return s.wants
}

// SetWant asks for an owner, or does not any more.
func (s *Store) SetWant(o scope.Owner, want bool) {
	wants := s.wanted()
	if s.err != nil || wants[o] == want || len(o) > journal.MaxOwnerKey || o == "" {
		return
	}
	s.wantsNew[o] = want
	if delete(wants, o); want {
		wants[o] = true
		s.note(s.parent, o, asked)
	}
}

// Wants returns all owners for whom this node asks, in rising order.
func (s *Store) Wants() []scope.Owner { return slices.Sorted(maps.Keys(s.wanted())) }

// Held returns what is kept of an owner of whom the parent said that this node has it.
func (s *Store) Held(o scope.Owner) uint64 { return s.holds()[o] }

// holds reads all of them at once: at a child they are its patients, and what an import asks of one it asks of many.
func (s *Store) holds() map[scope.Owner]uint64 {
	if s.held == nil {
		s.held = map[scope.Owner]uint64{}
		s.each("whom this node has", []byte("SELECT owner_key, epoch FROM omsync_held"), func(r []sql.RawBytes) error {
			s.held[scope.Owner(r[0])] = sqldb.Uint(r[1])
			return nil
		})
	}
	return s.held
}

// SetHeld keeps what the parent said; 0: nothing.
func (s *Store) SetHeld(o scope.Owner, epoch uint64) {
	held := s.holds()
	if s.err != nil || held[o] == epoch || len(o) > journal.MaxOwnerKey || o == "" {
		return
	}
	s.heldNew[o] = epoch
	if delete(held, o); epoch != 0 {
		held[o] = epoch
	}
}

// Holds returns all of them, in rising order.
func (s *Store) Holds() []scope.Owner { return slices.Sorted(maps.Keys(s.holds())) }

// Purging returns what is kept of an owner of whom this node is to delete what it has.
func (s *Store) Purging(o scope.Owner) scope.Purge { return s.readPurges()[o] }

func (s *Store) readPurges() map[scope.Owner]scope.Purge {
	if s.purges == nil {
		s.purges = map[scope.Owner]scope.Purge{}
		s.each("of whom this node is to delete what it has", []byte("SELECT owner_key, told, ack, done FROM omsync_purge"), func(r []sql.RawBytes) error {
			s.purges[scope.Owner(r[0])] = scope.Purge{Told: sqldb.Uint(r[1]), Ack: sqldb.Uint(r[2]), Done: sqldb.Int(r[3]) != 0}
			return nil
		})
	}
	return s.purges
}

// SetPurging keeps it; the zero Purge: nothing.
func (s *Store) SetPurging(o scope.Owner, u scope.Purge) {
	purges := s.readPurges()
	if s.err != nil || purges[o] == u || len(o) > journal.MaxOwnerKey || o == "" {
		return
	}
	s.purgesNew[o] = u
	if u.Done && !purges[o].Done {
		s.note(s.parent, o, purged)
	}
	if delete(purges, o); u != (scope.Purge{}) {
		purges[o] = u
	}
}

// Purgings returns all of them, in rising order.
func (s *Store) Purgings() []scope.Owner { return slices.Sorted(maps.Keys(s.readPurges())) }

// OwnerIsHere reports whether an owner's row is known here, alive or dead.
func (s *Store) OwnerIsHere(o scope.Owner) bool {
	if s.err != nil || !s.HasOwners() {
		return false
	}
	row := scope.Row{Table: s.owners.Table.Name, Key: string(o)}
	if s.alive(row) {
		return true
	}
	here, err := rowkey.Find(s.ctx, s.o.Read, s.owners.Table, []string{string(o)})
	return !s.fails(err) && (len(here) > 0 || s.died(s.owners.Table, string(o)))
}

// find returns which owners are here.
func (s *Store) find(keys []string) (map[string]journal.Row, error) {
	return rowkey.Find(s.ctx, s.o.Read, s.owners.Table, keys)
}

// Here returns which of some owners' rows are here.
func (s *Store) Here(owners []scope.Owner) (map[scope.Owner]bool, error) {
	out := map[scope.Owner]bool{}
	for some := range slices.Chunk(owners, fetchAtOnce) {
		keys := make([]string, len(some))
		for i, o := range some {
			keys[i] = string(o)
		}
		found, err := s.find(keys)
		if err != nil {
			return nil, err
		}
		for key := range found {
			out[scope.Owner(key)] = true
		}
	}
	return out, nil
}
