package journal

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"slices"
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

// maxAuthors is how many names have numbers at most: this node's own, and others'.
const maxAuthors = 1<<16 - 1

// Add gives names their numbers, in the transaction of q if one is under way: what fails leaves no names behind, and uses up no numbers.
// Two imports that meet the same new author wait for each other.
func (a *Authors) Add(ctx context.Context, q sqldb.DB, names []string) error {
	const attempts = 20 // others may add the same name, or another under the same number
	for range attempts {
		missing := slices.DeleteFunc(slices.Clone(names), func(n string) bool { return a.ids[n] != 0 })
		if len(missing) == 0 {
			return nil
		}
		taken, err := a.insert(ctx, q, missing)
		if err != nil {
			return err
		}
		b, err := LoadAuthors(ctx, q)
		if err != nil {
			return err
		}
		if *a = *b; !taken {
			break
		}
	}
	for _, n := range names {
		if a.ids[n] == 0 {
			return fmt.Errorf("number the author %s: it has no row in omsync_node", strings.ToValidUTF8(n, "?"))
		}
	}
	return nil
}

// insert writes names under numbers that are free: those that the server would give out are lost where a transaction fails. They are drawn, so
// that two transactions under way seldom want the same one. It reports whether a name or a number was taken meanwhile.
func (a *Authors) insert(ctx context.Context, q sqldb.DB, names []string) (taken bool, err error) {
	var free []uint16
	for id := 1; id <= maxAuthors; id++ {
		if a.names[uint16(id)] == "" {
			free = append(free, uint16(id))
		}
	}
	if len(names) > len(free) {
		return false, fmt.Errorf("number the author %s: all %d numbers are used; ask where so many nodes come from", strings.ToValidUTF8(names[len(free)], "?"), maxAuthors)
	}
	for i, n := range names {
		at := i + rand.IntN(len(free)-i)
		free[i], free[at] = free[at], free[i]
		_, err := q.ExecContext(ctx, "INSERT INTO omsync_node (id, name) VALUES (?, ?)", free[i], n)
		switch {
		case sqldb.ErrorNumber(err) == sqldb.ErrDuplicateEntry:
			return true, nil
		case err != nil:
			return false, fmt.Errorf("number the author %s: %w", n, err)
		}
	}
	return false, nil
}
