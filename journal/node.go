package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"slices"

	"github.com/omsync/omsync/internal/nodename"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// ErrNone means that the database has no omsync tables.
var ErrNone = errors.New("this database is not a node yet: run omsync init")

// A Node is what the database says of the node it belongs to.
type Node struct {
	Name    string
	Profile string // its name, or the path of its file; of a long one the end is kept
	History uint64
	Earlier []uint64
	Learned []uint64 // those of them that only a peer says were this node's
}

// Create makes the tables and writes row 1, the node itself.
func Create(ctx context.Context, q sqldb.DB, n Node) error {
	for _, l := range layouts() {
		if err := sqldb.Exec(ctx, q, l.create(l.name)); err != nil {
			return fmt.Errorf("create the omsync tables: %w", err)
		}
	}
	earlier, err := encodeHistories(histories{})
	if err != nil {
		return err
	}
	const longest = 64 // of a path, its end says more
	_, err = q.ExecContext(ctx, "INSERT INTO omsync_node (id, name, format, history, earlier, profile) VALUES (1, ?, ?, ?, ?, ?)",
		n.Name, Format, n.History, earlier, n.Profile[max(0, len(n.Profile)-longest):])
	if err != nil {
		return fmt.Errorf("create the omsync tables: %w", err)
	}
	return nil
}

// Drop removes every omsync table, also those that an upgrade left halfway. The application's tables are not touched.
func Drop(ctx context.Context, q sqldb.DB) error {
	for _, t := range tables() {
		if err := sqldb.Exec(ctx, q, "DROP TABLE IF EXISTS "+t); err != nil {
			return fmt.Errorf("drop %s: %w", t, err)
		}
	}
	return nil
}

// LoadNode returns what row 1 says. Errors: [ErrNone] if there is none, a *[FormatError] if the tables are of another format.
func LoadNode(ctx context.Context, q sqldb.DB) (*Node, error) {
	var n *Node
	err := sqldb.Each(ctx, q, "SELECT name, history, earlier, profile, format FROM omsync_node WHERE id = 1", func(r []sql.RawBytes) (err error) {
		if f := int(sqldb.Int(r[4])); f != Format {
			return &FormatError{Stored: f}
		}
		n = &Node{Name: string(r[0]), History: sqldb.Uint(r[1]), Profile: string(r[3])}
		had, err := decodeHistories(r[2])
		n.Earlier, n.Learned = had.earlier, had.learned
		return err
	})
	var other *FormatError
	switch {
	case sqldb.ErrorNumber(err) == sqldb.ErrNoSuchTable:
		return nil, ErrNone
	case errors.As(err, &other):
		return nil, err
	case err != nil:
		return nil, fmt.Errorf("read omsync_node: %w", err)
	case n == nil:
		return nil, ErrNone
	}
	return n, nil
}

// NodeName returns the name of the node that the database belongs to, also where its tables are of an earlier format. Errors:
// [ErrNone] if it is no node, a *[FormatError] if they are of a later one.
func NodeName(ctx context.Context, q sqldb.DB) (string, error) {
	name, format, err := stored(ctx, q)
	if err == nil && (newer(format) || unknown(format)) {
		err = &FormatError{Stored: format}
	}
	return name, err
}

// Own returns the histories that the node had itself, as its database says: the present one, and those before.
func (n *Node) Own() []uint64 {
	out := []uint64{n.History}
	for _, h := range n.Earlier {
		if !slices.Contains(n.Learned, h) {
			out = append(out, h)
		}
	}
	return out
}

// SaveHistory writes the history and the earlier ones.
func SaveHistory(ctx context.Context, q sqldb.DB, n *Node) error {
	b, err := encodeHistories(histories{n.Earlier, n.Learned})
	if err != nil {
		return err
	}
	_, err = q.ExecContext(ctx, "UPDATE omsync_node SET history = ?, earlier = ? WHERE id = 1", n.History, b)
	return err
}

// LoadHistory returns the node and its epochs as merge wants them. Has asks the database and remembers the first error in *bad.
func LoadHistory(ctx context.Context, q sqldb.DB, bad *error) (*Node, *merge.History, error) {
	n, err := LoadNode(ctx, q)
	if err != nil {
		return nil, nil, err
	}
	j := &merge.History{ID: n.History, Earlier: map[uint64]bool{}, Learned: setOf(n.Learned)}
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

// IsName reports whether a text can be a node's name: see [nodename.Check].
func IsName(s string) bool { return nodename.Check(s) == nil }
