package journal

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/omsync/omsync/internal/nodename"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// Format is the number of the tables' layout.
const Format = 1

// ErrNone means that the database has no omsync tables.
var ErrNone = errors.New("this database is not a node yet: run omsync init")

// Node is what the database says of the node it belongs to.
type Node struct {
	Name    string
	Profile string
	History uint64
	Earlier []uint64
}

// Create makes the tables and writes row 1, the node itself.
func Create(ctx context.Context, q sqldb.DB, n Node) error {
	if err := sqldb.Exec(ctx, q, ddl...); err != nil {
		return fmt.Errorf("create the omsync tables: %w", err)
	}
	_, err := q.ExecContext(ctx, "INSERT INTO omsync_node (id, name, format, history, earlier, profile) VALUES (1, ?, ?, ?, '[]', ?)",
		n.Name, Format, n.History, n.Profile)
	if err != nil {
		return fmt.Errorf("create the omsync tables: %w", err)
	}
	return nil
}

// Drop removes every omsync table. The application's tables are not touched.
func Drop(ctx context.Context, q sqldb.DB) error {
	for _, t := range tables {
		if err := sqldb.Exec(ctx, q, "DROP TABLE IF EXISTS "+t); err != nil {
			return fmt.Errorf("drop %s: %w", t, err)
		}
	}
	return nil
}

// LoadNode reads row 1; ErrNone if there is none.
func LoadNode(ctx context.Context, q sqldb.DB) (*Node, error) {
	var n *Node
	err := sqldb.Each(ctx, q, "SELECT name, history, earlier, profile, format FROM omsync_node WHERE id = 1", func(r []sql.RawBytes) error {
		if f := sqldb.Int(r[4]); f != Format {
			return fmt.Errorf("the omsync tables have layout %d and this omsync knows layout %d: use the omsync version that made them", f, Format)
		}
		n = &Node{Name: string(r[0]), History: sqldb.Uint(r[1]), Profile: string(r[3])}
		return json.Unmarshal(r[2], &n.Earlier)
	})
	switch {
	case sqldb.ErrorNumber(err) == sqldb.ErrNoSuchTable:
		return nil, ErrNone
	case err != nil:
		return nil, fmt.Errorf("read omsync_node: %w", err)
	case n == nil:
		return nil, ErrNone
	}
	return n, nil
}

// SaveHistory writes the history and the earlier ones.
func SaveHistory(ctx context.Context, q sqldb.DB, n *Node) error {
	b, err := json.Marshal(n.Earlier)
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, "UPDATE omsync_node SET history = ?, earlier = ? WHERE id = 1", n.History, b)
	return err
}

// ErrBusy means that the gate was not free in time.
var ErrBusy = errors.New("another omsync run holds the database's gate for long: wait for it to end and run this again")

// Gate begins a transaction on the connection and takes the gate in it: exclusively for a seal, shared for an import.
// It tries for so long, at least once; ErrBusy if time runs out, and no transaction is open then. InnoDB queues locks, and an
// exclusive one that waited long would hold up all the imports behind it: it waits a second at a time. A shared one holds up
// nobody, and keeps its place in the queue.
func Gate(ctx context.Context, c *sql.Conn, shared bool, wait time.Duration) error {
	how, patience := "FOR UPDATE", time.Second
	if shared {
		how, patience = "LOCK IN SHARE MODE", max(wait, time.Second)
	}
	seconds := int64(patience / time.Second)
	if err := sqldb.Exec(ctx, c, fmt.Sprintf("SET @omsync_wait = @@innodb_lock_wait_timeout, innodb_lock_wait_timeout = %d", seconds)); err != nil {
		return fmt.Errorf("take the gate: %w", err)
	}
	end := time.Now().Add(wait)
	for {
		err := sqldb.Exec(ctx, c, "BEGIN")
		if err == nil {
			err = sqldb.Each(ctx, c, "SELECT id FROM omsync_node WHERE id = 1 "+how, func([]sql.RawBytes) error { return nil })
		}
		if err == nil {
			return sqldb.Exec(ctx, c, "SET innodb_lock_wait_timeout = @omsync_wait")
		}
		sqldb.Exec(ctx, c, "ROLLBACK")
		if sqldb.IsLockConflict(err) {
			if time.Now().Before(end) {
				time.Sleep(time.Duration(rand.IntN(400)) * time.Millisecond)
				continue
			}
			err = ErrBusy
		}
		sqldb.Exec(ctx, c, "SET innodb_lock_wait_timeout = @omsync_wait")
		if err == ErrBusy {
			return err
		}
		return fmt.Errorf("take the gate: %w", err)
	}
}

// NextEpoch adds an epoch to the journal. The caller holds the gate. again: it only sends again what was there before.
func NextEpoch(ctx context.Context, q sqldb.DB, again bool, now time.Time) (merge.Position, error) {
	m := merge.Position{Token: Random()}
	r, err := q.ExecContext(ctx, "INSERT INTO omsync_epoch (token, again, at) VALUES (?, ?, ?)", m.Token, again, now.UnixMicro())
	if err != nil {
		return m, fmt.Errorf("begin an epoch: %w", err)
	}
	id, err := r.LastInsertId()
	m.Epoch = uint64(id)
	return m, err
}

// DropEpoch takes back an epoch in which nothing was written.
func DropEpoch(ctx context.Context, q sqldb.DB, epoch uint64) error {
	_, err := q.ExecContext(ctx, "DELETE FROM omsync_epoch WHERE id = ?", epoch)
	return err
}

// LoadHistory reads the node's epochs as merge wants them. Has asks the database and remembers the first error in *bad.
func LoadHistory(ctx context.Context, q sqldb.DB, bad *error) (*Node, *merge.History, error) {
	n, err := LoadNode(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	j := &merge.History{ID: n.History, Earlier: map[uint64]bool{}}
	for _, h := range n.Earlier {
		j.Earlier[h] = true
	}
	j.Has = func(m merge.Position) bool {
		found := false
		err := sqldb.Each(ctx, q, fmt.Sprintf("SELECT 1 FROM omsync_epoch WHERE id = %d AND token = %d", m.Epoch, m.Token),
			func([]sql.RawBytes) error { found = true; return nil })
		if err != nil && *bad == nil {
			*bad = err
		}
		return found
	}
	return n, j, nil
}

// LastEpoch is the newest epoch that the query's snapshot holds; the zero Mark if there is none.
func LastEpoch(ctx context.Context, q sqldb.DB) (m merge.Position, err error) {
	err = sqldb.Each(ctx, q, "SELECT id, token FROM omsync_epoch ORDER BY id DESC LIMIT 1", func(r []sql.RawBytes) error {
		m = merge.Position{Epoch: sqldb.Uint(r[0]), Token: sqldb.Uint(r[1])}
		return nil
	})
	return m, err
}

// ResendEpochs lists the epochs above base that only send again.
func ResendEpochs(ctx context.Context, q sqldb.DB, base uint64) (out []uint64, err error) {
	err = sqldb.Each(ctx, q, fmt.Sprintf("SELECT id FROM omsync_epoch WHERE again = 1 AND id > %d", base), func(r []sql.RawBytes) error {
		out = append(out, sqldb.Uint(r[0]))
		return nil
	})
	return out, err
}

// Authors are the numbers that this database has for nodes' names.
type Authors struct {
	ids   map[string]uint16
	names map[uint16]string
}

// LoadAuthors reads all names.
func LoadAuthors(ctx context.Context, q sqldb.DB) (*Authors, error) {
	a := &Authors{ids: map[string]uint16{}, names: map[uint16]string{}}
	err := sqldb.Each(ctx, q, "SELECT id, name FROM omsync_node", func(r []sql.RawBytes) error {
		id, name := uint16(sqldb.Uint(r[0])), string(r[1])
		a.ids[name], a.names[id] = id, name
		return nil
	})
	return a, err
}

// Name of a number; "" if it is unknown.
func (a *Authors) Name(id uint16) string { return a.names[id] }

// ID is a known name's number, 0 if it has none yet.
func (a *Authors) ID(name string) uint16 { return a.ids[name] }

// IsName reports whether a text can be a node's name: see [nodename.Check].
func IsName(s string) bool { return nodename.Check(s) == nil }

// Add gives names their numbers, at once and outside any transaction under way: two imports that meet the same new
// author must not wait for each other.
func (a *Authors) Add(ctx context.Context, db *sql.DB, names []string) error {
	var missing []string
	for _, n := range names {
		if a.ids[n] == 0 {
			missing = append(missing, n)
		}
	}
	if len(missing) == 0 {
		return nil
	}
	c, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer c.Close()
	return a.AddWithin(ctx, c, missing)
}

// AddWithin is Add on one connection, in its transaction if one is under way.
func (a *Authors) AddWithin(ctx context.Context, q sqldb.DB, names []string) error {
	for _, n := range names {
		if _, err := q.ExecContext(ctx, "INSERT IGNORE INTO omsync_node (name) VALUES (?)", n); err != nil {
			return fmt.Errorf("number the author %s: %w", n, err)
		}
	}
	b, err := LoadAuthors(ctx, q)
	if err != nil {
		return err
	}
	*a = *b
	for _, n := range names {
		if a.ids[n] == 0 {
			return fmt.Errorf("number the author %s: it has no row in omsync_node", strings.ToValidUTF8(n, "?"))
		}
	}
	return nil
}
