package trigger

import (
	"context"
	"database/sql"
	"fmt"
	"strings"
	"time"

	"github.com/omsync/omsync/schema"
)

// Seen says when the triggers of a database were as they should be, and by what it shows that they still are. To list them takes a server
// as long as all else that a small exchange asks: it opens a file of each table and parses each trigger.
type Seen struct {
	Server Server    `json:"server"`
	Wanted string    `json:"wanted"` // the digest of those that there should be: see [Wanted.Digest]
	At     time.Time `json:"at"`     // before they were listed
}

// seenFor is how long Seen holds. A server counts a statement when it begins, which can wait for a table for long: one that had begun when the
// triggers were listed changes them later, and no count shows it.
const seenFor = 15 * time.Minute

// Server is a run of a database server, from its start to its end, and how far it has come. The zero Server is none.
type Server struct {
	Run     string `json:"run"`     // what UUID() ends in there: in part random, and another after each start
	Started int64  `json:"started"` // by the server's clock, in seconds since 1970
	Account string `json:"account"` // of the session that asked
	Counts  string `json:"counts"`  // how often it was told to do what can change triggers, tables or accounts
}

// AskServer returns the server's run as it is now.
func AskServer(ctx context.Context, q schema.Querier) (Server, error) {
	var s Server
	var uuid string
	if err := ask(ctx, q, "SELECT UUID(), UNIX_TIMESTAMP(), CURRENT_USER()", func(rows *sql.Rows) error { return rows.Scan(&uuid, &s.Started, &s.Account) }); err != nil {
		return Server{}, err
	}
	_, s.Run, _ = strings.Cut(uuid, "-") // 8 digits, 4, 4, 4, 12: the first three groups are the time
	for range 2 {
		_, s.Run, _ = strings.Cut(s.Run, "-")
	}
	var counts strings.Builder
	// A temporary table has no triggers: MariaDB counts them apart, MySQL does not.
	err := ask(ctx, q, "SHOW GLOBAL STATUS WHERE Variable_name REGEXP '^(Uptime|Com_((create|drop|alter|rename|grant|revoke)_.*|grant|revoke|truncate|flush))$' AND Variable_name NOT LIKE '%temporary%'",
		func(rows *sql.Rows) error {
			var name string
			var n int64
			if err := rows.Scan(&name, &n); err != nil {
				return err
			}
			if strings.EqualFold(name, "Uptime") {
				s.Started -= n
			} else {
				fmt.Fprintf(&counts, "%s %d\n", strings.TrimPrefix(name, "Com_"), n)
			}
			return nil
		})
	s.Counts = counts.String()
	if err != nil || s.Run == "" || !strings.Contains(s.Counts, "drop_trigger ") || !strings.Contains(s.Counts, "drop_table ") {
		return Server{}, err
	}
	return s, nil
}

func ask(ctx context.Context, q schema.Querier, query string, each func(*sql.Rows) error) error {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return fmt.Errorf("ask what the server has done: %w", err)
	}
	defer rows.Close()
	for rows.Next() {
		if err := each(rows); err != nil {
			return fmt.Errorf("ask what the server has done: %w", err)
		}
	}
	return rows.Err()
}

// Holds reports whether the triggers of then are those of now: the server has run all the time since, and was told nothing that could change
// them. s may be nil.
func (s *Seen) Holds(is Server, now time.Time) bool {
	if s == nil || is == (Server{}) || now.Before(s.At) || now.Sub(s.At) > seenFor {
		return false
	}
	was := s.Server
	apart := is.Started - was.Started
	is.Started = was.Started
	const rounded = 2 // seconds: two numbers that the server rounds
	return is == was && -rounded <= apart && apart <= rounded
}
