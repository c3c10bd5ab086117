package journal

import (
	"context"
	"database/sql"
	"fmt"
	"strings"

	"github.com/omsync/omsync/internal/sqldb"
)

// An Authors holds the numbers that this database has for nodes' names.
type Authors struct {
	ids   map[string]uint16
	names map[uint16]string
}

// LoadAuthors returns all names and their numbers.
func LoadAuthors(ctx context.Context, q sqldb.DB) (*Authors, error) {
	a := &Authors{ids: map[string]uint16{}, names: map[uint16]string{}}
	err := sqldb.Each(ctx, q, "SELECT id, name FROM omsync_node", func(r []sql.RawBytes) error {
		id, name := uint16(sqldb.Uint(r[0])), string(r[1])
		a.ids[name], a.names[id] = id, name
		return nil
	})
	return a, err
}

// Name returns the name of a number; "" if it is unknown.
func (a *Authors) Name(id uint16) string { return a.names[id] }

// ID returns a name's number, 0 if it has none yet.
func (a *Authors) ID(name string) uint16 { return a.ids[name] }

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

// AddWithin does what Add does on one connection, in its transaction if one is under way.
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
