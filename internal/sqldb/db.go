// Package sqldb is what omsync needs of a MySQL or MariaDB server beyond database/sql: a connection whose session keeps exact
// values, rows read as the text that the server prints, literals, derived tables, error numbers and versions.
package sqldb

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/go-sql-driver/mysql"
)

// DB is what a statement needs: a *sql.DB, *sql.Conn or *sql.Tx.
type DB interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
	ExecContext(ctx context.Context, query string, args ...any) (sql.Result, error)
}

// sqlMode keeps exact values alive: zero dates and 0 in an AUTO_INCREMENT column are stored as they are, and what a
// column does not take is an error instead of something similar.
const sqlMode = "'STRICT_ALL_TABLES,NO_AUTO_VALUE_ON_ZERO,NO_ENGINE_SUBSTITUTION,ALLOW_INVALID_DATES'"

// Open connects to the database of a go-sql-driver DSN with the session that exact values need: UTC, utf8mb4, a strict
// sql_mode, and nothing that the server's or the account's defaults would change in what statements do. Every value is read as the text
// that the server prints.
func Open(dsn string) (*sql.DB, string, error) {
	connector, name, err := Connector(dsn)
	if err != nil {
		return nil, "", err
	}
	db := sql.OpenDB(connector)
	db.SetMaxIdleConns(4)
	return db, name, nil
}

// Connector is what [Open] opens connections with, and the name of the database.
func Connector(dsn string) (driver.Connector, string, error) {
	cfg, err := mysql.ParseDSN(dsn)
	if err != nil {
		return nil, "", fmt.Errorf("read the DSN: %w", err)
	}
	if cfg.DBName == "" {
		return nil, "", errors.New("the DSN names no database: end it with /NAME, as in user:password@unix(/run/mysqld/mysqld.sock)/openmrs")
	}
	cfg.ParseTime = false
	cfg.MaxAllowedPacket = 0
	cfg.InterpolateParams = true
	cfg.MultiStatements = false
	cfg.Collation = "utf8mb4_general_ci"
	cfg.Timeout = 20 * time.Second
	cfg.Params = map[string]string{
		"sql_mode":           sqlMode,
		"time_zone":          "'+00:00'",
		"foreign_key_checks": "1",
	}
	connector, err := mysql.NewConnector(cfg)
	if err != nil {
		return nil, "", fmt.Errorf("read the DSN: %w", err)
	}
	return withSession{connector}, cfg.DBName, nil
}

// Discard closes a connection for good. The pool gives it to nobody else: the settings of its session were made for one use.
func Discard(c *sql.Conn) {
	c.Raw(func(any) error { return driver.ErrBadConn })
	c.Close()
}

// Each runs a query and hands each row's values to f, as text; nil is NULL. The slices are valid until f returns.
func Each(ctx context.Context, q DB, query string, f func(row []sql.RawBytes) error) error {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	row := make([]sql.RawBytes, len(names))
	into := make([]any, len(names))
	for i := range row {
		into[i] = &row[i]
	}
	for rows.Next() {
		if err := rows.Scan(into...); err != nil {
			return err
		}
		if err := f(row); err != nil {
			return err
		}
	}
	return rows.Err()
}

// EachValue is [Each] past database/sql, which takes as long as the driver does: each value is what the driver made of it, nil, []byte or a number, to be
// read with [AppendText].
func EachValue(ctx context.Context, c *sql.Conn, query string, f func(row []driver.Value) error) error {
	return c.Raw(func(conn any) (err error) {
		rows, err := conn.(driver.QueryerContext).QueryContext(ctx, query, nil)
		if err != nil {
			return err
		}
		defer func() {
			if failed := rows.Close(); err == nil {
				err = failed
			}
		}()
		row := make([]driver.Value, len(rows.Columns()))
		for {
			switch err := rows.Next(row); {
			case err == io.EOF:
				return nil
			case err != nil:
				return err
			}
			if err := f(row); err != nil {
				return err
			}
		}
	})
}

// AppendText appends a value of [EachValue] as [Each] reads it. NULL is nothing.
func AppendText(b []byte, v driver.Value) []byte {
	switch v := v.(type) {
	case []byte:
		return append(b, v...)
	case string:
		return append(b, v...)
	case int64:
		return strconv.AppendInt(b, v, 10)
	case uint64:
		return strconv.AppendUint(b, v, 10)
	case float32:
		return strconv.AppendFloat(b, float64(v), 'g', -1, 32)
	case float64:
		return strconv.AppendFloat(b, v, 'g', -1, 64)
	}
	return b
}

// Exec runs statements one after the other, up to the first that errs.
func Exec(ctx context.Context, q DB, statements ...string) error {
	for _, s := range statements {
		if _, err := q.ExecContext(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// Uint reads an unsigned decimal number that the server printed; 0 for NULL.
func Uint(b []byte) uint64 { n, _ := strconv.ParseUint(string(b), 10, 64); return n }

// Int reads a signed decimal number that the server printed; 0 for NULL.
func Int(b []byte) int64 { n, _ := strconv.ParseInt(string(b), 10, 64); return n }
