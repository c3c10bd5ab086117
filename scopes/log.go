package scopes

import (
	"context"
	"database/sql"
	"fmt"
	"time"

	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/journal"
	"github.com/omsync/omsync/merge"
	"github.com/omsync/omsync/scope"
)

// A Cause is what made a change of a scope happen.
type Cause string

// The causes.
const (
	Person  Cause = "person"  // somebody said so
	Rule    Cause = "rule"    // a rule that fills the scope
	Request Cause = "request" // the child asked
	Import  Cause = "import"  // rows of the child's, or of another peer's
	Seal    Cause = "seal"    // changes of the application's
)

// Events of the log.
const (
	entered  = "entered"
	left     = "left"
	asked    = "asked"
	refused  = "refused"
	began    = "began"
	ended    = "ended"
	searched = "searched" // a child was told that the patient is here
	sought   = "sought"   // by an identifier
	purging  = "purging"  // the child is to delete what it has
	purged   = "purged"   // this node deleted what it had, as its parent said
)

// event is what is to be noted.
type event struct {
	peer  merge.Peer
	owner scope.Owner
	what  string
	by    Cause
	text  string
}

func (s *Store) note(p merge.Peer, o scope.Owner, what string) {
	s.log = append(s.log, event{p, o, what, s.o.Cause, s.rule})
}

// noteChange notes what a change of an entry is to people.
func (s *Store) noteChange(p merge.Peer, o scope.Owner, had, now scope.Entry) {
	switch {
	case !had.In() && now.In():
		s.note(p, o, entered)
	case had.In() && !now.In():
		s.note(p, o, left)
	}
	if !had.Purge && now.Purge {
		s.note(p, o, purging)
	}
	if !had.Asked && now.Asked {
		s.note(p, o, asked)
	}
	if now.Denied > had.Denied {
		s.note(p, o, refused)
	}
}

// MaxLogged is how many events the log has, or somewhat more: the oldest go first. A child adds to it by requests, of which its quota says how many it
// has, and by rows.
const MaxLogged = 2_000_000

// forgetAtOnce is how many old events one transaction deletes at most.
const forgetAtOnce = 10_000

func (s *Store) flushLog() error {
	if len(s.log) == 0 {
		return nil
	}
	now := s.j.Now().UnixMicro()
	err := s.rows("INSERT INTO omsync_scope_log (peer_id, owner_key, event, cause, person, text, epoch, made_at) VALUES ", "", len(s.log), func(b []byte, i int) []byte {
		e := s.log[i]
		person := ""
		if e.by == Person {
			person = journal.Cut(s.o.Person, 64)
		}
		b = append(sqldb.Binary(fmt.Appendf(b, "%d,", e.peer), string(e.owner)), ',')
		b = append(sqldb.Binary(b, e.what), ',')
		b = append(sqldb.Binary(b, string(e.by)), ',')
		b = append(sqldb.Binary(b, person), ',')
		return fmt.Appendf(sqldb.Binary(b, journal.Cut(e.text, 500)), ",%d,%d", s.epoch, now)
	})
	s.log = nil
	if err != nil {
		return err
	}
	return ForgetLogged(s.ctx, s.o.Write, MaxLogged)
}

// ForgetLogged deletes the oldest events of the log that are more than keep, some at a time.
func ForgetLogged(ctx context.Context, q sqldb.DB, keep uint64) error {
	last := uint64(0)
	err := sqldb.Each(ctx, q, "SELECT MAX(id) FROM omsync_scope_log", func(r []sql.RawBytes) error {
		last = sqldb.Uint(r[0])
		return nil
	})
	if err == nil && last > keep {
		err = sqldb.Exec(ctx, q, fmt.Sprintf("DELETE FROM omsync_scope_log WHERE id <= %d ORDER BY id LIMIT %d", last-keep, forgetAtOnce))
	}
	if err != nil {
		return fmt.Errorf("forget old events of the log of scopes: %w", err)
	}
	return nil
}

// NoteSearch notes whom a child was told of that searched; nobody is noted too. It commits by itself.
func NoteSearch(ctx context.Context, q sqldb.DB, p merge.Peer, found []scope.Owner, now time.Time) error {
	if len(found) == 0 {
		found = []scope.Owner{""}
	}
	for _, o := range found {
		_, err := q.ExecContext(ctx, "INSERT INTO omsync_scope_log (peer_id, owner_key, event, cause, epoch, made_at) VALUES (?, ?, ?, ?, 0, ?)", uint32(p), string(o), searched, string(Request), now.UnixMicro())
		if err != nil {
			return fmt.Errorf("note a search: %w", err)
		}
	}
	return nil
}

// A Logged is an event of the log.
type Logged struct {
	Peer   merge.Peer
	Owner  scope.Owner // "": it is about the whole scope
	Event  string      // entered, left, asked, refused, purging, purged; began or ended of a scope; sought: a child asked by an identifier, which Rule has, with the answer
	Cause  Cause
	Person string // whose word it was; empty: nobody's
	Rule   string
	At     int64 // µs since 1970 UTC
}

// LogOf returns what happened with an owner, at all peers, the latest last, up to limit of the latest events.
func LogOf(ctx context.Context, q sqldb.DB, o scope.Owner, limit int) (out []Logged, err error) {
	query := fmt.Sprintf("SELECT peer_id, owner_key, event, cause, person, text, made_at FROM (SELECT * FROM omsync_scope_log WHERE owner_key = %s ORDER BY id DESC LIMIT %d) l ORDER BY id",
		sqldb.Binary(nil, string(o)), limit)
	err = sqldb.Each(ctx, q, query, func(r []sql.RawBytes) error {
		out = append(out, Logged{merge.Peer(sqldb.Uint(r[0])), scope.Owner(r[1]), string(r[2]), Cause(r[3]), string(r[4]), string(r[5]), sqldb.Int(r[6])})
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("read the log of scopes: %w", err)
	}
	return out, nil
}
