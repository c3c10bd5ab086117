package apply

import (
	"context"
	"database/sql"
	"fmt"
	"unsafe"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sqldb"
)

// session is the connection of an import, with what the server allows on it.
type session struct {
	conn         connection
	running      *statements // nil: none
	asked        *question   // nil: none
	written      int         // statements so far that may have written something
	maxStatement int         // bytes of a statement of several rows, about
	longest      int         // bytes of any statement
	increment    int64       // between the integers that the server gives to the rows of one INSERT
	// bulkVersions: this session holds the named lock of imports that may give empty tables a default version. No other import
	// does the same now.
	bulkVersions bool
}

// openSession takes a connection for the import of a batch and prepares it: triggers silent, and foreign keys unchecked, because
// every reference is resolved here with a lock held to the commit.
func openSession(ctx context.Context, db *sql.DB, h *batch.Header) (*session, error) {
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, err
	}
	s := &session{}
	s.conn = connection{conn, s}
	if err := s.prepare(ctx, h.Base.Epoch == 0); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// prepare sets up the session. full: of a full load, which may bring whole tables.
func (s *session) prepare(ctx context.Context, full bool) error {
	err := sqldb.Exec(ctx, s.conn,
		"SET @omsync_quiet = 1, foreign_key_checks = 0",
		"SET SESSION TRANSACTION ISOLATION LEVEL READ COMMITTED")
	if err != nil {
		return fmt.Errorf("prepare the session: %w", err)
	}
	err = s.each(ctx, "SELECT @@max_allowed_packet, @@auto_increment_increment", func(r []sql.RawBytes) error {
		s.maxStatement = int(min(sqldb.Int(r[0])/2, 1<<20))
		s.longest = int(min(sqldb.Int(r[0]), longestStatement))
		s.increment = sqldb.Int(r[1])
		return nil
	})
	if err != nil {
		return fmt.Errorf("prepare the session: %w", err)
	}
	if !full {
		return nil
	}
	return s.each(ctx, "SELECT GET_LOCK(CONCAT('omsync.', LEFT(SHA2(DATABASE(), 256), 32)), 0)", func(r []sql.RawBytes) error {
		s.bulkVersions = string(r[0]) == "1"
		return nil
	})
}

// close rolls back what was not committed, and ends the connection: its session is quiet, and nobody else may get it. It does not
// take the import's context, which may be done by then.
func (s *session) close() {
	if s.asked != nil {
		<-s.asked.done
		s.asked = nil
	}
	if s.running != nil {
		<-s.running.done
		s.running = nil
	}
	s.conn.ExecContext(context.Background(), "ROLLBACK")
	sqldb.Discard(s.conn.Conn)
}

// longestStatement is the most bytes of one statement. The driver copies it once more, beside the value that it was made of; and it
// sends none of 64 MiB.
const longestStatement = 52 << 20

// exec runs one statement, whose bytes must not change meanwhile: it may hold a value of many megabytes, and is not copied.
func (s *session) exec(ctx context.Context, statement []byte) (sql.Result, error) {
	if err := s.finish(ctx); err != nil {
		return nil, err
	}
	s.written++
	return s.execNow(ctx, statement)
}

func (s *session) execNow(ctx context.Context, statement []byte) (sql.Result, error) {
	if len(statement) > s.longest {
		return nil, mysql.ErrPktTooLarge
	}
	return s.conn.Conn.ExecContext(ctx, unsafe.String(unsafe.SliceData(statement), len(statement)))
}

// connection is a session's: what runs on it ends before the next statement begins.
type connection struct {
	*sql.Conn
	s *session
}

// ExecContext is that of [sql.Conn].
func (c connection) ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error) {
	if err := c.s.finish(ctx); err != nil {
		return nil, err
	}
	c.s.written++
	return c.Conn.ExecContext(ctx, query, args...)
}

// QueryContext is that of [sql.Conn].
func (c connection) QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error) {
	if err := c.s.finish(ctx); err != nil {
		return nil, err
	}
	return c.Conn.QueryContext(ctx, query, args...)
}

// statements are INSERTs into one table that the server is at work on while the next rows of it are prepared.
type statements struct {
	l    *localTable
	done chan struct{}
	then []func(ctx context.Context) error
}

// outcome is what the server answered.
type outcome struct {
	id  int64 // that it gave to the first row
	err error
}

// outcomeOf is execNow, for a statement that writes rows.
func (s *session) outcomeOf(ctx context.Context, statement []byte) outcome {
	result, err := s.execNow(ctx, statement)
	if err != nil {
		return outcome{err: err}
	}
	id, err := result.LastInsertId()
	return outcome{id, err}
}

// idOf is what the server gave to the nth row, counted from 0.
func (s *session) idOf(o outcome, n int) int64 { return o.id + int64(n)*s.increment }

// start has run write rows of l over the connection, which nobody else uses meanwhile. then is called once it is done, by the next that
// wants the connection or what the rows' integers are: see finish.
func (s *session) start(l *localTable, run func(), then func(context.Context) error) {
	r := &statements{l: l, done: make(chan struct{}), then: []func(context.Context) error{then}}
	s.running = r
	s.written++
	go func() {
		defer close(r.done)
		run()
	}()
}

// question is what the server is asked while what it answered before is settled.
type question struct {
	done chan struct{}
	err  error
}

// ask has run ask the server over the connection, which nobody else uses meanwhile. It writes nothing. Nothing else may run.
func (s *session) ask(run func(conn *sql.Conn) error) {
	q := &question{done: make(chan struct{})}
	s.asked = q
	go func() {
		defer close(q.done)
		q.err = run(s.conn.Conn)
	}()
}

// answered waits for the answer to what was asked, if anything was. Its error may have ended the transaction.
func (s *session) answered() error {
	q := s.asked
	if q == nil {
		return nil
	}
	<-q.done
	s.asked = nil
	return q.err
}

// finish waits for what is asked or the statement that runs, if any, and does what follows from it.
func (s *session) finish(ctx context.Context) error {
	if err := s.answered(); err != nil {
		return err
	}
	r := s.running
	if r == nil {
		return nil
	}
	<-r.done
	s.running = nil
	for _, f := range r.then {
		if err := f(ctx); err != nil {
			return err
		}
		if err := s.finish(ctx); err != nil { // rows that were divided run anew
			return err
		}
	}
	return nil
}

// finishOf is finish, if what runs is about the rows of a table, or of one that shares its key.
func (s *session) finishOf(ctx context.Context, root *localTable) error {
	if s.running == nil || root == nil || s.running.l.Root != root.Table {
		return nil
	}
	return s.finish(ctx)
}

// afterRunning does something once the statement that runs is done; at once if none does.
func (s *session) afterRunning(ctx context.Context, f func(context.Context) error) error {
	if s.running == nil {
		return f(ctx)
	}
	s.running.then = append(s.running.then, f)
	return nil
}

// each hands the rows of a query to f, as sqldb.Each does.
func (s *session) each(ctx context.Context, query string, f func([]sql.RawBytes) error) error {
	return sqldb.Each(ctx, s.conn, query, f)
}

// number reads a single number.
func (s *session) number(ctx context.Context, query string) (n int64, err error) {
	err = s.each(ctx, query, func(r []sql.RawBytes) error { n = sqldb.Int(r[0]); return nil })
	return n, err
}
