package journal

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"time"

	"github.com/omsync/omsync/access"
	"github.com/omsync/omsync/internal/sqldb"
	"github.com/omsync/omsync/merge"
)

// A CloneOf is the node of which a database is a copy.
type CloneOf struct {
	Name string
	Role access.Role // in which it becomes the clone's peer
	Card []byte
}

// LoadedAnew says whether omsync's tables were made later than when they were last looked at: a dump was loaded. known: the server says when.
func LoadedAnew(ctx context.Context, db *sql.DB, database string) (anew, known bool, err error) {
	now, err := LookMade(ctx, db, database)
	if err != nil {
		return false, false, err
	}
	is := now["omsync_node"].Table
	err = sqldb.Each(ctx, db, "SELECT made FROM omsync_table WHERE made IS NOT NULL", func(r []sql.RawBytes) error {
		m, err := decodeMade(r[0])
		if err == nil && m.Journal != "" && is != "" {
			known, anew = true, anew || m.Journal != is
		}
		return err
	})
	if err != nil {
		return false, false, fmt.Errorf("read omsync_table: %w", err)
	}
	return anew, known, nil
}

// BecomeClone makes what a database remembers, which is a copy of another node's, that of a node of its own, in one transaction: it has applied
// all that the other had, up to its last epoch, and nothing in it was made here. Versions keep their stamps, so that an edit beats what it is
// made on. What the other knew of its peers, what waited there, what it was asked, and changes that it had not sealed (they are in the rows, and
// come with its next file) are forgotten. It returns how many such changes there were.
func BecomeClone(ctx context.Context, db *sql.DB, self string, of CloneOf, now time.Time) (unsealed int64, err error) {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return 0, err
	}
	defer tx.Rollback()
	n, err := LoadNode(ctx, tx)
	if err != nil {
		return 0, err
	}
	if n.Name != of.Name {
		return 0, fmt.Errorf("this database is the node %s, not %s", n.Name, of.Name)
	}
	at, err := LastEpoch(ctx, tx)
	if err != nil {
		return 0, err
	}
	if at.Epoch == 0 {
		return 0, errors.New("the database that this is a copy of had made no epoch yet: run a sync there, and copy it then")
	}
	if unsealed, err = CountChanges(ctx, tx); err != nil {
		return 0, err
	}
	number, err := NextLink(ctx, tx, now)
	if err != nil {
		return 0, err
	}
	other, err := renumber(ctx, tx, self, of.Name)
	if err != nil {
		return 0, err
	}
	// Peers' numbers are not used again.
	if err := cloneExec(ctx, tx, "DELETE FROM omsync_peer"); err != nil {
		return 0, err
	}
	p := &Peer{Name: of.Name, Role: of.Role, Card: of.Card, Link: merge.CloneLink(number, n.History, n.Earlier, at)}
	if err := AddPeer(ctx, tx, p); err != nil {
		return 0, err
	}
	for _, query := range cloneQueries(other, p.ID) {
		if err := cloneExec(ctx, tx, query); err != nil {
			return 0, err
		}
	}
	// The epochs of before are the other's: their tokens are known to it.
	if _, err := tx.ExecContext(ctx, "INSERT INTO omsync_epoch (id, token, created_at) VALUES (?, ?, ?)", at.Epoch, Random(), now.UnixMicro()); err != nil {
		return 0, fmt.Errorf("make a clone a node: %w", err)
	}
	if err := SaveImports(ctx, tx, p, nil); err != nil {
		return 0, err
	}
	if err := SaveHistory(ctx, tx, &Node{History: Random()}); err != nil {
		return 0, err
	}
	if err := tx.Commit(); err != nil {
		return 0, fmt.Errorf("make a clone a node: %w", err)
	}
	return unsealed, nil
}

func cloneExec(ctx context.Context, tx *sql.Tx, query string) error {
	if err := sqldb.Exec(ctx, tx, query); err != nil {
		return fmt.Errorf("make a clone a node: %w", err)
	}
	return nil
}

// renumber gives row 1 of omsync_node, which is the node itself, to the clone, and returns the number under which its author of before stands
// from then on: that which the clone's name had, if it was known, or a new one.
func renumber(ctx context.Context, tx *sql.Tx, self, before string) (uint16, error) {
	a, err := LoadAuthors(ctx, tx)
	if err != nil {
		return 0, err
	}
	free := a.ID(self)
	if free == 0 {
		for id := uint16(2); free == 0; id++ {
			if id == maxAuthors {
				return 0, errors.New("make a clone a node: all numbers of authors are used")
			}
			if a.Name(id) == "" {
				free = id
			}
		}
	}
	for _, x := range []struct {
		query string
		args  []any
	}{
		{"DELETE FROM omsync_node WHERE id = ? AND id <> 1", []any{free}},
		{"UPDATE omsync_node SET name = ? WHERE id = 1", []any{self}},
		{"INSERT INTO omsync_node (id, name) VALUES (?, ?)", []any{free, before}},
	} {
		if _, err := tx.ExecContext(ctx, x.query, x.args...); err != nil {
			return 0, fmt.Errorf("make a clone a node: %w", err)
		}
	}
	return free, nil
}

// cloneQueries are the statements that make versions and records those of a clone: author 1, the node itself, was the other, which has a new number
// now; what had that number is the clone's own of an earlier life. All came from the peer.
func cloneQueries(other uint16, peer merge.Peer) (out []string) {
	author := fmt.Sprintf("author = CASE author WHEN 1 THEN %[1]d WHEN %[1]d THEN 1 ELSE author END", other)
	for _, t := range []string{"omsync_version", "omsync_tombstone", "omsync_deleted"} {
		out = append(out, fmt.Sprintf("UPDATE %s SET %s, origin = %d", t, author, peer))
	}
	out = append(out,
		"UPDATE omsync_version SET added_by = NULL",
		fmt.Sprintf("UPDATE omsync_deleted SET added_by = %d", peer),
		fmt.Sprintf("UPDATE omsync_table SET default_author = CASE default_author WHEN 1 THEN %[1]d WHEN %[1]d THEN 1 ELSE default_author END, default_origin = %[2]d, "+
			"default_added_by = NULL WHERE default_mask IS NOT NULL", other, peer),
		fmt.Sprintf("UPDATE omsync_conflict SET origin = %[1]d, peer_id = %[1]d", peer),
		fmt.Sprintf("UPDATE omsync_resolution SET origin = %d", peer),
		"DELETE FROM omsync_alias WHERE peer_id <> 0",
		"DELETE FROM omsync_import",
		"DELETE FROM omsync_epoch")
	for _, l := range layouts() {
		if !clonesKeep(l.name) {
			out = append(out, "DELETE FROM "+l.name)
		}
	}
	return out
}

// clonesKeep reports whether a table is about the rows, and not about the work of the node that had it.
func clonesKeep(table string) bool {
	switch table {
	case "omsync_node", "omsync_epoch", "omsync_table", "omsync_version", "omsync_tombstone", "omsync_deleted", "omsync_peer", "omsync_import", "omsync_alias", "omsync_conflict",
		"omsync_resolution", "omsync_buried":
		return true
	}
	return false
}
