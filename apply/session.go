package apply

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"fmt"
	"unsafe"

	"github.com/go-sql-driver/mysql"

	"github.com/omsync/omsync/batch"
	"github.com/omsync/omsync/internal/sqldb"
)

// session is the connection of an import, with what the server allows on it.
type session struct {
	conn         *sql.Conn
	maxStatement int   // bytes
	increment    int64 // between the integers that the server gives to the rows of one INSERT
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
	s := &session{conn: conn}
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
	s.conn.ExecContext(context.Background(), "ROLLBACK")
	s.conn.Raw(func(any) error { return driver.ErrBadConn })
	s.conn.Close()
}

// longestStatement is the most bytes of one statement. The driver copies it once more, beside the value that it was made of; and it
// sends none of 64 MiB.
const longestStatement = 52 << 20

// exec runs one statement, whose bytes must not change meanwhile: it may hold a value of many megabytes, and is not copied.
func (s *session) exec(ctx context.Context, statement []byte) (sql.Result, error) {
	if len(statement) > longestStatement {
		return nil, mysql.ErrPktTooLarge
	}
	return s.conn.ExecContext(ctx, unsafe.String(unsafe.SliceData(statement), len(statement)))
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
