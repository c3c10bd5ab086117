package scopes

import (
	"database/sql"
	"fmt"
	"maps"
	"slices"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
)

// replies is what children were answered, and what was changed of it.
type replies struct {
	of    map[merge.Peer]map[string]scope.Reply
	dirty map[merge.Peer]map[string]bool
}

func (s *Store) readReplies() *replies {
	if s.replies != nil {
		return s.replies
	}
	s.replies = &replies{map[merge.Peer]map[string]scope.Reply{}, map[merge.Peer]map[string]bool{}}
	s.each("what children were answered", []byte("SELECT peer_id, name, answer, owner_key, epoch FROM omsync_reply"), func(r []sql.RawBytes) error {
		s.replies.put(merge.Peer(sqldb.Uint(r[0])), string(r[1]), scope.Reply{Answer: scope.Answer(sqldb.Int(r[2])), Owner: scope.Owner(r[3]), At: sqldb.Uint(r[4])})
		return nil
	})
	return s.replies
}

func (x *replies) put(p merge.Peer, name string, r scope.Reply) {
	if x.of[p] == nil {
		x.of[p], x.dirty[p] = map[string]scope.Reply{}, map[string]bool{}
	}
	if x.of[p][name] = r; r == (scope.Reply{}) {
		delete(x.of[p], name)
	}
}

// Replied reports whether the tables say that a child was answered, or that this node asks by an identifier.
func (s *Store) Replied() bool { return s.asks }

// Reply returns what a child was answered.
func (s *Store) Reply(p merge.Peer, name string) scope.Reply { return s.readReplies().of[p][name] }

// SetReply answers a child.
func (s *Store) SetReply(p merge.Peer, name string, r scope.Reply) {
	x := s.readReplies()
	if s.err != nil || x.of[p][name] == r {
		return
	}
	x.put(p, name, r)
	if x.dirty[p][name] = true; r.Answer.Ends() && name != string(r.Owner) {
		s.log = append(s.log, event{p, r.Owner, sought, s.o.Cause, name + ": " + r.Answer.String()})
	}
}

// Replies returns what a child asked and is answered, in rising order.
func (s *Store) Replies(p merge.Peer) []string {
	return slices.Sorted(maps.Keys(s.readReplies().of[p]))
}

// RepliedTo returns the children that asked for a name.
func (s *Store) RepliedTo(name string) (all []merge.Peer) {
	for p, of := range s.readReplies().of {
		if of[name] != (scope.Reply{}) && s.peers[p] != nil {
			all = append(all, p)
		}
	}
	slices.Sort(all)
	return all
}

// Sought returns what this node was answered, or that it asks.
func (s *Store) Sought(name string) scope.Reply { return s.readSought()[name] }

func (s *Store) readSought() map[string]scope.Reply {
	if s.sought == nil {
		s.sought, s.soughtNew = map[string]scope.Reply{}, map[string]bool{}
		s.each("for whom this node asks", []byte("SELECT name, answer, owner_key FROM omsync_sought"), func(r []sql.RawBytes) error {
			s.sought[string(r[0])] = scope.Reply{Answer: scope.Answer(sqldb.Int(r[1])), Owner: scope.Owner(r[2])}
			return nil
		})
	}
	return s.sought
}

// SetSought keeps it; the zero Reply: nothing.
func (s *Store) SetSought(name string, r scope.Reply) {
	all := s.readSought()
	if s.err != nil || all[name] == r {
		return
	}
	if s.soughtNew[name] = true; r == (scope.Reply{}) {
		delete(all, name)
		return
	}
	if all[name] = r; r.Answer == scope.Open {
		s.log = append(s.log, event{s.parent, "", sought, s.o.Cause, name})
	}
}

// AllSought returns all of them, in rising order.
func (s *Store) AllSought() []string { return slices.Sorted(maps.Keys(s.readSought())) }

func (s *Store) flushSeeks() error {
	var put, gone []string
	for name := range s.soughtNew {
		if _, is := s.sought[name]; is {
			put = append(put, name)
		} else {
			gone = append(gone, name)
		}
	}
	tail := fmt.Sprintf(" ON DUPLICATE KEY UPDATE made_at = IF(VALUES(answer) = %d, VALUES(made_at), made_at), answer = VALUES(answer), owner_key = VALUES(owner_key)", scope.Open)
	err := s.rows("INSERT INTO omsync_sought (name, answer, owner_key, made_at) VALUES ", tail, len(put), func(b []byte, i int) []byte {
		r := s.sought[put[i]]
		b = fmt.Appendf(sqldb.Binary(b, put[i]), ",%d,", r.Answer)
		return fmt.Appendf(sqldb.Binary(b, string(r.Owner)), ",%d", s.j.Now().UnixMicro())
	})
	if err == nil {
		err = s.dropNames("omsync_sought", "", gone)
	}
	clear(s.soughtNew)
	if s.replies == nil || err != nil {
		return err
	}
	for p, dirty := range s.replies.dirty {
		put, gone = nil, nil
		for name := range dirty {
			if _, is := s.replies.of[p][name]; is {
				put = append(put, name)
			} else {
				gone = append(gone, name)
			}
		}
		err = s.rows("REPLACE INTO omsync_reply (peer_id, name, answer, owner_key, epoch) VALUES ", "", len(put), func(b []byte, i int) []byte {
			r := s.replies.of[p][put[i]]
			b = fmt.Appendf(sqldb.Binary(fmt.Appendf(b, "%d,", p), put[i]), ",%d,", r.Answer)
			return fmt.Appendf(sqldb.Binary(b, string(r.Owner)), ",%d", r.At)
		})
		if err == nil {
			err = s.dropNames("omsync_reply", fmt.Sprintf("t.peer_id = %d AND ", p), gone)
		}
		if err != nil {
			return err
		}
		clear(dirty)
	}
	return nil
}

func (s *Store) dropNames(table, where string, names []string) error {
	for some := range slices.Chunk(names, fetchAtOnce) {
		b, _ := sqldb.AppendDerived([]byte("DELETE t FROM "), []string{"name"}, len(some), 0, func(b []byte, row, _ int) []byte { return sqldb.Binary(b, some[row]) })
		b = append(b, " STRAIGHT_JOIN "+table+" t FORCE INDEX (PRIMARY) ON "+where+"t.name = d.name"...)
		if err := sqldb.Exec(s.ctx, s.o.Write, string(b)); err != nil {
			return err
		}
	}
	return nil
}

// seeksChanged reports whether there is something that flushSeeks writes.
func (s *Store) seeksChanged() bool {
	n := len(s.soughtNew)
	if s.replies != nil {
		for _, dirty := range s.replies.dirty {
			n += len(dirty)
		}
	}
	return n > 0
}

// Told returns what a header to a child that starts at the own epoch base says of what it asked.
func (s *Store) Told(p merge.Peer, base uint64) map[string]scope.Reply {
	out := map[string]scope.Reply{}
	for name, r := range s.readReplies().of[p] {
		if r.Told(base) {
			out[name] = r
		}
	}
	return out
}
